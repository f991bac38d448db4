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

// row is the size of a row of partial pixels, with one of zeros at each end.
func (n *narrow) row() int { return (n.width + 2) * kernel.NR }

func (n *narrow) scratch() int {
	own := rowsBlock*(n.channels+rowGap) + 3*n.row() + n.width*n.outs
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
		from, to := item*in.h/parts, (item+1)*in.h/parts
		for y := from - 1; y <= to; y++ {
			j.multiply(y)
			if y > from {
				j.collect(s, y-1)
			}
		}
	})
}

// narrowJob is the work of a thread.
type narrowJob struct {
	*narrow
	e                *env
	in               reader
	worker           int
	a, partial, sums []float32 // scratch
}

// take divides scratch. What comes first is the absorbed convolution's.
func (j *narrowJob) take(scratch []float32) {
	if j.before != nil {
		scratch = scratch[j.before.method.scratch():]
	}
	size := rowsBlock * (j.channels + rowGap)
	j.a, scratch = scratch[:size], scratch[size:]
	j.partial, j.sums = scratch[:3*j.row()], scratch[3*j.row():][:j.width*j.outs]
}

// partials are those of row y, which may be just outside of the map.
func (j *narrowJob) partials(y int) []float32 { return j.partial[(y+3)%3*j.row():][:j.row()] }

// multiply computes the partial pixels of row y: zeros outside of the map.
func (j *narrowJob) multiply(y int) {
	row := j.partials(y)
	if y < 0 || y >= j.in.h {
		clear(row)
		return
	}
	clear(row[:kernel.NR])
	clear(row[len(row)-kernel.NR:])
	for x := 0; x < j.width; x += rowsBlock {
		count := min(rowsBlock, j.width-x)
		a, lda := j.pixels(y*j.width+x, count)
		j.e.program.kernels.Gemm(count, taps3x3*j.outs, j.channels, a, lda, j.packed, 0, row[(x+1)*kernel.NR:], kernel.NR, false)
	}
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
func (j *narrowJob) collect(s *convStep, y int) {
	k, n := j.e.program.kernels, j.width*j.outs
	k.SumTaps(j.sums, [3][]float32{j.partials(y - 1), j.partials(y), j.partials(y + 1)}, j.width, j.outs)
	out := s.at(j.e, y, 0, 0)
	s.beginPixels(j.e, out, y*j.width, j.width, 0, j.outs)
	k.AddRows(out, 0, j.sums, 0, 1, n, out)
	s.finish(j.e, y*j.width, j.width, 0, j.outs)
}
