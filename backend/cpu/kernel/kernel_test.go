package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// guard stands around what a kernel may write.
const guard = -12345

// guarded is a slice of n values with guards before and after it, and a check of them.
func guarded(t *testing.T, n int) ([]float32, func(what string)) {
	const margin = 40
	all := make([]float32, n+2*margin)
	for i := range all {
		all[i] = guard
	}
	return all[margin : margin+n : margin+n], func(what string) {
		t.Helper()
		for i := range margin {
			if all[i] != guard || all[margin+n+i] != guard {
				t.Fatalf("%s: wrote outside its slice", what)
			}
		}
	}
}

func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// same compares within tolerance times 1 + the magnitude; values that must not be written
// are guards in both.
func same(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - float64(w)); !(d <= tolerance*(1+math.Abs(float64(w)))) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], w)
		}
	}
}

// each runs a test for every set that this processor has.
func each(t *testing.T, test func(t *testing.T, s *Set)) {
	for _, s := range Sets() {
		t.Run(s.Name, func(t *testing.T) { test(t, s) })
	}
}

var oddSizes = []int{1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 65, 100}

func pack(n, k int, at func(l, j int) float32) []float32 {
	out := make([]float32, Panels(n, NR)*NR*k)
	for j := range n {
		for l := range k {
			out[j/NR*k*NR+l*NR+j%NR] = at(l, j)
		}
	}
	return out
}

// TestGemm compares with three plain loops in float64.
func TestGemm(t *testing.T) {
	each(t, func(t *testing.T, s *Set) {
		for _, m := range []int{1, 2, 5, 6, 7, 13, 14, 15, 29, 64} {
			for _, n := range []int{1, 3, 15, 16, 17, 31, 32, 33, 70} {
				for _, k := range []int{1, 2, 3, 4, 5, 37, 130} {
					for _, add := range []bool{false, true} {
						testGemm(t, s, m, n, k, add)
					}
				}
			}
		}
	})
}

func testGemm(t *testing.T, s *Set, m, n, k int, add bool) {
	what := fmt.Sprintf("%dx%dx%d add %v", m, n, k, add)
	lda, ldc := k+3, n+5
	a, x := random(1, m*lda), random(2, n*k)
	b := pack(n, k, func(l, j int) float32 { return x[j*k+l] })
	c, check := guarded(t, (m-1)*ldc+n)
	want := make([]float32, len(c))
	for i := range c {
		want[i] = guard
	}
	for i := range m {
		for j := range n {
			var sum float64
			if add {
				c[i*ldc+j] = float32(i - j)
				sum = float64(i - j)
			}
			for l := range k {
				sum += float64(a[i*lda+l]) * float64(x[j*k+l])
			}
			want[i*ldc+j] = float32(sum)
		}
	}
	s.Gemm(m, n, k, a, lda, b, k*NR, c, ldc, add)
	check(what)
	same(t, what, c, want, 2e-5)
}

func TestRows(t *testing.T) {
	each(t, func(t *testing.T, s *Set) {
		for _, n := range oddSizes {
			for _, rows := range []int{1, 3} {
				src, scale, shift := random(3, rows*(n+2)), random(4, n), random(5, n)
				for _, floor := range []float32{0, float32(math.Inf(-1))} {
					got, check := guarded(t, (rows-1)*(n+1)+n)
					want, _ := guarded(t, len(got))
					s.Affine(got, n+1, src, n+2, rows, n, scale, shift, floor)
					affineGeneric(want, n+1, src, n+2, rows, n, scale, shift, floor)
					check("affine")
					same(t, "affine", got, want, 1e-6)
				}
				for _, step := range []int{0, n + 2} {
					got, check := guarded(t, (rows-1)*(n+1)+n)
					want, _ := guarded(t, len(got))
					s.AddRows(got, n+1, src, step, rows, n, shift)
					addRowsGeneric(want, n+1, src, step, rows, n, shift)
					check("add rows")
					same(t, "add rows", got, want, 0)
				}
			}
			src := random(6, 2*2*3*(n+1))
			got, check := guarded(t, 2*(n+4)+n)
			want, _ := guarded(t, len(got))
			s.MaxPool(got, n+4, src, n+1, 6*(n+1), 3, n)
			maxPoolGeneric(want, n+4, src, n+1, 6*(n+1), 3, n)
			check("max pool")
			same(t, "max pool", got, want, 0)
		}
	})
}

