package cpu

import (
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// narrow is a 3x3 convolution to so few channels that the products of all nine taps fit a
// panel: each input pixel is multiplied once, into nine partial pixels that its neighbours
// then add up. Only three rows of partial pixels exist at a time. A 1x1 convolution before it
// is computed block by block and never written to memory.
type narrow struct {
	channels, outs int
	width          int
	packed         []float32
	before         *convStep // absorbed, or nil
}

const (
	// narrowOuts is the most outputs whose nine taps fit a panel.
	narrowOuts = kernel.NR / 9
	// narrowRows is how many output rows an item computes, at least; two more are recomputed.
	narrowRows = 8
	taps3x3    = 9
)

func newNarrow(in view, outs int) *narrow { return &narrow{channels: in.c, outs: outs, width: in.w} }

func (*narrow) String() string    { return "taps" }
func (n *narrow) bytes() int64    { return 4 * int64(n.channels) * kernel.NR }
func (n *narrow) reserve(m *slab) { n.packed = m.take(n.channels * kernel.NR) }

func (n *narrow) scratch() int {
	own := rowsBlock*(n.channels+rowGap) + 3*n.width*kernel.NR
	if n.before != nil {
		own += n.before.method.scratch()
	}
	return own
}

// add puts output o of tap t in column t·outs + o.
func (n *narrow) add(_ *kernel.Set, values []float32, factor float64, from, to, at int) {
	for o := from; o < to; o++ {
		for c := range n.channels {
			for t := range taps3x3 {
				n.packed[c*kernel.NR+t*n.outs+at+o-from] = float32(float64(values[(o*n.channels+c)*taps3x3+t]) * factor)
			}
		}
	}
}

func (n *narrow) run(e *env, s *convStep) error {
	in := s.in.reader(e)
	parts := max(1, min(in.h/narrowRows, 2*e.threads))
	return e.parallel(parts, func(worker, item int) {
		j := narrowJob{narrow: n, e: e, in: in, worker: worker}
		j.take(e.scratch[worker])
		partial := j.partial
		from, to := item*in.h/parts, (item+1)*in.h/parts
		for y := max(from-1, 0); y < min(to+1, in.h); y++ {
			row := partial[y%3*n.width*kernel.NR:]
			for x := 0; x < n.width; x += rowsBlock {
				count := min(rowsBlock, n.width-x)
				a, lda := j.pixels(y*n.width+x, count)
				e.program.kernels.Gemm(count, taps3x3*n.outs, n.channels, a, lda, n.packed, 0, row[x*kernel.NR:], kernel.NR, false)
			}
			if y > from {
				n.collect(e, s, partial, y-1)
			}
		}
		if to == in.h {
			n.collect(e, s, partial, to-1)
		}
	})
}

// narrowJob is the work of a thread.
type narrowJob struct {
	*narrow
	e          *env
	in         reader
	worker     int
	a, partial []float32 // scratch
}

// take divides scratch. What comes first is the absorbed convolution's.
func (j *narrowJob) take(scratch []float32) {
	if j.before != nil {
		scratch = scratch[j.before.method.scratch():]
	}
	size := rowsBlock * (j.channels + rowGap)
	j.a, j.partial = scratch[:size], scratch[size:][:3*j.width*kernel.NR]
}

// pixels gives the input of count pixels, row by row.
func (j *narrowJob) pixels(from, count int) (a []float32, lda int) {
	if j.before == nil {
		lda = j.channels + rowGap
		j.in.pixels(j.a, lda, from, count, 0, j.channels)
		return j.a, lda
	}
	s := j.before
	s.beginPixels(j.e, j.a, from, count, 0, s.outs)
	s.method.(*direct).products(j.e, j.worker, s.in.reader(j.e), 0, from, count, 0, s.outs, j.a, s.outs)
	k := j.e.program.kernels
	k.Affine(j.a, s.outs, j.a, s.outs, count, s.outs, j.in.scale, j.in.shift, j.in.floor)
	return j.a, s.outs
}

// collect adds the partial pixels up to row y of the output.
func (n *narrow) collect(e *env, s *convStep, partial []float32, y int) {
	s.beginPixels(e, s.at(e, y, 0, 0), y*n.width, n.width, 0, s.outs)
	out := e.values(s.out)[y*n.width*s.outs:][:n.width*s.outs]
	for dy := -1; dy <= 1; dy++ {
		if y+dy < 0 || y+dy >= s.in.h {
			continue
		}
		row := partial[(y+dy)%3*n.width*kernel.NR:]
		for dx := -1; dx <= 1; dx++ {
			tap := ((dy+1)*3 + dx + 1) * n.outs
			for x := max(0, -dx); x < min(n.width, n.width-dx); x++ {
				for o, v := range row[(x+dx)*kernel.NR+tap:][:n.outs] {
					out[x*n.outs+o] += v
				}
			}
		}
	}
	s.finish(e, y*n.width, n.width, 0, s.outs)
}
