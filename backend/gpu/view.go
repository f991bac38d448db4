package gpu

import (
	"math"
)

// tensor is a map or a vector in device memory: [sample, pixel, channel], each pixel's channels
// padded with zeros to a multiple of four.
type tensor struct {
	id          int
	size        int // float32 values of one sample, a multiple of four
	slack       int // values that may be read behind the last sample
	first, last int // steps that write it first and read it last
}

// view is a map that is read through transformations: some channels of a tensor,
// normalised, rectified, upsampled, in this order. A vector is a map of one pixel.
type view struct {
	t       *tensor
	base    int // first value of a sample
	pixel   int // values from pixel to pixel
	c, h, w int // of the stored map, before upsampling
	norm    *norm
	relu    bool
	up      bool
}

// norm is where the scales and shifts of a normalisation lie among all.
type norm struct{ at int }

// fours is n rounded up to a multiple of four.
func fours(n int) int { return (n + 3) &^ 3 }

// plain reports whether the stored values are the values of the view, but for slicing and upsampling.
func (v view) plain() bool { return v.norm == nil && !v.relu }

// aligned reports whether a convolution can read the view in fours.
func (v view) aligned() bool { return v.base%4 == 0 && v.pixel%4 == 0 }

// size is height and width as the graph sees them.
func (v view) size() (h, w int) {
	if v.up {
		return 2 * v.h, 2 * v.w
	}
	return v.h, v.w
}

// floor is what values are clipped to from below.
func (v view) floor() uint32 {
	if v.relu {
		return 0
	}
	return math.Float32bits(-math.MaxFloat32)
}

// shape is a graph shape as channels, height and width.
func shape(s []int) (c, h, w int) {
	if len(s) == 1 {
		return s[0], 1, 1
	}
	return s[0], s[1], s[2]
}

// newTensor reserves a tensor and its plain view.
func (l *lowering) newTensor(c, h, w int) view {
	t := &tensor{id: len(l.tensors), size: fours(c) * h * w, first: len(l.steps), last: len(l.steps)}
	l.tensors = append(l.tensors, t)
	return view{t: t, pixel: fours(c), c: c, h: h, w: w}
}

// materialize computes a view into a tensor of its own.
func (l *lowering) materialize(name string, v view) view {
	h, w := v.size()
	out := l.newTensor(v.c, h, w)
	l.combine(name, v, nil, 0, false, out)
	return out
}

// plain is the view itself if its tensor holds its values, else a computed one.
func (l *lowering) plain(name string, v view) view {
	if v.plain() {
		return v
	}
	return l.materialize(name, v)
}

// operand is the view itself if a convolution can read it, else a computed one.
func (l *lowering) operand(name string, v view) view {
	if v.aligned() && !v.up {
		return v
	}
	return l.materialize(name, v)
}
