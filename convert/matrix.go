package convert

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/biggan-zoo/biggan/weights"
)

// matrix is a weight seen as [out, fan], in little-endian data of a floating type whose rows
// are the matrix's or, fanFirst, its columns.
type matrix struct {
	out, fan int
	fanFirst bool
	dtype    weights.DType
	data     []byte
}

// newMatrix sees a weight of shape [out, ...], or [..., out] with its last axis out.
func newMatrix(info weights.Info, data []byte, lastAxisOut bool) (matrix, error) {
	n := len(info.Shape)
	if n < 1 || info.Elements() == 0 {
		return matrix{}, fmt.Errorf("convert: %q of shape %v is no matrix", info.Name, info.Shape)
	}
	out := info.Shape[0]
	if lastAxisOut {
		out = info.Shape[n-1]
	}
	return matrix{out, info.Elements() / out, lastAxisOut, info.DType, data}, nil
}

// rowLength is how many values lie side by side.
func (w matrix) rowLength() int {
	if w.fanFirst {
		return w.out
	}
	return w.fan
}

// row decodes values of row i from one on, as many as buf has.
func (w matrix) row(i, from int, buf []float64) {
	width, _ := w.dtype.Size()
	data := w.data[(i*w.rowLength()+from)*width:][:len(buf)*width]
	if w.dtype == weights.F32 {
		widen(buf, data)
		return
	}
	if err := weights.Decode64(buf, w.dtype, data); err != nil {
		for j := range buf {
			buf[j] = math.NaN() // no floating type: the writer of the weight reports it
		}
	}
}

// times is W v.
func (w matrix) times(v []float64) []float64 {
	if w.fanFirst {
		return w.sum(v)
	}
	return w.products(v)
}

// transposedTimes is Wᵀ u.
func (w matrix) transposedTimes(u []float64) []float64 {
	if w.fanFirst {
		return w.products(u)
	}
	return w.sum(u)
}

// products are the inner products of the rows with x.
func (w matrix) products(x []float64) []float64 {
	out, buf := make([]float64, w.out*w.fan/len(x)), make([]float64, len(x))
	for i := range out {
		w.row(i, 0, buf)
		out[i] = dot4(buf, x)
	}
	return out
}

// sum is the sum of the rows, each times its value of x.
func (w matrix) sum(x []float64) []float64 {
	out, buf := make([]float64, w.rowLength()), make([]float64, w.rowLength())
	for i, xi := range x {
		w.row(i, 0, buf)
		addScaled(out, xi, buf)
	}
	return out
}

// thereAndBack is v = Wᵀ u, and W v. The weight passes through memory once: a row, or a
// block of columns, is used for both while it is near.
func (w matrix) thereAndBack(u []float64) (v, wv []float64) {
	v, wv = make([]float64, w.fan), make([]float64, w.out)
	if w.fanFirst {
		buf := make([]float64, w.out)
		for i := range v {
			w.row(i, 0, buf)
			v[i] = dot4(buf, u)
			addScaled(wv, v[i], buf)
		}
		return v, wv
	}
	const columns = 256
	var space [columns]float64
	for from := 0; from < w.fan; from += columns {
		block := v[from:min(from+columns, w.fan)]
		buf := space[:len(block)]
		for i, ui := range u {
			w.row(i, from, buf)
			addScaled(block, ui, buf)
		}
		for i := range wv {
			w.row(i, from, buf)
			wv[i] += dot4(buf, block)
		}
	}
	return v, wv
}

// The loops below take eight or four values a turn, from slices that shrink: so the compiler
// checks bounds once a turn.

// widen decodes float32 values.
func widen(to []float64, from []byte) {
	for len(to) >= 8 && len(from) >= 32 {
		to[0] = float64(math.Float32frombits(binary.LittleEndian.Uint32(from)))
		to[1] = float64(math.Float32frombits(binary.LittleEndian.Uint32(from[4:])))
		to[2] = float64(math.Float32frombits(binary.LittleEndian.Uint32(from[8:])))
		to[3] = float64(math.Float32frombits(binary.LittleEndian.Uint32(from[12:])))
		to[4] = float64(math.Float32frombits(binary.LittleEndian.Uint32(from[16:])))
		to[5] = float64(math.Float32frombits(binary.LittleEndian.Uint32(from[20:])))
		to[6] = float64(math.Float32frombits(binary.LittleEndian.Uint32(from[24:])))
		to[7] = float64(math.Float32frombits(binary.LittleEndian.Uint32(from[28:])))
		to, from = to[8:], from[32:]
	}
	for i := range to {
		to[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(from[4*i:])))
	}
}

// addScaled adds x, times a, to sum.
func addScaled(sum []float64, a float64, x []float64) {
	for len(sum) >= 8 && len(x) >= 8 {
		sum[0] += a * x[0]
		sum[1] += a * x[1]
		sum[2] += a * x[2]
		sum[3] += a * x[3]
		sum[4] += a * x[4]
		sum[5] += a * x[5]
		sum[6] += a * x[6]
		sum[7] += a * x[7]
		sum, x = sum[8:], x[8:]
	}
	for i, v := range x {
		sum[i] += a * v
	}
}

// dot4 is a dot product in four partial sums.
func dot4(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}