func TestSumTaps(t *testing.T) {
	each(t, func(t *testing.T, s *Set) {
		for n := 1; n <= NR/9; n++ {
			for _, count := range []int{1, 2, 3, 4, 5, 31} {
				var rows [3][]float32
				for i := range rows {
					rows[i] = random(uint64(10+i), (count+2)*NR)
				}
				got, check := guarded(t, count*n)
				want, _ := guarded(t, len(got))
				s.SumTaps(got, rows, count, n)
				sumTapsGeneric(want, rows, count, n)
				check("sum of taps")
				same(t, "sum of taps", got, want, 0)
			}
		}
	})
}

// TestExponentials compares softmax and tanh with float64, from tiny to huge.
func TestExponentials(t *testing.T) {
	each(t, func(t *testing.T, s *Set) {
		for _, n := range oddSizes {
			for _, scale := range []float32{1e-4, 1, 30, 1e4} {
				x := random(uint64(n), n)
				for i := range x {
					x[i] *= scale
				}
				got, check := guarded(t, n)
				copy(got, x)
				s.Tanh(got)
				check("tanh")
				for i, v := range x {
					same(t, "tanh", got[i:i+1], []float32{float32(math.Tanh(float64(v)))}, 3e-7)
				}
				copy(got, x)
				total := s.Exponentials(got, s.Largest(got))
				s.Scale(got, 1/total)
				check("softmax")
				var sum float64
				largest := math.Inf(-1)
				for _, v := range x {
					largest = max(largest, float64(v))
				}
				for _, v := range x {
					sum += math.Exp(float64(v) - largest)
				}
				for i, v := range x {
					same(t, "softmax", got[i:i+1], []float32{float32(math.Exp(float64(v)-largest) / sum)}, 1e-6)
				}
			}
		}
		x := []float32{float32(math.NaN()), 1}
		if s.Tanh(x); x[0] == x[0] {
			t.Errorf("tanh of NaN is %v", x[0])
		}
	})
}

func TestDots(t *testing.T) {
	each(t, func(t *testing.T, s *Set) {
		for _, n := range oddSizes {
			for _, rows := range []int{1, 3, 4, 5, 9} {
				w, x := random(1, rows*(n+3)), random(2, n)
				got, check := guarded(t, rows)
				want := make([]float32, rows)
				s.Dots(got, w, n+3, x)
				check("dots")
				for r := range want {
					var sum float64
					for l, v := range x {
						sum += float64(v) * float64(w[r*(n+3)+l])
					}
					want[r] = float32(sum)
				}
				same(t, "dots", got, want, 1e-5)
			}
		}
	})
}

// TestWinogradConstruction checks the matrices: a transformed tile is the convolution.
func TestWinogradConstruction(t *testing.T) {
	for _, w := range Winograds {
		d, g := random(7, w.N*w.N), random(8, w.R*w.R)
		u, v, y, temp := make([]float32, w.N*w.N), make([]float32, w.N*w.N), make([]float32, w.M*w.M), make([]float32, Temp)
		Generic.Weights(w, u, 1, g, 1, 1, temp)
		tiles := Tiles{Count: 1, Channels: 1, Row: w.N, Pixel: 1, Plane: 1}
		Generic.Input(w, tiles, v, d, temp)
		for i := range v {
			v[i] *= u[i]
		}
		tiles.Row = w.M
		Generic.Output(w, tiles, y, v, []float32{0}, false, temp)
		for i := range w.M {
			for j := range w.M {
				var want float64
				for a := range w.R {
					for b := range w.R {
						want += float64(d[(i+a)*w.N+j+b]) * float64(g[a*w.R+b])
					}
				}
				same(t, fmt.Sprintf("F(%d,%d)", w.M, w.R), y[i*w.M+j:][:1], []float32{float32(want)}, 1e-5)
			}
		}
	}
}

