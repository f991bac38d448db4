// Package kernel holds the inner loops of the CPU backend, from slices to slices. It knows
// no graphs.
//
// Every kernel exists in plain Go, which says what it computes; AVX2 and AVX-512 versions
// are written by _asm (go generate) and tested against it. Wrappers check that the slices
// are long enough before any assembly runs.
package kernel

//go:generate sh -c "cd _asm && go run -tags noasm . -set avx512 -out ../avx512_amd64.s -stubs ../avx512_amd64.go -pkg kernel"
//go:generate sh -c "cd _asm && go run -tags noasm . -set avx2 -out ../avx2_amd64.s -stubs ../avx2_amd64.go -pkg kernel"
//go:generate sh -c "cd _asm && go run -tags noasm . -set bf16 -out ../bf16_amd64.s -stubs ../bf16_amd64.go -pkg kernel"

import (
	"fmt"
	"strings"
)

// Set is the kernels for one instruction set.
type Set struct {
	Name string
	Rows int // of A that the tile of Gemm keeps in registers

	gemm    func(m, n, k int, a []float32, lda int, b []float32, bStride int, c []float32, ldc int, add bool)
	affine  func(dst []float32, dstStep int, src []float32, srcStep, rows, n int, scale, shift []float32, floor float32)
	addRows func(dst []float32, dstStep int, src []float32, srcStep, rows, n int, bias []float32)
	maxPool func(dst []float32, dstStep int, src []float32, pixel, row, count, n int)
	sumTaps func(dst []float32, rows [3][]float32, count, n int)
	dots    func(y, w []float32, ldw int, x []float32)
	largest func(x []float32) float32
	scale   func(x []float32, factor float32)
	expSum  func(x []float32, largest float32) float32
	tanh    func(x []float32)
	input   map[int]inputFunc     // by N
	output  map[[2]int]outputFunc // by M and N
	weights map[[2]int]weightsFunc
	half    *halfSet // nil = the processor lacks bfloat16
}

type (
	inputFunc   func(w *Winograd, t Tiles, dst, src, temp []float32)
	outputFunc  func(w *Winograd, t Tiles, dst, src, bias []float32, add bool, temp []float32)
	weightsFunc func(w *Winograd, dst []float32, plane int, src []float32, tap, n int, temp []float32)
)

// Generic is plain Go, without bfloat16: float32 is faster there and exact.
var Generic = &Set{
	Name: "generic", Rows: 4,
	gemm: gemmGeneric, affine: affineGeneric, addRows: addRowsGeneric, maxPool: maxPoolGeneric, sumTaps: sumTapsGeneric, dots: dotsGeneric, largest: largestGeneric,
	scale: scaleGeneric, expSum: expSumGeneric, tanh: tanhGeneric,
	input: map[int]inputFunc{3: inputGeneric, 4: inputGeneric, 6: inputGeneric},
	output: map[[2]int]outputFunc{
		{2, 3}: outputGeneric, {2, 4}: outputGeneric, {3, 4}: outputGeneric, {4, 6}: outputGeneric, {5, 6}: outputGeneric,
	},
	weights: map[[2]int]weightsFunc{
		{2, 3}: weightsGeneric, {2, 4}: weightsGeneric, {3, 4}: weightsGeneric, {4, 6}: weightsGeneric, {5, 6}: weightsGeneric,
	},
}

// Names are all sets, whether this processor has them or not.
var Names = []string{"generic", "avx2", "avx512"}

// Sets are those that run here, the fastest last.
func Sets() []*Set { return append([]*Set{Generic}, vector()...) }

// Find gives the set of a name; "" is the fastest. known is false for a name that is none.
func Find(name string) (s *Set, known bool, err error) {
	sets := Sets()
	if name == "" {
		return sets[len(sets)-1], true, nil
	}
	var here []string
	for _, s := range sets {
		if s.Name == name {
			return s, true, nil
		}
		here = append(here, s.Name)
	}
	for _, n := range Names {
		if n == name {
			return nil, true, fmt.Errorf("kernel: this processor or build has no %s, only %s", name, strings.Join(here, ", "))
		}
	}
	return nil, false, fmt.Errorf("kernel: no set %q, want one of %s", name, strings.Join(Names, ", "))
}

// Panels is how many panels of width cover n, the last one padded.
func Panels(n, width int) int { return (n + width - 1) / width }
