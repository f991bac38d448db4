package cpu

import (
	"fmt"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// direct multiplies pixels, with their neighbours side by side, by the weights.
type direct struct {
	size, channels, outs int
	phases               []phase
	packed               [][]float32 // by phase
}

// An item computes up to rowsBlock pixels, of which depthBlock products are packed at a time.
const (
	rowsBlock  = 70
	depthBlock = 512
	rowGap     = 16 // values between packed rows, lest they all fall on the same cache sets
)

func newDirect(size, channels, outs int, up bool) *direct {
	return &direct{size: size, channels: channels, outs: outs, phases: phasesOf(size, up)}
}

func (d *direct) String() string { return fmt.Sprintf("direct %dx%d", d.size, d.size) }

func (d *direct) depth() int { return len(d.phases[0].taps) * d.channels }

func (d *direct) bytes() int64 {
	return 4 * int64(len(d.phases)) * int64(d.depth()) * int64(kernel.Panels(d.outs, kernel.NR)*kernel.NR)
}

func (d *direct) scratch() int {
	return rowsBlock * (min(depthBlock, d.depth()) + rowGap + kernel.Panels(d.outs, kernel.NR)*kernel.NR)
}

func (d *direct) reserve() {
	d.packed = make([][]float32, len(d.phases))
	for i := range d.packed {
		d.packed[i] = make([]float32, kernel.Panels(d.outs, kernel.NR)*kernel.NR*d.depth())
	}
}

// add packs a panel of outputs at a time, tap by tap; of a phase, taps are sums of the
// kernel's values.
func (d *direct) add(_ *kernel.Set, values []float32, factor float64, from, to, at int) {
	area, k := d.size*d.size, d.depth()
	g := make([]float32, len(d.phases[0].taps)*kernel.NR)
	for i, p := range d.phases {
		sources := p.sources(d.size)
		for o := from; o < to; {
			col := at + o - from
			n := min(to-o, kernel.NR-col%kernel.NR)
			panel := d.packed[i][col/kernel.NR*k*kernel.NR+col%kernel.NR:]
			for ch := range d.channels {
				gather(g, values[(o*d.channels+ch)*area:], d.channels*area, n, sources, factor)
				for t := range sources {
					copy(panel[(t*d.channels+ch)*kernel.NR:][:n], g[t*kernel.NR:])
				}
			}
			o += n
		}
	}
}

func (d *direct) run(e *env, s *convStep) error {
	in := s.in.reader(e)
	blocks, block := share(in.h*in.w, rowsBlock)
	width := columnBlock(s.outs, len(d.phases)*blocks, e.program.threads)
	cols := kernel.Panels(s.outs, width)
	return e.parallel(len(d.phases)*blocks*cols, func(worker, item int) {
		phase, col := item/(blocks*cols), item%cols*width
		from, to := block(item / cols % blocks)
		n := min(width, s.outs-col)
		if d.phases[phase].scale == 1 {
			out := s.at(e, 0, from, col)
			s.beginPixels(e, out, from, to-from, col, n)
			d.products(e, worker, in, phase, from, to-from, col, n, out, s.outs)
		} else {
			d.scattered(e, s, worker, in, phase, from, to-from, col, n)
		}
		s.finish(e, from, to-from, col, n)
	})
}

// products adds the products of m pixels from row to c.
func (d *direct) products(e *env, worker int, in reader, phase, row, m, col, n int, c []float32, ldc int) {
	k, lda := d.depth(), min(depthBlock, d.depth())+rowGap
	a := e.scratch[worker][:rowsBlock*lda]
	for from := 0; from < k; from += depthBlock {
		to := min(from+depthBlock, k)
		d.packRows(a, lda, in, d.phases[phase], row, m, from, to)
		e.program.kernels.Gemm(m, n, to-from, a, lda, d.packed[phase][col*k+from*kernel.NR:], k*kernel.NR, c, ldc, true)
	}
}

// scattered computes pixels of a phase, which lie apart in the output.
func (d *direct) scattered(e *env, s *convStep, worker int, in reader, phase, row, m, col, n int) {
	p, k := d.phases[phase], e.program.kernels
	ldc := kernel.Panels(n, kernel.NR) * kernel.NR
	c := e.scratch[worker][rowsBlock*(min(depthBlock, d.depth())+rowGap):][:m*ldc]
	clear(c)
	d.products(e, worker, in, phase, row, m, col, n, c, ldc)
	for i := 0; i < m; {
		y, x := (row+i)/in.w, (row+i)%in.w
		run := min(m-i, in.w-x)
		y, x = 2*y+p.dy, 2*x+p.dx
		out := s.at(e, y, x, col)
		s.begin(e, out, y, x, 2, run, col, n)
		for j := range run {
			dst := out[2*j*s.outs:]
			k.AddRows(dst, 0, c[(i+j)*ldc:], 0, 1, n, dst)
			if s.tanh {
				k.Tanh(dst[:n])
			}
		}
		i += run
	}
}

// packRows lays products [from,to) of m pixels out row by row: product l is channel l%C of tap l/C.
func (d *direct) packRows(a []float32, lda int, in reader, p phase, row, m, from, to int) {
	for l := from; l < to; {
		tap := l / d.channels
		end := min((tap+1)*d.channels, to)
		first, n := l-tap*d.channels, end-l
		dst := a[l-from:]
		dy, dx := p.taps[tap][0], p.taps[tap][1]
		if len(p.taps) == 1 {
			in.pixels(dst, lda, row, m, first, n)
		} else {
			for i := 0; i < m; {
				y, x := (row+i)/in.w, (row+i)%in.w
				run := min(m-i, in.w-x)
				in.padded(dst[i*lda:], lda, y+dy, x+dx, run, first, n)
				i += run
			}
		}
		l = end
	}
}
