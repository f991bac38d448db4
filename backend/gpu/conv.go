package gpu

import (
	"fmt"

	"github.com/biggan-zoo/biggan/backend/gpu/shader"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// convStep computes convolutions of one input side by side, or linear layers, or one of the
// products of attention: out = in·weights + bias + residual, and tanh.
type convStep struct {
	nodes    []*graph.Node
	starts   []int        // first column of each node
	factor   *graph.Param // gamma of attention, or nil
	from, to int          // output channels to compute, of the single node; all if to is 0

	in       view
	out      view
	residual *view
	tanh     bool

	up   bool // four phases on a small map
	taps int  // of a side: 1, 2 after upsampling, 3
	outs int  // columns, a multiple of four

	right   *view // the right factor, when it is computed: one a sample
	rowFrom int   // first row and
	rows    int   // number of rows of a sample, with right
}

// job is what tuning and the choice of a tile need to know of a step.
type job struct {
	rows, pixels, outs, depth, taps, z int
	norm, half                         bool
}

func (s *convStep) job(batch int, half bool) job {
	j := job{
		rows: batch * s.in.h * s.in.w, pixels: s.in.h * s.in.w, outs: s.outs / 4, depth: fours(s.in.c) / 4, taps: s.taps * s.taps, z: 1,
		norm: s.in.norm != nil, half: half,
	}
	if s.up {
		j.z = 4
	}
	if s.right != nil {
		j.rows, j.z, j.half = s.rows, batch, false
	}
	return j
}

// flops counts multiplications and additions.
func (j job) flops() float64 { return 32 * float64(j.rows) * float64(j.outs*j.depth*j.taps*j.z) }

// norms is the variant of normalisation for a tile.
func (j job) norms(t shader.Tile) string {
	switch {
	case !j.norm:
		return ""
	case j.rows <= j.pixels, j.pixels%t.BlockRows() == 0:
		return "group"
	}
	return "row"
}

// groups are the workgroups of a tile.
func (j job) groups(t shader.Tile) (x, y, z int) {
	return (j.outs + t.BlockQuads() - 1) / t.BlockQuads(), (j.rows + t.BlockRows() - 1) / t.BlockRows(), j.z
}

// params are the shader's Params for a batch.
func (s *convStep) params(l *lowering, batch int) []uint32 {
	in, to := s.in, s.out
	h, w := in.h, in.w
	j := s.job(batch, false)
	scale, phase, top, xZ, yZ, wZ := 1, 0, -(s.taps / 2), 0, 0, 0
	wBase, wRow := 0, s.outs/4
	if s.up {
		scale, phase, top = 2, 1, -1
		wZ = 4 * j.depth * j.taps * wRow
	}
	yBase := to.base / 4
	if s.right != nil {
		xZ, yZ, wZ = in.t.size/4, to.t.size/4, s.right.t.size/4
		wBase, wRow = s.right.base/4, s.right.pixel/4
		yBase -= s.rowFrom * to.pixel / 4
	}
	var nBase, tanh int
	if in.norm != nil {
		nBase = in.norm.at / 4
	}
	if s.tanh {
		tanh = 1
	}
	words := integers(j.rows, h*w, w, h, s.outs/4, j.depth, j.taps, s.taps, top, top)
	words = append(words, in.floor())
	words = append(words, integers(
		tanh,
		in.base/4, in.t.size/4, in.pixel/4, xZ,
		nBase, l.normTotal/2, l.normTotal/4, scale,
		wBase, wRow, wZ, phase,
		yBase, to.t.size/4, to.pixel/4, yZ,
	)...)
	if r := s.residual; r != nil {
		up := 0
		if r.up {
			up = 1
		}
		words = append(words, integers(r.base/4, r.t.size/4, r.pixel/4, up, w*scale, r.w, 1)...)
	} else {
		words = append(words, integers(0, 0, 0, 0, w*scale, 0, 0)...)
	}
	return append(words, uint32(s.rowFrom))
}

// depthValues is the depth of the product in values, padding included.
func (s *convStep) depthValues() int { return s.taps * s.taps * fours(s.in.c) }

// phases is how many sets of weights there are.
func (s *convStep) phases() int {
	if s.up {
		return 4
	}
	return 1
}

// packWeights lays the weights of all nodes out as [phase, tap, input channel, column].
func (s *convStep) packWeights(w weights.Source) ([]float32, error) {
	factor, err := s.gamma(w)
	if err != nil {
		return nil, err
	}
	packed := make([]float32, s.phases()*s.depthValues()*s.outs)
	for i, n := range s.nodes {
		values, err := normalised(w, n, factor)
		if err != nil {
			return nil, err
		}
		if len(n.Weight.Shape) == 4 {
			for phase := range s.phases() {
				s.packPhase(packed[phase*s.depthValues()*s.outs:], n, values, phase, s.starts[i])
			}
			continue
		}
		s.packMatrix(packed, n, values, s.starts[i])
	}
	return packed, nil
}

// packMatrix places the weight of a linear layer.
func (s *convStep) packMatrix(packed []float32, n *graph.Node, values []float32, column int) {
	outs, k := n.Shape[0], s.in.c
	if n.Op == graph.Embed { // [in, out]
		for l := range k {
			copy(packed[l*s.outs+column:][:outs], values[l*outs:])
		}
		return
	}
	for o := range outs {
		for l, v := range values[o*k:][:k] {
			packed[l*s.outs+column+o] = v
		}
	}
}

// packPhase places a kernel: position ky of phase dy reads row (dy+ky-1)/2 of the small map, rounded
// down, so that positions fall together and their weights are added.
func (s *convStep) packPhase(packed []float32, n *graph.Node, values []float32, phase, column int) {
	c, size := n.Weight.Shape[1], n.Weight.Shape[2]
	from, to := s.channels(n)
	tapOf := func(k, d int) int {
		if !s.up {
			return k
		}
		return (d+k+1)/2 - d // (d+k-1)/2, rounded down, counted from d-1
	}
	for ky := range size {
		for kx := range size {
			tap := tapOf(ky, phase/2)*s.taps + tapOf(kx, phase%2)
			for o := from; o < to; o++ {
				at := packed[tap*fours(c)*s.outs+column+o-from:]
				for ch := range c {
					at[ch*s.outs] += values[((o*c+ch)*size+ky)*size+kx]
				}
			}
		}
	}
}

// channels are the output channels of a node that are computed.
func (s *convStep) channels(n *graph.Node) (from, to int) {
	if s.to > 0 {
		return s.from, s.to
	}
	return 0, n.Weight.Shape[0]
}

// packBias lays the biases out by column.
func (s *convStep) packBias(w weights.Source) ([]float32, error) {
	factor, err := s.gamma(w)
	if err != nil {
		return nil, err
	}
	packed := make([]float32, s.outs)
	for i, n := range s.nodes {
		if n.Bias == nil {
			continue
		}
		bias := make([]float32, n.Bias.Elements())
		if err := w.Float32s(bias, n.Bias.Name); err != nil {
			return nil, err
		}
		from, to := 0, len(bias)
		if s.to > 0 {
			from, to = s.from, s.to
		}
		for o := from; o < to; o++ {
			packed[s.starts[i]+o-from] = float32(float64(bias[o]) * factor)
		}
	}
	return packed, nil
}

func (s *convStep) gamma(w weights.Source) (float64, error) {
	if s.factor == nil {
		return 1, nil
	}
	var gamma [1]float64
	err := w.Float64s(gamma[:], s.factor.Name)
	return gamma[0], err
}

// normalised reads a node's weight times factor, divided by its spectral norm.
func normalised(w weights.Source, n *graph.Node, factor float64) ([]float32, error) {
	values := make([]float32, n.Weight.Elements())
	if err := w.Float32s(values, n.Weight.Name); err != nil {
		return nil, err
	}
	if n.Sigma != nil {
		var sigma [1]float64
		if err := w.Float64s(sigma[:], n.Sigma.Name); err != nil {
			return nil, err
		}
		if sigma[0] == 0 {
			return nil, fmt.Errorf("gpu: %s is %v", n.Sigma.Name, sigma[0])
		}
		factor /= sigma[0]
	}
	if factor != 1 {
		for i, v := range values {
			values[i] = float32(float64(v) * factor)
		}
	}
	return values, nil
}
