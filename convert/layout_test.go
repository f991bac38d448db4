package convert

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/biggan-zoo/biggan/weights"
)

// TestRearrange compares with the definition of the axes, within a tile and across tiles
// and blocks, in every width.
func TestRearrange(t *testing.T) {
	for _, shape := range [][]int{
		{3, 2, 5, 37}, {1, 1, 1, 1}, {1, 1, 130, 257}, {3, 3, 9, 3}, {9, 9, 2, 5}, {3, 3, 65, 129}, {1, 1, 1500, 300}, {2, 2, 0, 4},
	} {
		for _, dtype := range []weights.DType{weights.F32, weights.F64, weights.F16} {
			source := weights.Info{Name: "w", DType: dtype, Shape: shape}
			values := make([]float32, source.Elements())
			for i := range values {
				values[i] = float32(i % 2039) // exact in all, and of no tile's period
			}
			data := encoded(t, dtype, values)
			var moved writer
			if err := hwio.rearrange(&moved, weights.F32, source, data); err != nil {
				t.Fatal(err)
			}
			got := make([]float32, len(values))
			if err := weights.Decode32(got, weights.F32, moved); err != nil {
				t.Fatal(err)
			}
			h, w, in, out := shape[0], shape[1], shape[2], shape[3]
			for i, v := range got {
				x, y, c, o := i%w, i/w%h, i/w/h%in, i/w/h/in
				if want := values[((y*w+x)*in+c)*out+o]; v != want {
					t.Fatalf("%v %s [%d %d %d %d] is %v, want %v", shape, dtype, o, c, y, x, v, want)
				}
			}
		}
	}
}

// encoded is values as data of a type, float64 too.
func encoded(t *testing.T, dtype weights.DType, values []float32) []byte {
	t.Helper()
	var data writer
	if dtype == weights.F64 {
		for _, v := range values {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(float64(v)))
		}
		return data
	}
	if err := weights.Encode(&data, dtype, values); err != nil {
		t.Fatal(err)
	}
	return data
}

// BenchmarkRearrange moves the kernels of BigGAN-deep that have the most bytes.
func BenchmarkRearrange(b *testing.B) {
	for _, shape := range [][]int{{3, 3, 512, 512}, {1, 1, 2048, 512}, {1, 1, 512, 2048}, {1, 1, 256, 32768}} {
		b.Run(fmt.Sprint(shape), func(b *testing.B) {
			source := weights.Info{Name: "w", DType: weights.F32, Shape: shape}
			data := make([]byte, source.Bytes())
			b.SetBytes(source.Bytes())
			for b.Loop() {
				if err := hwio.rearrange(nowhere{}, weights.F32, source, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
