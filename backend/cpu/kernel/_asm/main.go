// Command _asm writes the assembly of package kernel: run `go generate` there.
//
// The generic Go code of that package says what each kernel computes; the transforms'
// matrices come from its tables.
package main

import (
	"flag"
	"log"

	"github.com/mmcloughlin/avo/build"
)

// generators are the files by their -set.
var generators = map[string]func(){
	"avx512": func() { vectorKernels(avx512); tiles(avx512) },
	"avx2":   func() { vectorKernels(avx2); gemmAVX2() },
	"bf16":   bf16Kernels,
}

func main() {
	set := flag.String("set", "", "which file to write: avx512, avx2 or bf16")
	flag.Parse()
	generate, ok := generators[*set]
	if !ok {
		log.Fatalf("_asm: no set %q", *set)
	}
	build.ConstraintExpr("!noasm")
	generate()
	build.Generate()
	if *set == "bf16" {
		if err := encodeBF16(flag.Lookup("out").Value.String()); err != nil {
			log.Fatal(err)
		}
	}
}

// vectorKernels are the kernels whose code is the same for both widths.
func vectorKernels(v isa) {
	affine(v, false)
	addRows(v)
	maxPool(v)
	sumTaps(v)
	dots(v)
	largest(v)
	softmax(v)
	scale(v)
	tanh(v)
	for _, t := range transforms {
		if t.input {
			inputTransform(v, t.w, false)
		}
		outputTransform(v, t.w)
		weightsTransform(v, t.w)
	}
}
