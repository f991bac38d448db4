package cpu

import (
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// convStep computes convolutions of one input, side by side: out = conv(in)·factor + bias
// + residual, only channels [from,to) of the weights.
type convStep struct {
	nodes    []*graph.Node
	factor   *graph.Param // gamma of attention, or nil
	from, to int          // output channels to compute, of the single node; all if to is 0
	in       view
	out      *buffer
	outs     int
	residual *view
	tanh     bool

	size   int // of the kernel
	method method
	bias   []float32
}

// method is a way to compute a convolution.
type method interface {
	// reserve takes room for the packed weights.
	reserve(m *slab)
	// add packs the weights, times factor, of outputs [from,to) of a node as outputs from at.
	add(k *kernel.Set, values []float32, factor float64, from, to, at int)
	run(e *env, s *convStep) error
	// scratch is how many values a thread needs.
	scratch() int
	// flops counts the multiplications and additions of the matrix products.
	flops(in view) int64
	// bytes is the size of the packed weights.
	bytes() int64
	String() string
}

// scale is how many output pixels a side come from an input pixel.
func (s *convStep) scale() int {
	if s.size == 3 && s.in.up {
		return 2
	}
	return 1
}

func (s *convStep) run(e *env) error { return s.method.run(e, s) }

// begin writes bias and residual of the output pixels (y, x), (y, x+step), ..., n channels
// from col, to dst, whose pixels lie step·outs values apart.
func (s *convStep) begin(e *env, dst []float32, y, x, step, count, col, n int) {
	k, bias := e.program.kernels, s.bias[col:]
	if s.residual == nil {
		k.AddRows(dst, step*s.outs, bias, 0, count, n, e.program.zeros)
		return
	}
	r := s.residual.reader(e)
	if !s.residual.up {
		k.AddRows(dst, step*s.outs, r.data[(y*r.w+x)*r.stride+col:], step*r.stride, count, n, bias)
		return
	}
	row := r.data[y/2*r.w*r.stride+col:]
	if step == 2 {
		k.AddRows(dst, 2*s.outs, row[x/2*r.stride:], r.stride, count, n, bias)
		return
	}
	// Every other pixel has the same parity, and neighbours of the small map.
	for first := range min(2, count) {
		at := x + first
		k.AddRows(dst[first*s.outs:], 2*s.outs, row[at/2*r.stride:], r.stride, (count-first+1)/2, n, bias)
	}
}

// beginPixels is begin for count pixels in the order of memory.
func (s *convStep) beginPixels(e *env, dst []float32, from, count, col, n int) {
	if s.residual == nil || !s.residual.up {
		s.begin(e, dst, 0, from, 1, count, col, n) // rows follow one another
		return
	}
	width := s.scale() * s.in.w
	for count > 0 {
		y, x := from/width, from%width
		run := min(count, width-x)
		s.begin(e, dst, y, x, 1, run, col, n)
		if count -= run; count > 0 {
			from, dst = from+run, dst[run*s.outs:]
		}
	}
}

// at is the output from a pixel and a channel on.
func (s *convStep) at(e *env, y, x, col int) []float32 {
	return e.values(s.out)[(y*s.scale()*s.in.w+x)*s.outs+col:]
}

// finish applies tanh to count pixels in the order of memory.
func (s *convStep) finish(e *env, from, count, col, n int) {
	if !s.tanh {
		return
	}
	out := e.values(s.out)
	if n == s.outs {
		e.program.kernels.Tanh(out[from*n : (from+count)*n])
		return
	}
	for i := range count {
		e.program.kernels.Tanh(out[(from+i)*s.outs+col:][:n])
	}
}

// pack reads the weights and biases of all nodes.
func (s *convStep) pack(w weights.Source, k *kernel.Set, m *slab) error {
	gamma := [1]float64{1}
	if s.factor != nil {
		if err := w.Float64s(gamma[:], s.factor.Name); err != nil {
			return err
		}
	}
	s.bias = make([]float32, s.outs)
	s.method.reserve(m)
	at := 0
	for _, n := range s.nodes {
		values, factor, err := values(w, n)
		if err != nil {
			return err
		}
		from, to := 0, n.Weight.Shape[0]
		if s.to > 0 {
			from, to = s.from, s.to
		}
		s.method.add(k, values, factor*gamma[0], from, to, at)
		if r, ok := w.(weights.Releaser); ok {
			r.Release(n.Weight.Name) // what is computed with is the packed copy
		}
		if n.Bias != nil {
			bias := make([]float32, n.Bias.Elements())
			if err := w.Float32s(bias, n.Bias.Name); err != nil {
				return err
			}
			for o := from; o < to; o++ {
				s.bias[at+o-from] = float32(float64(bias[o]) * gamma[0])
			}
		}
		at += to - from
	}
	return nil
}

// phase is a convolution on the input map whose output pixel (y,x) lies at
// (scale·y+dy, scale·x+dx): a plain convolution has one, one after upsampling four.
type phase struct {
	scale, dy, dx int
	taps          [][2]int // dy, dx of each input pixel, row by row
}

// phasesOf lists the phases of a convolution of a kernel size, after upsampling or not.
func phasesOf(size int, up bool) []phase {
	if size == 1 {
		return []phase{{scale: 1, taps: [][2]int{{0, 0}}}}
	}
	if !up {
		return []phase{{scale: 1, taps: square(-1, -1, 3)}}
	}
	var phases []phase
	for dy := range 2 {
		for dx := range 2 {
			phases = append(phases, phase{scale: 2, dy: dy, dx: dx, taps: square(dy-1, dx-1, 2)})
		}
	}
	return phases
}

func square(y, x, side int) [][2]int {
	var taps [][2]int
	for ty := range side {
		for tx := range side {
			taps = append(taps, [2]int{y + ty, x + tx})
		}
	}
	return taps
}

// sources lists, for each tap, the positions of the kernel that fall on it.
func (p phase) sources(size int) [][]int {
	sources := make([][]int, len(p.taps))
	for ky := range size {
		for kx := range size {
			at := [2]int{floorDiv(p.dy+ky-size/2, p.scale), floorDiv(p.dx+kx-size/2, p.scale)}
			for t, tap := range p.taps {
				if tap == at {
					sources[t] = append(sources[t], ky*size+kx)
				}
			}
		}
	}
	return sources
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// share splits n into parts of at most most, as equal as can be: part i of parts.
func share(n, most int) (parts int, part func(i int) (from, to int)) {
	parts = kernel.Panels(n, most)
	return parts, func(i int) (from, to int) { return i * n / parts, (i + 1) * n / parts }
}

// columnBlock is how many of outs outputs a work item computes, so that blocks other parts
// give every thread some items. Whole panels.
func columnBlock(outs, parts, threads int) int {
	const itemsOfThread = 2
	block := kernel.Panels(outs, kernel.NR) * kernel.NR
	for block > kernel.NR && parts*kernel.Panels(outs, block) < itemsOfThread*threads {
		block = kernel.Panels(block/2, kernel.NR) * kernel.NR
	}
	return block
}
