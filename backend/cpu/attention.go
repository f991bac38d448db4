package cpu

import (
	"math"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// attentionStep computes softmax(θᵀφ)·g for blocks of queries; the whole matrix of scores
// never exists. Keys and values are packed once a run, into buffers of the plan.
type attentionStep struct {
	theta, phi, g view
	packedPhi     *buffer // panels of keys, depth d
	packedG       *buffer // panels of channels, depth keys
	out           *buffer
}

// queriesBlock is how many queries a work item handles.
const queriesBlock = 16

// scratchSize is what a thread needs: packed queries, scores, packed scores, sums.
func (s *attentionStep) scratchSize() int {
	keys := s.keys()
	return s.theta.c + queriesBlock*(s.theta.c+2*kernel.Panels(keys, kernel.NR)*kernel.NR+kernel.Panels(s.g.c, kernel.NR)*kernel.NR)
}

func (s *attentionStep) keys() int {
	h, w := s.phi.size()
	return h * w
}

func (s *attentionStep) run(e *env) error {
	keys, d, c := s.keys(), s.theta.c, s.g.c
	phi, g := e.bytesOf(s.packedPhi), e.bytesOf(s.packedG)
	packView(phi, s.phi, e, keys, d)
	packTransposed(g, s.g, e, keys, c)
	theta, out := s.theta.reader(e), e.bytesOf(s.out)
	h, w := s.theta.size()
	queries := h * w
	ldScores, ldSums := kernel.Panels(keys, kernel.NR)*kernel.NR, kernel.Panels(c, kernel.NR)*kernel.NR
	return e.parallel(kernel.Panels(queries, queriesBlock), func(worker, item int) {
		from := item * queriesBlock
		m := min(queriesBlock, queries-from)
		scratch := e.scratch[worker]
		take := func(n int) []float32 {
			part := scratch[:n]
			scratch = scratch[n:]
			clear(part)
			return part
		}
		a, scores := take(queriesBlock*d), take(queriesBlock*ldScores)
		packed, sums := take(queriesBlock*keys), take(queriesBlock*ldSums)
		row := take(d)
		for i := range m {
			theta.readPixel(row, (from+i)/w, (from+i)%w, s.theta.up)
			scatter(a, row, i, d)
		}
		kernel.Gemm(m, keys, d, a, d*kernel.MR, phi, d*kernel.NR, scores, ldScores)
		for i := range m {
			softmax(scores[i*ldScores:][:keys])
			scatter(packed, scores[i*ldScores:][:keys], i, keys)
		}
		kernel.Gemm(m, c, keys, packed, keys*kernel.MR, g, keys*kernel.NR, sums, ldSums)
		for i := range m {
			copy(out[(from+i)*c:][:c], sums[i*ldSums:])
		}
	})
}

// scatter puts row i of depth k into panels of MR rows.
func scatter(panels, row []float32, i, k int) {
	dst := panels[i/kernel.MR*k*kernel.MR+i%kernel.MR:]
	for l, v := range row {
		dst[l*kernel.MR] = v
	}
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

// softmax replaces a row by its softmax; the exponentials in float64, as few as they are.
func softmax(row []float32) {
	largest := float32(math.Inf(-1))
	for _, v := range row {
		largest = max(largest, v)
	}
	var sum float64
	for i, v := range row {
		x := math.Exp(float64(v - largest))
		sum += x
		row[i] = float32(x)
	}
	inverse := float32(1 / sum)
	for i := range row {
		row[i] *= inverse
	}
}
