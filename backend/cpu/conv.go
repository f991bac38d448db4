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

	phases []phase
	bias   []float32
}

// phase is a convolution on the input map whose output pixel (y,x) lies at
// (scale·y+dy, scale·x+dx): a plain convolution has one, one after upsampling four.
type phase struct {
	scale, dy, dx int
	taps          [][2]int // dy, dx of each input pixel
	packed        []float32
}

// rowsBlock pixels and depthBlock products of a work item are packed at a time; an item
// computes up to columnsBlock channels.
const (
	rowsBlock    = 64
	depthBlock   = 512
	columnsBlock = 256
)

// convScratch is what one thread needs: a packed block and the sums of an item.
const convScratch = rowsBlock*depthBlock + rowsBlock*columnsBlock

func (s *convStep) depth(p phase) int { return len(p.taps) * s.in.c }

func (s *convStep) run(e *env) error {
	in, out := s.in.reader(e), e.bytesOf(s.out)
	var residual reader
	if s.residual != nil {
		residual = s.residual.reader(e)
	}
	rows, cols := kernel.Panels(in.h*in.w, rowsBlock), kernel.Panels(s.outs, columnsBlock)
	return e.parallel(len(s.phases)*rows*cols, func(worker, item int) {
		p := s.phases[item/(rows*cols)]
		row, col := item/cols%rows*rowsBlock, item%cols*columnsBlock
		m, n := min(rowsBlock, in.h*in.w-row), min(columnsBlock, s.outs-col)
		scratch := e.scratch[worker]
		a, c := scratch[:rowsBlock*depthBlock], scratch[rowsBlock*depthBlock:]
		ldc := kernel.Panels(n, kernel.NR) * kernel.NR
		clear(c[:kernel.Panels(m, kernel.MR)*kernel.MR*ldc])
		k := s.depth(p)
		for from := 0; from < k; from += depthBlock {
			to := min(from+depthBlock, k)
			s.packRows(a, in, p, row, m, from, to)
			kernel.Gemm(m, n, to-from, a, (to-from)*kernel.MR, p.packed[col*k+from*kernel.NR:], k*kernel.NR, c, ldc)
		}
		s.store(out, residual, c, ldc, p, row, m, col, n)
	})
}

// packRows lays products [from,to) of m pixels out in panels: product l is channel l%C of tap l/C.
func (s *convStep) packRows(a []float32, in reader, p phase, row, m, from, to int) {
	width := to - from
	for i := range kernel.Panels(m, kernel.MR) * kernel.MR {
		panel := a[i/kernel.MR*width*kernel.MR+i%kernel.MR:]
		y, x := (row+i)/in.w, (row+i)%in.w
		for l := from; l < to; {
			tap := l / s.in.c
			end := min((tap+1)*s.in.c, to)
			dst := panel[(l-from)*kernel.MR:]
			sy, sx := y+p.taps[tap][0], x+p.taps[tap][1]
			if i < m && sy >= 0 && sy < in.h && sx >= 0 && sx < in.w {
				in.copyTo(dst, kernel.MR, sy*in.w+sx, l-tap*s.in.c, end-tap*s.in.c)
			} else {
				for d := range end - l {
					dst[d*kernel.MR] = 0
				}
			}
			l = end
		}
	}
}

// store adds bias and residual to the sums of an item and writes them.
func (s *convStep) store(out []float32, residual reader, c []float32, ldc int, p phase, row, m, col, n int) {
	for i := range m {
		y, x := (row+i)/s.in.w*p.scale+p.dy, (row+i)%s.in.w*p.scale+p.dx
		pixel := y*s.in.w*p.scale + x
		dst := out[pixel*s.outs+col:][:n]
		sums, bias := c[i*ldc:][:n], s.bias[col:][:n]
		if s.residual == nil {
			for j, b := range bias {
				dst[j] = sums[j] + b
			}
		} else {
			if s.residual.up {
				pixel = y/2*residual.w + x/2
			}
			add := residual.data[pixel*residual.stride+col:][:n]
			for j, b := range bias {
				dst[j] = sums[j] + b + add[j]
			}
		}
		if s.tanh {
			tanh(dst)
		}
	}
}

// pack reads the weights of all nodes into panels, one set a phase.
func (s *convStep) pack(w weights.Source) error {
	factor := 1.0
	if s.factor != nil {
		var gamma [1]float64
		if err := w.Float64s(gamma[:], s.factor.Name); err != nil {
			return err
		}
		factor = gamma[0]
	}
	s.bias = make([]float32, s.outs)
	for i := range s.phases {
		s.phases[i].packed = make([]float32, kernel.Panels(s.outs, kernel.NR)*kernel.NR*s.depth(s.phases[i]))
	}
	at := 0
	for _, n := range s.nodes {
		values, err := normalised(w, n, factor)
		if err != nil {
			return err
		}
		from, to := 0, n.Weight.Shape[0]
		if s.to > 0 {
			from, to = s.from, s.to
		}
		for i := range s.phases {
			s.packPhase(&s.phases[i], n, values, from, to, at)
		}
		if n.Bias != nil {
			bias := make([]float32, n.Bias.Elements())
			if err := w.Float32s(bias, n.Bias.Name); err != nil {
				return err
			}
			for o := from; o < to; o++ {
				s.bias[at+o-from] = float32(float64(bias[o]) * factor)
			}
		}
		at += to - from
	}
	return nil
}

// packPhase sums, for each tap of a phase, the kernel positions that fall on it.
func (s *convStep) packPhase(p *phase, n *graph.Node, values []float32, from, to, at int) {
	c, size := n.Weight.Shape[1], n.Weight.Shape[2]
	k := s.depth(*p)
	sources := make([][]int, len(p.taps)) // kernel positions of each tap
	for ky := range size {
		for kx := range size {
			dy, dx := floorDiv(p.dy+ky-size/2, p.scale), floorDiv(p.dx+kx-size/2, p.scale)
			for t, tap := range p.taps {
				if tap == [2]int{dy, dx} {
					sources[t] = append(sources[t], ky*size+kx)
				}
			}
		}
	}
	for o := from; o < to; o++ {
		col := at + o - from
		panel := p.packed[col/kernel.NR*k*kernel.NR+col%kernel.NR:]
		for t, positions := range sources {
			for ch := range c {
				kernelOf := values[(o*c+ch)*size*size:][:size*size]
				var sum float32
				for _, position := range positions {
					sum += kernelOf[position]
				}
				panel[(t*c+ch)*kernel.NR] = sum
			}
		}
	}
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((-a + b - 1) / b)
	}
	return a / b
}

// phasesOf lists the phases of a convolution of a kernel size, after upsampling or not.
func phasesOf(size int, up bool) []phase {
	if size == 1 {
		return []phase{{scale: 1, taps: [][2]int{{0, 0}}}}
	}
	if !up {
		p := phase{scale: 1}
		for dy := -1; dy <= 1; dy++ {
			for dx := -1; dx <= 1; dx++ {
				p.taps = append(p.taps, [2]int{dy, dx})
			}
		}
		return []phase{p}
	}
	var phases []phase
	for dy := range 2 {
		for dx := range 2 {
			p := phase{scale: 2, dy: dy, dx: dx}
			for ty := dy - 1; ty <= dy; ty++ {
				for tx := dx - 1; tx <= dx; tx++ {
					p.taps = append(p.taps, [2]int{ty, tx})
				}
			}
			phases = append(phases, p)
		}
	}
	return phases
}
