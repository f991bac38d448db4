//go:build !noasm

package kernel

import (
	"github.com/klauspost/cpuid/v2"
)

// vector lists the sets of assembly that this processor runs.
func vector() []*Set {
	var sets []*Set
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		sets = append(sets, setAVX2)
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL) {
		set := *setAVX512
		if cpuid.CPU.Supports(cpuid.AVX512BF16) {
			set.half = halfAVX512
		}
		sets = append(sets, &set)
	}
	return sets
}

var setAVX512 = &Set{
	Name: "avx512", Rows: len(tilesAVX512),
	gemm: gemmTiles(tilesAVX512[:], 32), affine: affineWith(affineAVX512), addRows: addRowsWith(addRowsAVX512),
	maxPool: maxPoolWith(maxPoolAVX512), sumTaps: sumTapsWith(sumTapsAVX512), dots: dotsWith(dotsAVX512),
	largest: largestWith(largestAVX512), scale: scaleWith(scaleAVX512), expSum: expSumWith(expSumAVX512), tanh: tanhWith(tanhAVX512),
	input: map[int]inputFunc{3: inputWith(input3AVX512), 4: inputWith(input4AVX512), 6: inputWith(input6AVX512)},
	output: map[[2]int]outputFunc{
		{2, 3}: outputWith(output2of3AVX512), {2, 4}: outputWith(output2of4AVX512), {3, 4}: outputWith(output3of4AVX512),
		{4, 6}: outputWith(output4of6AVX512), {5, 6}: outputWith(output5of6AVX512),
	},
	weights: map[[2]int]weightsFunc{
		{2, 3}: weightsWith(weights2of3AVX512), {2, 4}: weightsWith(weights3of4AVX512), {3, 4}: weightsWith(weights2of4AVX512),
		{4, 6}: weightsWith(weights3of6AVX512), {5, 6}: weightsWith(weights2of6AVX512),
	},
}

var setAVX2 = &Set{
	Name: "avx2", Rows: len(tilesAVX2),
	gemm: gemmTiles(tilesAVX2[:], 16), affine: affineWith(affineAVX2), addRows: addRowsWith(addRowsAVX2),
	maxPool: maxPoolWith(maxPoolAVX2), sumTaps: sumTapsWith(sumTapsAVX2), dots: dotsWith(dotsAVX2),
	largest: largestWith(largestAVX2), scale: scaleWith(scaleAVX2), expSum: expSumWith(expSumAVX2), tanh: tanhWith(tanhAVX2),
	input: map[int]inputFunc{3: inputWith(input3AVX2), 4: inputWith(input4AVX2), 6: inputWith(input6AVX2)},
	output: map[[2]int]outputFunc{
		{2, 3}: outputWith(output2of3AVX2), {2, 4}: outputWith(output2of4AVX2), {3, 4}: outputWith(output3of4AVX2),
		{4, 6}: outputWith(output4of6AVX2), {5, 6}: outputWith(output5of6AVX2),
	},
	weights: map[[2]int]weightsFunc{
		{2, 3}: weightsWith(weights2of3AVX2), {2, 4}: weightsWith(weights3of4AVX2), {3, 4}: weightsWith(weights2of4AVX2),
		{4, 6}: weightsWith(weights3of6AVX2), {5, 6}: weightsWith(weights2of6AVX2),
	},
}

// tileFunc computes a tile of a fixed number of rows; lda and ldc in bytes.
type tileFunc func(k int, a *float32, lda int, b *float32, c *float32, ldc int, columns int, add int)

// The tiles by their rows, from 1.
var tilesAVX512 = [...]tileFunc{
	tile1xAVX512, tile2xAVX512, tile3xAVX512, tile4xAVX512, tile5xAVX512, tile6xAVX512, tile7xAVX512,
	tile8xAVX512, tile9xAVX512, tile10xAVX512, tile11xAVX512, tile12xAVX512, tile13xAVX512, tile14xAVX512,
}

var tilesAVX2 = [...]tileFunc{tile1xAVX2, tile2xAVX2, tile3xAVX2, tile4xAVX2, tile5xAVX2, tile6xAVX2}

