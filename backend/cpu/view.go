package cpu

import (
	"math"

	"github.com/biggan-zoo/biggan/graph"
)

// view is a feature map that is read through transformations: some channels of a buffer,
// normalised, rectified, upsampled, in this order.
type view struct {
	buf     *buffer
	stride  int // channels of the buffer
	channel int // first channel
	c, h, w int // of the buffer's map, before upsampling
	norm    *norm
	relu    bool
	up      bool
}

// plain reports whether the values of the buffer are the values of the view, but for
// slicing and upsampling.
func (v view) plain() bool { return v.norm == nil && !v.relu }

// size is height and width as the graph sees them.
func (v view) size() (h, w int) {
	if v.up {
		return 2 * v.h, 2 * v.w
	}
	return v.h, v.w
}

// norm is a batch normalisation with the scale and shift of the current sample.
type norm struct {
	node          *graph.Node
	at            int // place of its scales and shifts
	mean, vari    []float32
	gain, bias    []float32 // affine
	scale, offset *vector   // conditional
}

// prepare computes scale = gain/sqrt(var+eps) and shift = bias - mean·scale for the sample.
func (n *norm) prepare(e *env) {
	c := n.node.Shape[0]
	scale, shift := e.scale[n.at:n.at+c], e.shift[n.at:n.at+c]
	mean0, mean1 := n.rows(n.mean, e)
	var0, var1 := n.rows(n.vari, e)
	w0, w1 := e.blend.W0, e.blend.W1
	for i := range c {
		var gain, bias float64
		if n.scale != nil {
			gain, bias = 1+float64(n.scale.of(e)[i]), float64(n.offset.of(e)[i])
		} else {
			gain, bias = float64(n.gain[i]), float64(n.bias[i])
		}
		variance, mean := float64(var0[i]), float64(mean0[i])
		if w1 != 0 {
			variance, mean = w0*variance+w1*float64(var1[i]), w0*mean+w1*float64(mean1[i])
		}
		a := gain / math.Sqrt(variance+n.node.Eps)
		scale[i], shift[i] = float32(a), float32(bias-mean*a)
	}
}

// rows are the two rows of a statistics table that the truncation blends.
func (n *norm) rows(table []float32, e *env) (row0, row1 []float32) {
	c := n.node.Shape[0]
	if len(table) == c {
		return table, table
	}
	return table[e.blend.Row0*c:], table[e.blend.Row1*c:]
}

// reader reads the values of a view for one sample.
type reader struct {
	data         []float32
	stride       int
	h, w         int
	scale, shift []float32 // nil = as stored
	relu         bool
}

func (v view) reader(e *env) reader {
	r := reader{data: e.bytesOf(v.buf)[v.channel:], stride: v.stride, h: v.h, w: v.w, relu: v.relu}
	if v.norm != nil {
		r.scale, r.shift = e.scale[v.norm.at:][:v.c], e.shift[v.norm.at:][:v.c]
	}
	return r
}

// copyTo writes channels [from,to) of a pixel to dst with a step between values.
func (r reader) copyTo(dst []float32, step, pixel, from, to int) {
	src := r.data[pixel*r.stride+from : pixel*r.stride+to]
	d := 0
	switch {
	case r.scale == nil && !r.relu:
		for _, v := range src {
			dst[d] = v
			d += step
		}
	case r.scale == nil:
		for _, v := range src {
			dst[d] = max(v, 0)
			d += step
		}
	default:
		scale, shift := r.scale[from:to], r.shift[from:to]
		shift = shift[:len(src)]
		scale = scale[:len(src)]
		if r.relu {
			for i, v := range src {
				dst[d] = max(v*scale[i]+shift[i], 0)
				d += step
			}
			return
		}
		for i, v := range src {
			dst[d] = v*scale[i] + shift[i]
			d += step
		}
	}
}
