package kernel

import (
	"fmt"
	"math"
	"testing"
)

// pack lays rows x k values out in panels of width; at gives element (row, l).
func pack(rows, k, width int, at func(row, l int) float32) []float32 {
	out := make([]float32, Panels(rows, width)*width*k)
	for r := range rows {
		for l := range k {
			out[(r/width*k+l)*width+r%width] = at(r, l)
		}
	}
	return out
}

func value(i int) float32 { return float32(math.Sin(float64(i*7+1)) * 3) }

// TestGemm compares with three plain loops on odd sizes; values around C must stay.
func TestGemm(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {2, 4, 3}, {3, 5, 7}, {7, 9, 33}, {16, 17, 64}, {33, 31, 129}} {
		m, n, k := s[0], s[1], s[2]
		a := pack(m, k, MR, func(i, l int) float32 { return value(i*k + l) })
		b := pack(n, k, NR, func(j, l int) float32 { return value(1000 + j*k + l) })
		ldc := Panels(n, NR)*NR + 3
		rows := Panels(m, MR) * MR
		c := make([]float32, rows*ldc+8)
		for i := range c {
			c[i] = 100
		}
		Gemm(m, n, k, a, k*MR, b, k*NR, c, ldc)
		for i := range m {
			for j := range n {
				want := 100.0
				for l := range k {
					want += float64(value(i*k+l)) * float64(value(1000+j*k+l))
				}
				if got := float64(c[i*ldc+j]); math.Abs(got-want) > 1e-4*(1+math.Abs(want)) {
					t.Fatalf("%v: (%d,%d) = %v, want %v", s, i, j, got, want)
				}
			}
			for j := Panels(n, NR) * NR; j < ldc; j++ {
				if c[i*ldc+j] != 100 {
					t.Fatalf("%v: wrote past the tile at (%d,%d)", s, i, j)
				}
			}
		}
		for _, v := range c[rows*ldc:] {
			if v != 100 {
				t.Fatalf("%v: wrote past C", s)
			}
		}
	}
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range [][3]int{{64, 256, 256}, {16, 512, 256}} {
		m, n, k := s[0], s[1], s[2]
		b.Run(fmt.Sprintf("%dx%dx%d", m, n, k), func(b *testing.B) {
			x := make([]float32, Panels(m, MR)*MR*k)
			y := make([]float32, Panels(n, NR)*NR*k)
			c := make([]float32, Panels(m, MR)*MR*Panels(n, NR)*NR)
			for b.Loop() {
				Gemm(m, n, k, x, k*MR, y, k*NR, c, Panels(n, NR)*NR)
			}
			b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
