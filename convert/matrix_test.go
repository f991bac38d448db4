package convert

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/weights"
)

// TestMatrix compares products with their definition, of both orders of the axes, in sizes
// around those that the loops take at a time.
func TestMatrix(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ out, fan int }{{1, 1}, {3, 7}, {8, 256}, {17, 257}, {33, 1029}, {515, 12}} {
		for _, fanFirst := range []bool{false, true} {
			for _, dtype := range []weights.DType{weights.F32, weights.F64, weights.BF16} {
				values := make([]float32, c.out*c.fan)
				for i := range values {
					values[i] = float32(random.IntN(256)-128) / 64 // exact in all
				}
				shape := []int{c.out, c.fan}
				at := func(o, f int) float64 { return float64(values[o*c.fan+f]) }
				if fanFirst {
					slices.Reverse(shape)
					at = func(o, f int) float64 { return float64(values[f*c.out+o]) }
				}
				m, err := newMatrix(weights.Info{Name: "w", DType: dtype, Shape: shape}, encoded(t, dtype, values), fanFirst)
				if err != nil || m.out != c.out || m.fan != c.fan {
					t.Fatalf("%+v, %v", m, err)
				}
				u, x := normal(random, c.out), normal(random, c.fan)
				v, wx := make([]float64, c.fan), make([]float64, c.out)
				for o := range c.out {
					for f := range c.fan {
						v[f] += at(o, f) * u[o]
						wx[o] += at(o, f) * x[f]
					}
				}
				wv := make([]float64, c.out)
				for o := range c.out {
					for f := range c.fan {
						wv[o] += at(o, f) * v[f]
					}
				}
				where := fmt.Sprintf("%v %s", shape, dtype)
				near(t, where+" W x", m.times(x), wx)
				near(t, where+" Wᵀ u", m.transposedTimes(u), v)
				gotV, gotWV := m.thereAndBack(u)
				near(t, where+" v", gotV, v)
				near(t, where+" W v", gotWV, wv)
			}
		}
	}
}

func normal(random *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = random.NormFloat64()
	}
	return x
}

// near compares two vectors to the accuracy of float64 sums.
func near(t *testing.T, where string, got, want []float64) {
	t.Helper()
	most := math.Sqrt(dot(want, want))
	for i, x := range want {
		if !(math.Abs(got[i]-x) <= 1e-14*most) {
			t.Errorf("%s: [%d] is %v, want %v", where, i, got[i], x)
			return
		}
	}
}

// BenchmarkThereAndBack is the work of a spectral norm, in TensorFlow's order and PyTorch's.
func BenchmarkThereAndBack(b *testing.B) {
	for _, shape := range [][]int{{3, 3, 512, 512}, {1, 1, 512, 2048}} {
		for _, fanFirst := range []bool{true, false} {
			b.Run(fmt.Sprintf("%v/fanFirst=%v", shape, fanFirst), func(b *testing.B) {
				info := weights.Info{Name: "w", DType: weights.F32, Shape: shape}
				if !fanFirst {
					slices.Reverse(shape)
				}
				m, err := newMatrix(info, make([]byte, info.Bytes()), fanFirst)
				if err != nil {
					b.Fatal(err)
				}
				u := make([]float64, m.out)
				b.SetBytes(info.Bytes())
				for b.Loop() {
					m.thereAndBack(u)
				}
			})
		}
	}
}
