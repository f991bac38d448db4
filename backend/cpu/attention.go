package cpu

import (
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// attentionStep computes softmax(θᵀφ)·g for blocks of queries; the whole matrix of scores
// never exists. Keys and values are packed once a run, into buffers of the plan.
type attentionStep struct {
	name          string
	theta, phi, g view
	packedPhi     *buffer // panels of keys, depth d
	packedG       *buffer // panels of channels, depth keys
	out           *buffer
}

// queriesBlock is how many queries a work item handles.
const queriesBlock = 56

// scratchSize is what a thread needs: queries and scores.
func (s *attentionStep) scratchSize() int {
	return queriesBlock * (s.theta.c + s.keys() + 2*rowGap)
}

func (s *attentionStep) keys() int {
	h, w := s.phi.size()
	return h * w
}

func (s *attentionStep) run(e *env) error {
	keys, d, c, k := s.keys(), s.theta.c, s.g.c, e.program.kernels
	phi, g := e.values(s.packedPhi), e.values(s.packedG)
	packView(phi, s.phi, e, keys, d)
	packTransposed(g, s.g, e, keys, c)
	theta, out := s.theta.reader(e), e.values(s.out)
	h, w := s.theta.size()
	blocks, block := share(h*w, queriesBlock)
	return e.parallel(blocks, func(worker, item int) {
		from, to := block(item)
		m, lda, lds := to-from, d+rowGap, keys+rowGap
		a, scores := e.scratch[worker][:queriesBlock*lda], e.scratch[worker][queriesBlock*lda:]
		for i := range m {
			theta.readPixel(a[i*lda:][:d], (from+i)/w, (from+i)%w, s.theta.up)
		}
		k.Gemm(m, keys, d, a, lda, phi, d*kernel.NR, scores, lds, false)
		for i := range m {
			k.Softmax(scores[i*lds:][:keys])
		}
		k.Gemm(m, c, keys, scores, lds, g, keys*kernel.NR, out[from*c:], c, false)
	})
}

// packView lays the pixels of a view out as panels of NR columns of depth c.
func packView(dst []float32, v view, e *env, pixels, c int) {
	r := v.reader(e)
	_, w := v.size()
	row := make([]float32, c)
	for p := range pixels {
		r.readPixel(row, p/w, p%w, v.up)
		panel := dst[p/kernel.NR*c*kernel.NR+p%kernel.NR:]
		for l, x := range row {
			panel[l*kernel.NR] = x
		}
	}
}

// packTransposed lays the channels of a view out as panels of NR columns of depth pixels.
func packTransposed(dst []float32, v view, e *env, pixels, c int) {
	r := v.reader(e)
	_, w := v.size()
	row := make([]float32, c)
	for p := range pixels {
		r.readPixel(row, p/w, p%w, v.up)
		for j, x := range row {
			dst[(j/kernel.NR*pixels+p)*kernel.NR+j%kernel.NR] = x
		}
	}
}
