package cpu

import (
	"math"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
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

// reader reads the values of a view for one sample: max(value·scale + shift, floor).
type reader struct {
	data         []float32
	stride       int
	h, w         int
	scale, shift []float32
	floor        float32
	half         bool // values are written as bfloat16, two to a word of dst
	kernels      *kernel.Set
}

func (v view) reader(e *env) reader {
	p := e.program
	r := reader{
		data: e.values(v.buf)[v.channel:], stride: v.stride, h: v.h, w: v.w,
		scale: p.ones, shift: p.zeros, floor: float32(math.Inf(-1)), kernels: p.kernels,
	}
	if v.norm != nil {
		r.scale, r.shift = e.scale[v.norm.at:][:v.c], e.shift[v.norm.at:][:v.c]
	}
	if v.relu {
		r.floor = 0
	}
	return r
}

// words is the room that n values take.
func (r reader) words(n int) int {
	if r.half {
		return n / 2
	}
	return n
}

// pixels writes n channels from first of count pixels in the order of memory to rows of dst.
func (r reader) pixels(dst []float32, step, pixel, count, first, n int) {
	src := r.data[pixel*r.stride+first:]
	if r.half {
		r.kernels.AffineBF16(kernel.Words(dst), step, src, r.stride, count, n, r.scale[first:], r.shift[first:], r.floor)
		return
	}
	r.kernels.Affine(dst, step, src, r.stride, count, n, r.scale[first:], r.shift[first:], r.floor)
}

// padded is pixels for count pixels from (y, x), which may lie outside the map: zeros there.
func (r reader) padded(dst []float32, step, y, x, count, first, n int) {
	inside, end := max(x, 0), min(x+count, r.w)
	if y < 0 || y >= r.h || inside >= end {
		inside, end = x+count, x+count // all of it is outside
	} else {
		r.pixels(dst[(inside-x)*step:], step, y*r.w+inside, end-inside, first, n)
	}
	for i := range inside - x {
		clear(dst[i*step:][:r.words(n)])
	}
	for i := end - x; i < count; i++ {
		clear(dst[i*step:][:r.words(n)])
	}
}
