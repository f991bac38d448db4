package convert

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/biggan-zoo/biggan/weights"
)

// sigmaFormula computes the spectral norm of a weight [rows, cols] from the stored vectors,
// in float64, as the source does when it runs.
type sigmaFormula func(w matrix, u, v []float64) float64

// storedVectors is PyTorch's own spectral_norm in eval mode: sigma = u·(W v).
func storedVectors(w matrix, u, v []float64) float64 {
	return dot(u, w.times(v))
}

// onePowerIteration is BigGAN-PyTorch's SN in eval mode (layers.py, power_iteration): from
// the stored u, v = normalize(u W), u = normalize(v Wᵀ), sigma = v Wᵀ·u.
func onePowerIteration(eps float64) sigmaFormula {
	return func(w matrix, u, _ []float64) float64 {
		v := normalize(w.transposedTimes(u), eps)
		wv := w.times(v)
		return dot(wv, normalize(append([]float64(nil), wv...), eps))
	}
}

// tensorFlow is the spectral norm in DeepMind's graphs: v = u0 Wᵀ, v *= rsqrt(Σv² + eps),
// u = v W, u *= rsqrt(Σu² + eps), sigma = (v W)·u, of W as [fan, out].
func tensorFlow(eps float64) sigmaFormula {
	return func(w matrix, u, _ []float64) float64 {
		v := w.times(u)
		scale := 1 / math.Sqrt(dot(v, v)+eps)
		for i := range v {
			v[i] *= scale
		}
		vw := w.transposedTimes(v)
		sum := dot(vw, vw)
		return sum / math.Sqrt(sum+eps)
	}
}

// normalize divides by max(|x|, eps), in place.
func normalize(x []float64, eps float64) []float64 {
	norm := max(math.Sqrt(dot(x, x)), eps)
	for i := range x {
		x[i] /= norm
	}
	return x
}

func dot(a, b []float64) float64 {
	var s float64
	for i, v := range a {
		s += v * b[i]
	}
	return s
}

// matrix is a weight seen as [rows, cols], as little-endian data of a floating type.
type matrix struct {
	rows, cols int
	turned     bool // times and transposedTimes change places
	dtype      weights.DType
	data       []byte
}

// newMatrix sees a weight as [out, fan], or with its last axis out as [fan, out].
func newMatrix(info weights.Info, data []byte, lastAxisOut bool) (m matrix, out, fan int, err error) {
	n := len(info.Shape)
	if n < 1 || info.Elements() == 0 {
		return m, 0, 0, fmt.Errorf("convert: %q of shape %v is no matrix", info.Name, info.Shape)
	}
	m = matrix{dtype: info.DType, data: data}
	if lastAxisOut {
		m.cols = info.Shape[n-1]
		m.rows = info.Elements() / m.cols
		return m, m.cols, m.rows, nil
	}
	m.rows = info.Shape[0]
	m.cols = info.Elements() / m.rows
	return m, m.rows, m.cols, nil
}

// row decodes row i into buf, which has cols values.
func (w matrix) row(i int, buf []float64) {
	width, _ := w.dtype.Size()
	data := w.data[i*w.cols*width:][:w.cols*width]
	if w.dtype == weights.F32 {
		for j := range buf {
			buf[j] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*j:])))
		}
		return
	}
	if err := weights.Decode64(buf, w.dtype, data); err != nil {
		for j := range buf {
			buf[j] = math.NaN() // no floating type: the writer of the weight reports it
		}
	}
}

// times is W x.
func (w matrix) times(x []float64) []float64 {
	if w.turned {
		return w.columns(x)
	}
	return w.products(x)
}

// transposedTimes is Wᵀ x.
func (w matrix) transposedTimes(x []float64) []float64 {
	if w.turned {
		return w.products(x)
	}
	return w.columns(x)
}

// products are the inner products of the rows with x.
func (w matrix) products(x []float64) []float64 {
	out, buf := make([]float64, w.rows), make([]float64, w.cols)
	for i := range out {
		w.row(i, buf)
		out[i] = dot4(buf, x)
	}
	return out
}

// columns is the sum of the rows, each times its value of x.
func (w matrix) columns(x []float64) []float64 {
	out, buf := make([]float64, w.cols), make([]float64, w.cols)
	for i, xi := range x {
		w.row(i, buf)
		for j, v := range buf {
			out[j] += xi * v
		}
	}
	return out
}

// dot4 is a dot product in four partial sums.
func dot4(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	n := len(a) &^ 3
	b = b[:len(a)]
	for i := 0; i < n; i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for i := n; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}