func TestTransforms(t *testing.T) {
	each(t, func(t *testing.T, s *Set) {
		for _, w := range Winograds {
			for _, n := range oddSizes {
				for _, count := range []int{1, 3} {
					testTransforms(t, s, w, n, count)
				}
			}
		}
	})
}

func testTransforms(t *testing.T, s *Set, w *Winograd, n, count int) {
	what := fmt.Sprintf("F(%d,%d) of %d channels, %d tiles", w.M, w.R, n, count)
	temp := make([]float32, Temp)
	pixel := n + 3
	tiles := Tiles{Count: count, Channels: n, Pixel: pixel, Row: pixel * (count*w.M + w.R), Tile: w.M * pixel, Next: n + 1, Plane: count*(n+1) + 7}
	src := random(9, w.N*tiles.Row)
	got, check := guarded(t, tiles.lastPlane(w.N*w.N))
	want, _ := guarded(t, len(got))
	s.Input(w, tiles, got, src, temp)
	inputGeneric(w, tiles, want, src, nil)
	check(what + ", input")
	same(t, what+", input", got, want, 2e-6)

	taps := random(12, w.R*w.R*(n+2))
	got, check = guarded(t, (w.N*w.N-1)*(n+1)+n)
	want, _ = guarded(t, len(got))
	s.Weights(w, got, n+1, taps, n+2, n, temp)
	weightsGeneric(w, want, n+1, taps, n+2, n, nil)
	check(what + ", weights")
	same(t, what+", weights", got, want, 1e-6)

	planes, bias := random(10, tiles.lastPlane(w.N*w.N)), random(11, n)
	for _, add := range []bool{false, true} {
		got, check := guarded(t, tiles.last(w.M))
		want, _ := guarded(t, len(got))
		s.Output(w, tiles, got, planes, bias, add, temp)
		outputGeneric(w, tiles, want, planes, bias, add, nil)
		check(what + ", output")
		if add { // the guards that were added to
			for i := range got {
				got[i] -= guard
				want[i] -= guard
			}
			same(t, what+", output", got, want, 3e-3)
			continue
		}
		same(t, what+", output", got, want, 1e-5)
	}
}

// TestBF16 compares the kernels of bfloat16 with their plain forms.
func TestBF16(t *testing.T) {
	sets := Sets()
	s := sets[len(sets)-1]
	if !s.HasBF16() {
		t.Skip("this processor has no AVX512_BF16")
	}
	for _, n := range []int{2, 4, 14, 16, 18, 32, 34, 98} {
		src := random(uint64(n), 3*(n+1))
		got, want := make([]uint32, 2*(n/2+2)+n/2+9), make([]uint32, 2*(n/2+2)+n/2+9)
		s.RoundBF16(got, n/2+2, src, n+1, 3, n)
		roundGeneric(want, n/2+2, src, n+1, 3, n)
		if !slices.Equal(got, want) {
			t.Fatalf("rounding %d values: got %x, want %x", n, got, want)
		}
		scale, shift := random(3, n), random(4, n)
		for _, floor := range []float32{0, float32(math.Inf(-1))} {
			s.AffineBF16(got, n/2+2, src, n+1, 3, n, scale, shift, floor)
			affineHalfGeneric(want, n/2+2, src, n+1, 3, n, scale, shift, floor)
			sameHalves(t, fmt.Sprintf("affine of %d values", n), got, want)
		}
		for _, m := range []int{1, 5, 14, 15, 31} {
			for _, columns := range []int{1, 16, 33} {
				a, b := make([]uint32, m*(n+1)), make([]uint32, Panels(columns, NR)*NR*n)
				roundGeneric(a, 0, random(1, 2*len(a)), 0, 1, 2*len(a))
				roundGeneric(b, 0, random(2, 2*len(b)), 0, 1, 2*len(b))
				got, check := guarded(t, (m-1)*(columns+2)+columns)
				want, _ := guarded(t, len(got))
				for _, add := range []bool{false, true} {
					s.GemmBF16(m, columns, n, a, n+1, b, n*NR, got, columns+2, add)
					gemmHalfGeneric(m, columns, n, a, n+1, b, n*NR, want, columns+2, add)
				}
				check("product of pairs")
				same(t, "product of pairs", got, want, 1e-4)
			}
		}
		for _, w := range Winograds {
			temp := make([]float32, Temp)
			tiles := Tiles{Count: 3, Channels: n, Pixel: n, Row: n * (3*w.M + w.R), Tile: w.M * n, Next: n/2 + 1, Plane: 3*(n/2+1) + 7}
			src := random(9, w.N*tiles.Row)
			got, want := make([]uint32, w.N*w.N*tiles.Plane), make([]uint32, w.N*w.N*tiles.Plane)
			s.InputBF16(w, tiles, got, src, temp)
			inputHalfGeneric(w, tiles, want, src, nil)
			sameHalves(t, fmt.Sprintf("transform of F(%d,%d), %d channels", w.M, w.R, n), got, want)
		}
	}
}

