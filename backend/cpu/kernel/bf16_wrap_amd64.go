//go:build !noasm

package kernel

import "unsafe"

var halfAVX512 = &halfSet{
	gemm: gemmHalf, round: roundHalf, affine: affineHalf,
	input: map[int]func(w *Winograd, t Tiles, dst []uint32, src, temp []float32){
		3: inputHalf(input3BF16), 4: inputHalf(input4BF16), 6: inputHalf(input6BF16),
	},
}

// The tiles of pairs by their rows, from 1.
var tilesBF16 = [...]tileFunc{
	tile1xBF16, tile2xBF16, tile3xBF16, tile4xBF16, tile5xBF16, tile6xBF16, tile7xBF16,
	tile8xBF16, tile9xBF16, tile10xBF16, tile11xBF16, tile12xBF16, tile13xBF16, tile14xBF16,
}

// tilesHalf covers C with tiles of pairs, which lie as float32 values do.
var tilesHalf = gemmTiles(tilesBF16[:], 32)

// words sees pairs as values of the same size.
func words(x []uint32) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

func gemmHalf(m, n, k int, a []uint32, lda int, b []uint32, bStride int, c []float32, ldc int, add bool) {
	tilesHalf(m, n, k, words(a), lda, words(b), bStride, c, ldc, add)
}

func roundHalf(dst []uint32, dstStep int, src []float32, srcStep, rows, n int) {
	roundRowsBF16(&dst[0], 4*dstStep, &src[0], 4*srcStep, rows, n)
}

func affineHalf(dst []uint32, dstStep int, src []float32, srcStep, rows, n int, scale, shift []float32, floor float32) {
	affineBF16(&words(dst)[0], 4*dstStep, &src[0], 4*srcStep, rows, n, &scale[0], &shift[0], floor)
}

func inputHalf(f func(dst *float32, plane int, dstTile int, src *float32, row int, pixel int, srcTile int, tiles int, n int, temp *float32)) func(w *Winograd, t Tiles, dst []uint32, src, temp []float32) {
	return func(_ *Winograd, t Tiles, dst []uint32, src, temp []float32) {
		f(&words(dst)[0], 4*t.Plane, 4*t.Next, &src[0], 4*t.Row, 4*t.Pixel, 4*t.Tile, t.Count, t.Channels, &temp[0])
	}
}