// gemmTiles covers C with tiles of up to len(tiles) rows, as equal as they can be, and of
// width columns, panel by panel: a panel of B is read from memory once.
func gemmTiles(tiles []tileFunc, width int) func(m, n, k int, a []float32, lda int, b []float32, bStride int, c []float32, ldc int, add bool) {
	return func(m, n, k int, a []float32, lda int, b []float32, bStride int, c []float32, ldc int, add bool) {
		chunks := Panels(m, len(tiles))
		for j := 0; j < n; j += width {
			panel := &b[j/NR*bStride+j%NR]
			for chunk := range chunks {
				from, to := chunk*m/chunks, (chunk+1)*m/chunks
				tiles[to-from-1](k, &a[from*lda], 4*lda, panel, &c[from*ldc+j], 4*ldc, min(width, n-j), flag(add))
			}
		}
	}
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func affineWith(f func(dst *float32, dstStep int, src *float32, srcStep int, rows int, n int, scale *float32, shift *float32, floor float32)) func([]float32, int, []float32, int, int, int, []float32, []float32, float32) {
	return func(dst []float32, dstStep int, src []float32, srcStep, rows, n int, scale, shift []float32, floor float32) {
		f(&dst[0], 4*dstStep, &src[0], 4*srcStep, rows, n, &scale[0], &shift[0], floor)
	}
}

func addRowsWith(f func(dst *float32, dstStep int, src *float32, srcStep int, rows int, n int, bias *float32)) func([]float32, int, []float32, int, int, int, []float32) {
	return func(dst []float32, dstStep int, src []float32, srcStep, rows, n int, bias []float32) {
		f(&dst[0], 4*dstStep, &src[0], 4*srcStep, rows, n, &bias[0])
	}
}

func maxPoolWith(f func(dst *float32, dstStep int, src *float32, pixelStep int, rowStep int, count int, n int)) func([]float32, int, []float32, int, int, int, int) {
	return func(dst []float32, dstStep int, src []float32, pixel, row, count, n int) {
		f(&dst[0], 4*dstStep, &src[0], 4*pixel, 4*row, count, n)
	}
}

// sumTapsWith leaves pixels that end within four values of the end to plain Go: f writes four
// values for each.
func sumTapsWith(f func(dst *float32, a *float32, b *float32, c *float32, count int, n int)) func([]float32, [3][]float32, int, int) {
	return func(dst []float32, rows [3][]float32, count, n int) {
		if whole := count + 1 - Panels(4, n); whole > 0 {
			f(&dst[0], &rows[0][0], &rows[1][3*n], &rows[2][6*n], whole, 4*n)
			for i := range rows {
				rows[i] = rows[i][whole*NR:]
			}
			dst, count = dst[whole*n:], count-whole
		}
		sumTapsGeneric(dst, rows, count, n)
	}
}

func expSumWith(f func(x *float32, n int, largest float32, sum *float32)) func([]float32, float32) float32 {
	return func(x []float32, largest float32) float32 {
		var lanes [16]float32
		f(&x[0], len(x), largest, &lanes[0])
		var sum float32
		for _, v := range lanes {
			sum += v
		}
		return sum
	}
}

func tanhWith(f func(x *float32, n int)) func([]float32) {
	return func(x []float32) { f(&x[0], len(x)) }
}

func inputWith(f func(dst *float32, plane int, dstTile int, src *float32, row int, pixel int, srcTile int, tiles int, n int, temp *float32)) inputFunc {
	return func(_ *Winograd, t Tiles, dst, src, temp []float32) {
		f(&dst[0], 4*t.Plane, 4*t.Next, &src[0], 4*t.Row, 4*t.Pixel, 4*t.Tile, t.Count, t.Channels, &temp[0])
	}
}

func outputWith(f func(dst *float32, row int, pixel int, dstTile int, src *float32, plane int, srcTile int, tiles int, n int, bias *float32, add int, temp *float32)) outputFunc {
	return func(_ *Winograd, t Tiles, dst, src, bias []float32, add bool, temp []float32) {
		f(&dst[0], 4*t.Row, 4*t.Pixel, 4*t.Tile, &src[0], 4*t.Plane, 4*t.Next, t.Count, t.Channels, &bias[0], flag(add), &temp[0])
	}
}

func weightsWith(f func(dst *float32, plane int, src *float32, tap int, n int, temp *float32)) weightsFunc {
	return func(_ *Winograd, dst []float32, plane int, src []float32, tap, n int, temp []float32) {
		f(&dst[0], 4*plane, &src[0], 4*tap, n, &temp[0])
	}
}

func dotsWith(f func(y *float32, w *float32, ldw int, rows int, x *float32, n int)) func(y, w []float32, ldw int, x []float32) {
	return func(y, w []float32, ldw int, x []float32) { f(&y[0], &w[0], 4*ldw, len(y), &x[0], len(x)) }
}

func largestWith(f func(x *float32, n int, lanes *float32)) func([]float32) float32 {
	return func(x []float32) float32 {
		var lanes [16]float32
		for i := range lanes {
			lanes[i] = x[0]
		}
		f(&x[0], len(x), &lanes[0])
		return largestGeneric(lanes[:])
	}
}

func scaleWith(f func(x *float32, n int, factor float32)) func([]float32, float32) {
	return func(x []float32, factor float32) { f(&x[0], len(x), factor) }
}
