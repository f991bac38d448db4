// Package kernel holds the inner loops of the CPU backend, from slices to slices. It knows
// no graphs.
package kernel

// MR rows of A (pixels) and NR columns of B (channels) make the tile that Gemm keeps in registers.
const (
	MR = 2
	NR = 4
)

// Panels is how many panels of width cover n, the last one padded.
func Panels(n, width int) int { return (n + width - 1) / width }

// Gemm adds A·B to C for packed operands. A holds panels of MR rows, B panels of NR
// columns, each k-major and aStride or bStride values from the next panel: element (i, l)
// of A stands at panel i/MR, l·MR + i%MR. C is row-major with ldc values a row and must hold
// whole tiles: Panels(m, MR)·MR rows of at least Panels(n, NR)·NR values.
func Gemm(m, n, k int, a []float32, aStride int, b []float32, bStride int, c []float32, ldc int) {
	for j := range Panels(n, NR) {
		bp := b[j*bStride:][:k*NR]
		for i := range Panels(m, MR) {
			tile(k, a[i*aStride:][:k*MR], bp, c[i*MR*ldc+j*NR:], ldc)
		}
	}
}

// tile adds one MR x NR block.
func tile(k int, a, b, c []float32, ldc int) {
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	for l := 0; l < k; l++ {
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		a0, a1 := a[0], a[1]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
		if l+1 < k {
			a, b = a[MR:], b[NR:]
		}
	}
	r0, r1 := c[:NR:NR], c[ldc:ldc+NR]
	r0[0] += c00
	r0[1] += c01
	r0[2] += c02
	r0[3] += c03
	r1[0] += c10
	r1[1] += c11
	r1[2] += c12
	r1[3] += c13
}
