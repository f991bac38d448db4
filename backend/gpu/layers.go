package gpu

import (
	"slices"

	"github.com/biggan-zoo/biggan/backend/gpu/shader"
	"github.com/biggan-zoo/biggan/graph"
)

// conv lowers a convolution, or all 1x1 convolutions of the same input together.
func (l *lowering) conv(n *graph.Node, in view) {
	size := n.Weight.Shape[2]
	s := &convStep{nodes: []*graph.Node{n}, taps: size, outs: fours(n.Shape[0])}
	lazyUp := size == 1 && in.up
	in.up = in.up && !lazyUp
	if in.up && l.fits(4*4*fours(in.c)*s.outs) { // else on the large map: 9 products a pixel, not 4
		s.up, s.taps, in.up = true, 2, false
	}
	s.in = l.operand(n.Name, in)
	if u := l.OnlyUser(n); u != nil && u.Op == graph.Slice {
		s.from, s.to, s.outs = u.Start, u.Start+u.Len, fours(u.Len)
	}
	s.starts = []int{0}
	if sum := l.OnlyUser(n); sum != nil && !lazyUp && l.hosts(sum, n) {
		l.pending[sum] = s
		return
	}
	if size == 1 && s.to == 0 {
		l.siblings(s, n, lazyUp)
	}
	out := l.emitConv(n.Name, s)
	out.up = lazyUp
	if len(s.nodes) == 1 {
		l.owner[n] = s
	}
	for i, node := range s.nodes {
		part := out
		part.base, part.c = s.starts[i], node.Shape[0]
		if s.to > 0 {
			part.c = s.to - s.from
		}
		l.viewOf[node] = part
	}
}

// fits reports whether n weights fit into a buffer.
func (l *lowering) fits(n int) bool {
	if l.half {
		n /= 2
	}
	return 4*n <= l.limit
}

// hosts reports whether a convolution can store the sum that uses it.
func (l *lowering) hosts(sum, conv *graph.Node) bool {
	return l.pending[sum] == nil && (sum.Op == graph.Add || sum.Op == graph.AddScaled && sum.In[1] == conv)
}

// siblings adds the other 1x1 convolutions of n's input that store nothing but their own output.
func (l *lowering) siblings(s *convStep, n *graph.Node, lazyUp bool) {
	s.nodes, s.starts, s.outs = nil, nil, 0
	for _, u := range l.Users(n.In[0]) {
		if u.Op != graph.Conv || u.Weight.Shape[2] != 1 || slices.Contains(s.nodes, u) {
			continue
		}
		if only := l.OnlyUser(u); u != n && only != nil && (only.Op == graph.Slice || !lazyUp && l.hosts(only, u)) {
			continue
		}
		l.beside(s, u)
	}
}

// beside gives a node the next columns of a step.
func (l *lowering) beside(s *convStep, n *graph.Node) {
	s.nodes = append(s.nodes, n)
	s.starts = append(s.starts, s.outs)
	s.outs += fours(n.Shape[0])
}

// emitConv reserves the output and the weights, and appends the step.
func (l *lowering) emitConv(name string, s *convStep) view {
	scale := 1
	if s.up {
		scale = 2
	}
	s.out = l.newTensor(s.outs, scale*s.in.h, scale*s.in.w)
	weight := l.newConstant(s.phases()*s.depthValues()*s.outs, func() ([]float32, error) { return s.packWeights(l.w) })
	weight.half = true
	l.emitProduct(name, s, operand{constant: weight})
	return s.out
}

// emitProduct appends the step of a convolution with its right factor.
func (l *lowering) emitProduct(name string, s *convStep, right operand) {
	bias := l.newConstant(s.outs, func() ([]float32, error) { return s.packBias(l.w) })
	reads := []view{s.in}
	other := operand{constant: bias}
	if s.residual != nil {
		reads = append(reads, *s.residual)
		other = operand{tensor: s.residual.t}
	}
	if s.right != nil {
		reads = append(reads, *s.right)
	}
	bind := []operand{{tensor: s.in.t}, {norms: true}, right, {constant: bias}, other, {tensor: s.out.t}}
	l.emit(step{name: name, op: shader.Conv, bind: bind, conv: s, grid: func(batch int) grid {
		return grid{params: s.params(l, batch)}
	}}, s.out.t, reads...)
}

// newConstant reserves room for n values that are uploaded once.
func (l *lowering) newConstant(n int, pack func() ([]float32, error)) *constant {
	c := &constant{size: 4 * n, pack: pack}
	l.constants = append(l.constants, c)
	return c
}

// linear makes a step of all linear layers on a vector, or several where a buffer would be too large.
func (l *lowering) linear(x *graph.Node, in view) {
	in = l.operand(x.Name, in)
	var s *convStep
	flush := func() {
		if s == nil {
			return
		}
		l.emitConv(s.nodes[0].Name, s)
		for i, n := range s.nodes {
			part := s.out
			part.base, part.c = s.starts[i], n.Shape[0]
			l.viewOf[n] = part
		}
		s = nil
	}
	for _, u := range l.Users(x) {
		if u.Op != graph.Linear && u.Op != graph.Embed || l.viewOf[u].t != nil || s != nil && slices.Contains(s.nodes, u) {
			continue
		}
		if s != nil && !l.fits(fours(in.c)*(s.outs+fours(u.Shape[0]))) {
			flush()
		}
		if s == nil {
			s = &convStep{in: in, taps: 1}
		}
		l.beside(s, u)
	}
	flush()
}

// scoresLimit is how many scores of a sample are in memory at a time: the queries are taken in blocks.
const scoresLimit = 1 << 22

// attention computes softmax(θᵀφ)·g by products of matrices, for blocks of queries.
func (l *lowering) attention(n *graph.Node, theta, phi, g view) {
	theta = l.operand(n.Name, l.plain(n.Name, theta))
	g = l.operand(n.Name, l.plain(n.Name, g))
	g.t.slack = max(g.t.slack, 3*g.pixel) // the rows that pad the keys: times zero
	keysOf := l.transposed(n.Name, phi)
	keys, queries := g.h*g.w, theta.h*theta.w
	c, h, w := shape(n.Shape)
	to := l.newTensor(c, h, w)
	block := min(queries, max(scoresLimit/fours(keys), 1))
	for from := 0; from < queries; from += block {
		rows := min(block, queries-from)
		scores := l.newTensor(keys, 1, rows)
		l.emitProduct(n.Name, &convStep{
			in: theta, out: scores, right: &keysOf, taps: 1, outs: fours(keys), rowFrom: from, rows: rows,
		}, operand{tensor: keysOf.t})
		l.softmax(n.Name, scores)
		part := to
		part.base = from * to.pixel
		l.emitProduct(n.Name, &convStep{in: scores, out: part, right: &g, taps: 1, outs: fours(c), rows: rows}, operand{tensor: g.t})
	}
	l.viewOf[n] = to
}