// sameHalves allows the last bit, for values that were computed in another order.
func sameHalves(t *testing.T, what string, got, want []uint32) {
	t.Helper()
	for i := range want {
		for _, half := range []func(uint32) float32{low, high} {
			if g, v := half(got[i]), half(want[i]); math.Abs(float64(g-v)) > 0.008*math.Abs(float64(v))+1e-6 {
				t.Fatalf("%s: value %d is %v, want %v", what, i, g, v)
			}
		}
	}
}

// TestFind: a set by its name, the fastest without one.
func TestFind(t *testing.T) {
	sets := Sets()
	if s, _, err := Find(""); err != nil || s.Name != sets[len(sets)-1].Name {
		t.Errorf("the fastest: %v, %v", s, err)
	}
	if s, known, err := Find("generic"); err != nil || !known || s != Generic {
		t.Errorf("generic: %v, %v", s, err)
	}
	if _, known, err := Find("sse"); err == nil || known {
		t.Errorf("sse is known: %v, %v", known, err)
	}
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range Sets() {
		for _, size := range [][3]int{{16, 512, 2048}, {64, 256, 256}, {112, 64, 64}, {112, 32, 32}} {
			m, n, k := size[0], size[1], size[2]
			b.Run(fmt.Sprintf("%s/%dx%dx%d", s.Name, m, n, k), func(b *testing.B) {
				lda := k + 16
				x, y, c := random(1, m*lda), random(2, Panels(n, NR)*NR*k), make([]float32, m*n)
				for b.Loop() {
					s.Gemm(m, n, k, x, lda, y, k*NR, c, n, false)
				}
				b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

func BenchmarkGemmBF16(b *testing.B) {
	sets := Sets()
	s := sets[len(sets)-1]
	if !s.HasBF16() {
		b.Skip("this processor has no AVX512_BF16")
	}
	const m, n, k = 64, 256, 128
	x, y, c := make([]uint32, m*(k+16)), make([]uint32, n*k), make([]float32, m*n)
	for b.Loop() {
		s.GemmBF16(m, n, k, x, k+16, y, k*NR, c, n, false)
	}
	b.ReportMetric(4*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

// BenchmarkTransforms reports what the transforms of 64 tiles of 64 channels take of a
// convolution's direct products, if it has as many outputs.
func BenchmarkTransforms(b *testing.B) {
	const count, n = 64, 64
	for _, s := range Sets() {
		for _, w := range Winograds {
			t := Tiles{Count: count, Channels: n, Pixel: n, Row: n * (count*w.M + w.R), Tile: w.M * n, Next: n + 16, Plane: count * (n + 16)}
			src, planes, bias, temp := random(1, w.N*t.Row), make([]float32, w.N*w.N*t.Plane), random(2, n), make([]float32, Temp)
			out := make([]float32, w.M*t.Row)
			for _, f := range []struct {
				name string
				run  func()
			}{
				{"input", func() { s.Input(w, t, planes, src, temp) }},
				{"output", func() { s.Output(w, t, out, planes, bias, false, temp) }},
			} {
				b.Run(fmt.Sprintf("%s/F(%d,%d)/%s", s.Name, w.M, w.R, f.name), func(b *testing.B) {
					for b.Loop() {
						f.run()
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count*w.M*w.M*n), "ns/output")
				})
			}
		}
	}
}
