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
	half                 bool        // products in bfloat16
	pairs                [][]uint32  // then the packed weights, by phase
}

// An item computes up to rowsBlock pixels, of which depthBlock products are packed at a time.
const (
	rowsBlock  = 42
	depthBlock = 512
	rowGap     = 16 // values between packed rows, lest they all fall on the same cache sets
)

func newDirect(size, channels, outs int, up, half bool) *direct {
	return &direct{size: size, channels: channels, outs: outs, phases: phasesOf(size, up), half: half}
}

func (d *direct) String() string { return fmt.Sprintf("direct %dx%d", d.size, d.size) + suffix(d.half) }

func suffix(half bool) string {
	if half {
		return " bf16"
	}
	return ""
}

func (d *direct) depth() int { return len(d.phases[0].taps) * d.channels }

func (d *direct) bytes() int64 {
	return valueBytes(d.half) * int64(len(d.phases)) * int64(d.depth()) * int64(kernel.Panels(d.outs, kernel.NR)*kernel.NR)
}

func valueBytes(half bool) int64 {
	if half {
		return 2
	}
	return 4
}

// lda is how far apart packed rows lie, in words of memory.
func (d *direct) lda() int {
	depth := min(depthBlock, d.depth())
	if d.half {
		depth /= 2
	}
	return depth + rowGap
}

// scratch holds packed rows and sums.
func (d *direct) scratch() int {
	return rowsBlock * (d.lda() + kernel.Panels(d.outs, kernel.NR)*kernel.NR)
}

func (d *direct) reserve(m *slab) {
	n := kernel.Panels(d.outs, kernel.NR) * kernel.NR * d.depth()
	d.packed, d.pairs = m.phases(len(d.phases), n, d.half)
}

// add packs a panel of outputs at a time, tap by tap; of a phase, taps are sums of the
// kernel's values.
func (d *direct) add(_ *kernel.Set, values []float32, factor float64, from, to, at int) {
	area, k := d.size*d.size, d.depth()
	g := make([]float32, len(d.phases[0].taps)*kernel.NR)
	odd := make([]float32, len(g))
	for i, p := range d.phases {
		sources := p.sources(d.size)
		for o := from; o < to; {
			col := at + o - from
			n := min(to-o, kernel.NR-col%kernel.NR)
			for ch := 0; d.half && ch < d.channels; ch += 2 {
				panel := d.pairs[i][col/kernel.NR*k/2*kernel.NR+col%kernel.NR:]
				gather(g, values[(o*d.channels+ch)*area:], d.channels*area, n, sources, factor)
				gather(odd, values[(o*d.channels+ch+1)*area:], d.channels*area, n, sources, factor)
				for t := range sources {
					pair(panel[(t*d.channels+ch)/2*kernel.NR:][:n], g[t*kernel.NR:], odd[t*kernel.NR:])
				}
			}
			for ch := 0; !d.half && ch < d.channels; ch++ {
				panel := d.packed[i][col/kernel.NR*k*kernel.NR+col%kernel.NR:]
				gather(g, values[(o*d.channels+ch)*area:], d.channels*area, n, sources, factor)
				for t := range sources {
					copy(panel[(t*d.channels+ch)*kernel.NR:][:n], g[t*kernel.NR:])
				}
			}
			o += n
		}
	}
}

// pair rounds two rows of values into words.
func pair(dst []uint32, low, high []float32) {
	for i := range dst {
		dst[i] = kernel.PairBF16(low[i], high[i])
	}
}

func (d *direct) run(e *env, s *convStep) error {
	in := s.in.reader(e)
	blocks, block := share(in.h*in.w, rowsBlock)
	width := columnBlock(s.outs, len(d.phases)*blocks, e.threads)
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
	k, lda := d.depth(), d.lda()
	a, kernels := e.scratch[worker][:rowsBlock*lda], e.program.kernels
	in.half = d.half
	for from := 0; from < k; from += depthBlock {
		to := min(from+depthBlock, k)
		d.packRows(a, lda, in, d.phases[phase], row, m, from, to)
		if d.half {
			kernels.GemmBF16(m, n, (to-from)/2, kernel.Words(a), lda, d.pairs[phase][(col*k+from*kernel.NR)/2:], k/2*kernel.NR, c, ldc, true)
			continue
		}
		kernels.Gemm(m, n, to-from, a, lda, d.packed[phase][col*k+from*kernel.NR:], k*kernel.NR, c, ldc, true)
	}
}

// scattered computes pixels of a phase, which lie apart in the output.
func (d *direct) scattered(e *env, s *convStep, worker int, in reader, phase, row, m, col, n int) {
	p, k := d.phases[phase], e.program.kernels
	ldc := kernel.Panels(n, kernel.NR) * kernel.NR
	c := e.scratch[worker][rowsBlock*d.lda():][:m*ldc]
	clear(c)
	d.products(e, worker, in, phase, row, m, col, n, c, ldc)
	for i := 0; i < m; {
		y, x := (row+i)/in.w, (row+i)%in.w
		run := min(m-i, in.w-x)
		y, x = 2*y+p.dy, 2*x+p.dx
		out := s.at(e, y, x, col)
		if s.residual == nil {
			k.AddRows(out, 2*s.outs, c[i*ldc:], ldc, run, n, s.bias[col:])
		} else {
			s.begin(e, out, y, x, 2, run, col, n)
			for j := range run {
				dst := out[2*j*s.outs:]
				k.AddRows(dst, 0, c[(i+j)*ldc:], 0, 1, n, dst)
			}
		}
		for j := 0; s.tanh && j < run; j++ {
			k.Tanh(out[2*j*s.outs:][:n])
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
		dst := a[in.words(l-from):]
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
