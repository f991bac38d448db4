package main

// gemmBF16 writes the tiles of bfloat16 pairs.
func gemmBF16() {}
