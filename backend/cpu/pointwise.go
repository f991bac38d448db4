package cpu

import (
	"github.com/biggan-zoo/biggan/graph"
)

// pixelsBlock is how many pixels a work item of the plain steps handles.
const pixelsBlock = 512

// readPixel writes all channels of a pixel of a view, as the graph sees it, to dst.
func (r reader) readPixel(dst []float32, y, x int, up bool) {
	if up {
		y, x = y/2, x/2
	}
	r.pixels(dst, 0, y*r.w+x, 1, 0, len(dst))
}

// combineStep writes a view to a buffer of its own: out = in + factor·add (add may be nil).
type combineStep struct {
	in     view
	add    *view
	factor float32
	out    *buffer
	tanh   bool
}

func (s *combineStep) run(e *env) error {
	in, out := s.in.reader(e), e.values(s.out)
	var add reader
	if s.add != nil {
		add = s.add.reader(e)
	}
	h, w := s.in.size()
	c := s.in.c
	return e.parallel((h*w+pixelsBlock-1)/pixelsBlock, func(worker, item int) {
		other := e.scratch[worker][:c]
		for pixel := item * pixelsBlock; pixel < min((item+1)*pixelsBlock, h*w); pixel++ {
			y, x := pixel/w, pixel%w
			dst := out[pixel*c:][:c]
			in.readPixel(dst, y, x, s.in.up)
			if s.add != nil {
				add.readPixel(other, y, x, s.add.up)
				for i, v := range other {
					dst[i] += v * s.factor
				}
			}
			if s.tanh {
				e.program.kernels.Tanh(dst)
			}
		}
	})
}

// poolStep takes the maximum or the mean of each 2x2 square.
type poolStep struct {
	in   view
	mean bool
	out  *buffer
}

func (s *poolStep) run(e *env) error {
	in, out := s.in.reader(e), e.values(s.out)
	h, w := s.in.size()
	c := s.in.c
	return e.parallel(h/2, func(worker, y int) {
		if !s.mean && s.in.plain() && !s.in.up {
			e.program.kernels.MaxPool(out[y*(w/2)*c:], c, in.data[2*y*w*in.stride:], in.stride, w*in.stride, w/2, c)
			return
		}
		other := e.scratch[worker][:c]
		for x := range w / 2 {
			dst := out[(y*(w/2)+x)*c:][:c]
			in.readPixel(dst, 2*y, 2*x, s.in.up)
			for _, d := range [][2]int{{0, 1}, {1, 0}, {1, 1}} {
				in.readPixel(other, 2*y+d[0], 2*x+d[1], s.in.up)
				for i, v := range other {
					if s.mean {
						dst[i] += v
					} else {
						dst[i] = max(dst[i], v)
					}
				}
			}
			if s.mean {
				for i := range dst {
					dst[i] *= 0.25
				}
			}
		}
	})
}

// sumStep adds up each channel, into the sample's vector.
type sumStep struct {
	in view
	to *vector
}

func (s *sumStep) run(e *env) error {
	in, to := s.in.reader(e), s.to.of(e)
	h, w := s.in.size()
	pixel := e.scratch[0][:s.in.c]
	clear(to)
	for y := range h {
		for x := range w {
			in.readPixel(pixel, y, x, s.in.up)
			for i, v := range pixel {
				to[i] += v
			}
		}
	}
	return nil
}

// inputMap copies the sample's map of an input, which lies channels first.
type inputMap struct {
	name string
	out  view
}

func (s *inputMap) run(e *env) error {
	out := e.values(s.out.buf)
	c, pixels := s.out.c, s.out.h*s.out.w
	values := e.in.Tensors[s.name][e.sample*c*pixels:][:c*pixels]
	for ch := range c {
		for p, v := range values[ch*pixels:][:pixels] {
			out[p*c+ch] = v
		}
	}
	return nil
}

// reshapeStep makes a map of the sample's vector.
type reshapeStep struct {
	from  *vector
	order graph.Order
	shape []int
	out   *buffer
}

func (s *reshapeStep) run(e *env) error {
	from, out := s.from.of(e), e.values(s.out)
	if s.order == graph.HWC {
		copy(out, from)
		return nil
	}
	c, hw := s.shape[0], s.shape[1]*s.shape[2]
	for ch := range c {
		for p := range hw {
			out[p*c+ch] = from[ch*hw+p]
		}
	}
	return nil
}

// concatStep joins maps along the channels.
type concatStep struct {
	in  []view
	out *buffer
	c   int
}

func (s *concatStep) run(e *env) error {
	out := e.values(s.out)
	h, w := s.in[0].size()
	return e.parallel(h, func(_, y int) {
		at := 0
		for _, v := range s.in {
			in := v.reader(e)
			for x := range w {
				in.readPixel(out[(y*w+x)*s.c+at:][:v.c], y, x, v.up)
			}
			at += v.c
		}
	})
}

// export is a tensor that a run returns.
type export struct {
	name     string
	shape    []int
	elements int
}

// exportMap writes a view to a result, channels first.
type exportMap struct {
	name string
	in   view
}

func (s *exportMap) run(e *env) error {
	in := s.in.reader(e)
	h, w := s.in.size()
	c := s.in.c
	dst := e.out[s.name].Data[e.sample*c*h*w:][:c*h*w]
	return e.parallel(h, func(worker, y int) {
		if s.in.plain() && !s.in.up {
			for ch := range c {
				row := dst[(ch*h+y)*w:][:w]
				from := in.data[y*w*in.stride+ch:]
				for x := range row {
					row[x] = from[x*in.stride]
				}
			}
			return
		}
		values := e.scratch[worker][:c]
		for x := range w {
			in.readPixel(values, y, x, s.in.up)
			for ch, v := range values {
				dst[(ch*h+y)*w+x] = v
			}
		}
	})
}

// exportVector writes a vector of the whole batch to a result.
type exportVector struct {
	name string
	in   *vector
}

func (s *exportVector) run(e *env, batch int) error {
	for sample := range batch {
		copy(e.out[s.name].Data[sample*s.in.n:], s.in.row(e, sample))
	}
	return nil
}
