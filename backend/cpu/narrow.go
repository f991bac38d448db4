package cpu

import (
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// narrow is a 3x3 convolution to so few channels that the products of all nine taps fit a
// panel: each input pixel is multiplied once, into nine partial pixels that its neighbours
// then add up. Only three rows of partial pixels exist at a time.
type narrow struct {
	channels, outs int
	width          int
	packed         []float32
}

const (
	// narrowOuts is the most outputs whose nine taps fit a panel.
	narrowOuts = kernel.NR / 9
	// narrowRows is how many output rows an item computes, at least; two more are recomputed.
	narrowRows = 16
	taps3x3    = 9
)

func newNarrow(in view, outs int) *narrow { return &narrow{channels: in.c, outs: outs, width: in.w} }

func (*narrow) String() string { return "taps" }
func (n *narrow) bytes() int64 { return 4 * int64(n.channels) * kernel.NR }
func (n *narrow) reserve()     { n.packed = make([]float32, n.channels*kernel.NR) }
func (n *narrow) scratch() int { return rowsBlock*(n.channels+rowGap) + 3*n.width*kernel.NR }

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
	parts := max(1, min(in.h/narrowRows, 4*e.program.threads))
	return e.parallel(parts, func(worker, item int) {
		scratch := e.scratch[worker]
		lda := n.channels + rowGap
		a, partial := scratch[:rowsBlock*lda], scratch[rowsBlock*lda:][:3*n.width*kernel.NR]
		from, to := item*in.h/parts, (item+1)*in.h/parts
		for y := max(from-1, 0); y < min(to+1, in.h); y++ {
			row := partial[y%3*n.width*kernel.NR:]
			for x := 0; x < n.width; x += rowsBlock {
				count := min(rowsBlock, n.width-x)
				in.pixels(a, lda, y*n.width+x, count, 0, n.channels)
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

// collect adds the partial pixels up to row y of the output.
func (n *narrow) collect(e *env, s *convStep, partial []float32, y int) {
	s.beginPixels(e, y*n.width, n.width, 0, s.outs)
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
