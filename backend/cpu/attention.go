package cpu

import (
	"math"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// attentionStep computes softmax(θᵀφ)·g for blocks of queries; the whole matrix of scores
// never exists. Keys and values are packed once a run, into buffers of the plan.
type attentionStep struct {
	name          string
	half          bool // exponentials and values rounded to bfloat16
	theta, phi, g view
	packedPhi     *buffer // panels of keys, depth d
	packedG       *buffer // panels of channels, depth keys
	out           *buffer
}

// A work item handles queriesBlock queries, and keysBlock keys at a time: their scores stay
// in the cache.
const (
	queriesBlock = 56
	keysBlock    = 1024
)

// scratchSize is what a thread needs: queries and scores; to pack keys, a pixel.
func (s *attentionStep) scratchSize() int {
	return max(queriesBlock*(s.theta.c+2*min(keysBlock, s.keys())+3*rowGap), s.theta.c+2*s.g.c)
}

func (s *attentionStep) keys() int {
	h, w := s.phi.size()
	return h * w
}

func (s *attentionStep) run(e *env) error {
	if err := s.packKeys(e); err != nil {
		return err
	}
	keys, d, c, k := s.keys(), s.theta.c, s.g.c, e.program.kernels
	phi, g := e.values(s.packedPhi), e.values(s.packedG)
	theta, out := s.theta.reader(e), e.values(s.out)
	h, w := s.theta.size()
	blocks, block := share(h*w, queriesBlock)
	return e.parallel(blocks, func(worker, item int) {
		from, to := block(item)
		m, lda, lds := to-from, d+rowGap, min(keysBlock, keys)+rowGap
		a, scores := e.scratch[worker][:queriesBlock*lda], e.scratch[worker][queriesBlock*lda:]
		for i := range m {
			theta.readPixel(a[i*lda:][:d], (from+i)/w, (from+i)%w, s.theta.up)
		}
		var softmax [queriesBlock]running
		for key := 0; key < keys; key += keysBlock {
			n := min(keysBlock, keys-key)
			k.Gemm(m, n, d, a, lda, phi[key*d:], d*kernel.NR, scores, lds, false)
			for i := range m {
				keep := softmax[i].exponentials(k, scores[i*lds:][:n], key == 0)
				if key > 0 && keep != 1 {
					k.Scale(out[(from+i)*c:][:c], keep)
				}
			}
			if s.half {
				rounded := kernel.Words(scores[queriesBlock*lds:])
				k.RoundBF16(rounded, lds, scores, lds, m, n)
				k.GemmBF16(m, c, n/2, rounded, lds, kernel.Words(g)[key/2*kernel.NR:], keys/2*kernel.NR, out[from*c:], c, key > 0)
				continue
			}
			k.Gemm(m, c, n, scores, lds, g[key*kernel.NR:], keys*kernel.NR, out[from*c:], c, key > 0)
		}
		for i := range m {
			k.Scale(out[(from+i)*c:][:c], 1/softmax[i].sum)
		}
	})
}

// running is a softmax over scores that come in blocks.
type running struct{ largest, sum float32 }

// exponentials replaces scores by their exponentials, relative to the largest so far, and
// returns the factor that makes those of earlier blocks relative to it too.
func (r *running) exponentials(k *kernel.Set, scores []float32, first bool) (keep float32) {
	largest := k.Largest(scores)
	if !first {
		largest = max(largest, r.largest)
		keep = float32(math.Exp(float64(r.largest - largest)))
	}
	r.sum = r.sum*keep + k.Exponentials(scores, largest)
	r.largest = largest
	return keep
}

// packKeys lays the keys out as panels of NR columns of depth d, and the values as panels of
// NR channels of depth keys.
func (s *attentionStep) packKeys(e *env) error {
	keys, d := s.keys(), s.theta.c
	phi, g := s.phi.reader(e), s.g.reader(e)
	toPhi, toG := e.values(s.packedPhi), e.values(s.packedG)
	_, w := s.phi.size()
	row := max(d, 2*s.g.c)
	return e.parallel(kernel.Panels(keys, kernel.NR), func(worker, item int) {
		values := e.scratch[worker][:row]
		for p := item * kernel.NR; p < min((item+1)*kernel.NR, keys); p++ {
			phi.readPixel(values[:d], p/w, p%w, s.phi.up)
			panel := toPhi[item*d*kernel.NR+p%kernel.NR:]
			for l, x := range values[:d] {
				panel[l*kernel.NR] = x
			}
			if s.half {
				s.packPair(toG, g, values, p, w)
				continue
			}
			g.readPixel(values[:s.g.c], p/w, p%w, s.g.up)
			for j := 0; j < s.g.c; j += kernel.NR {
				copy(toG[(j/kernel.NR*keys+p)*kernel.NR:][:kernel.NR], values[j:s.g.c])
			}
		}
	})
}

// packPair packs the values of an odd key with those of the even one before it.
func (s *attentionStep) packPair(dst []float32, g reader, values []float32, p, w int) {
	if p%2 == 0 {
		return
	}
	c, keys := s.g.c, s.keys()
	even, odd := values[:c], values[c:2*c]
	g.readPixel(even, (p-1)/w, (p-1)%w, s.g.up)
	g.readPixel(odd, p/w, p%w, s.g.up)
	for j := 0; j < c; j += kernel.NR {
		n := min(kernel.NR, c-j)
		pair(kernel.Words(dst)[(j/kernel.NR*keys+p-1)/2*kernel.NR:][:n], even[j:], odd[j:])
	}
}
