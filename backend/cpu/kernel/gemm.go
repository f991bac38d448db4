package kernel

// NR is the width of a panel of B: columns that lie together for each product.
const NR = 32

// Gemm computes C = A·B, or adds to C. A is row-major, lda values a row. B is packed in
// panels of NR columns, bStride values apart: value (l, j) stands at panel j/NR, l·NR + j%NR;
// the last panel is padded. C is row-major, ldc values a row; only its n columns are written.
func (s *Set) Gemm(m, n, k int, a []float32, lda int, b []float32, bStride int, c []float32, ldc int, add bool) {
	if m < 1 || n < 1 {
		return
	}
	if k < 1 {
		panic("kernel: a product of no values")
	}
	_, _, _ = a[(m-1)*lda+k-1], b[(Panels(n, NR)-1)*bStride+k*NR-1], c[(m-1)*ldc+n-1]
	s.gemm(m, n, k, a, lda, b, bStride, c, ldc, add)
}

// gemmGeneric is the plain form of Gemm.
func gemmGeneric(m, n, k int, a []float32, lda int, b []float32, bStride int, c []float32, ldc int, add bool) {
	if !add {
		for i := range m {
			clear(c[i*ldc:][:n])
		}
	}
	for j := 0; j < n; j += 4 {
		panel := b[j/NR*bStride+j%NR:]
		for i := 0; i < m; i += 2 {
			tile(k, a[i*lda:], a[min(i+1, m-1)*lda:], panel, c[i*ldc+j:], ldc, min(2, m-i), min(4, n-j))
		}
	}
}

// tile adds a block of up to 2 x 4. Columns past n are padding of the panel.
func tile(k int, a0, a1, b, c []float32, ldc, m, n int) {
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	a0, a1 = a0[:k], a1[:k]
	for l, x := range a0 {
		row := b[l*NR:][:4]
		y := a1[l]
		b0, b1, b2, b3 := row[0], row[1], row[2], row[3]
		c00 += x * b0
		c01 += x * b1
		c02 += x * b2
		c03 += x * b3
		c10 += y * b0
		c11 += y * b1
		c12 += y * b2
		c13 += y * b3
	}
	sums := [2][4]float32{{c00, c01, c02, c03}, {c10, c11, c12, c13}}
	for i := range m {
		for j := range n {
			c[i*ldc+j] += sums[i][j]
		}
	}
}
