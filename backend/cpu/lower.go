package cpu

import (
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// lowering turns a graph into steps. Vectors come first, for they depend on no map.
type lowering struct {
	*graph.Uses
	graph   *graph.Graph
	w       weights.Source
	kernels *kernel.Set
	policy  policy

	vectorOf map[*graph.Node]*vector
	viewOf   map[*graph.Node]view
	owner    map[*graph.Node]*convStep // the convolution whose whole, final output the node is
	pending  map[*graph.Node]*convStep // by sum: the convolution that will store it

	vectorSteps []vectorStep
	lateSteps   []vectorStep
	vectorSizes []int
	mapSteps    []mapStep
	norms       []*norm
	normValues  int
	buffers     []*buffer
	scratch     int
	choices     []*choice // where there is more than one method
	refused     int64     // bytes that the methods asked for would take; 0 = they were taken
	width       int       // the most channels of a map or outputs of a layer
	exports     []export
	packers     []func() error
	packed      int64 // bytes of packed weights
	slab        slab
}

func newLowering(g *graph.Graph, w weights.Source, k *kernel.Set, keep []string) *lowering {
	l := &lowering{
		Uses: g.Uses(keep), graph: g, w: w, kernels: k,
		vectorOf: map[*graph.Node]*vector{}, viewOf: map[*graph.Node]view{},
		owner: map[*graph.Node]*convStep{}, pending: map[*graph.Node]*convStep{},
	}
	for _, r := range l.Results {
		l.exports = append(l.exports, export{r.Name, r.Node.Shape, r.Node.Elements()})
	}
	return l
}

func (l *lowering) lower() error {
	if err := l.allVectors(false); err != nil {
		return err
	}
	for _, n := range l.graph.Nodes {
		if len(n.Shape) != 3 && n.Op != graph.Sum {
			continue
		}
		if err := l.feature(n); err != nil {
			return err
		}
		if n.Op == graph.Sum {
			continue // a vector: exported with its like
		}
		for _, name := range l.Names(n) {
			v := l.viewOf[n]
			l.emit(&exportMap{name, v}, nil, v)
			l.needScratch(v.c)
		}
	}
	early := l.vectorSteps
	l.vectorSteps = nil
	err := l.allVectors(true)
	l.vectorSteps, l.lateSteps = early, l.vectorSteps
	return err
}

// allVectors lowers the vectors that come before the maps, or those that come after.
func (l *lowering) allVectors(late bool) error {
	for _, n := range l.graph.Nodes {
		if len(n.Shape) != 1 || l.Late(n) != late {
			continue
		}
		if err := l.vector(n); err != nil {
			return err
		}
		for _, name := range l.Names(n) {
			l.vectorSteps = append(l.vectorSteps, &exportVector{name, l.vectorOf[n]})
		}
	}
	return nil
}

// newVector reserves a batch vector.
func (l *lowering) newVector(n int) *vector {
	l.vectorSizes = append(l.vectorSizes, n)
	return &vector{id: len(l.vectorSizes) - 1, width: n, n: n}
}

// vector lowers a node of rank 1.
func (l *lowering) vector(n *graph.Node) error {
	if l.vectorOf[n] != nil {
		return nil // computed beside another layer
	}
	in := make([]*vector, len(n.In))
	for i, x := range n.In {
		in[i] = l.vectorOf[x]
	}
	switch n.Op {
	case graph.Input:
		v := l.newVector(n.Shape[0])
		l.vectorOf[n] = v
		l.vectorSteps = append(l.vectorSteps, &inputStep{n.Name, v})
	case graph.Slice:
		part := *in[0]
		part.at += n.Start
		part.n = n.Len
		l.vectorOf[n] = &part
	case graph.Concat:
		v := l.newVector(n.Shape[0])
		l.vectorOf[n] = v
		l.vectorSteps = append(l.vectorSteps, &concatVectors{in, v})
	case graph.Linear, graph.Embed:
		l.linear(n.In[0])
	case graph.ReLU, graph.Tanh, graph.Add, graph.AddScaled:
		v := l.newVector(n.Shape[0])
		l.vectorOf[n] = v
		factor, err := l.gain(n)
		if err != nil {
			return err
		}
		l.vectorSteps = append(l.vectorSteps, &pointwiseVectors{n.Op, in, factor, v})
	case graph.Dot:
		v := l.newVector(1)
		l.vectorOf[n] = v
		l.vectorSteps = append(l.vectorSteps, &dotStep{in[0], in[1], v})
	default:
		return fmt.Errorf("cpu: %s: no %s on vectors", n.Name, n.Op)
	}
	return nil
}

// gain is gamma of AddScaled, 1 for other nodes.
func (l *lowering) gain(n *graph.Node) (float32, error) {
	gamma := [1]float32{1}
	if n.Op != graph.AddScaled {
		return 1, nil
	}
	err := l.w.Float32s(gamma[:], n.Gain.Name)
	return gamma[0], err
}

// linear makes one step of all linear layers on a vector.
func (l *lowering) linear(x *graph.Node) {
	s := &linearStep{from: l.vectorOf[x]}
	total := 0
	for _, u := range l.Users(x) {
		if (u.Op == graph.Linear || u.Op == graph.Embed) && len(u.In) == 1 {
			s.nodes = append(s.nodes, u)
			s.starts = append(s.starts, total)
			total += u.Shape[0]
		}
	}
	s.to = l.newVector(total)
	for i, u := range s.nodes {
		part := *s.to
		part.at, part.n = s.starts[i], u.Shape[0]
		l.vectorOf[u] = &part
	}
	l.vectorSteps = append(l.vectorSteps, s)
	l.packers = append(l.packers, func() error { return s.pack(l.w) })
}

// newBuffer reserves room for a feature map.
func (l *lowering) newBuffer(size int) *buffer {
	b := &buffer{id: len(l.buffers), size: size}
	l.buffers = append(l.buffers, b)
	return b
}

// newMap reserves a map and its plain view.
func (l *lowering) newMap(c, h, w int) view {
	l.width = max(l.width, c)
	return view{buf: l.newBuffer(c * h * w), stride: c, c: c, h: h, w: w}
}

// emit appends a step and notes the lifetimes of what it writes and reads.
func (l *lowering) emit(s mapStep, writes []*buffer, reads ...view) {
	at := len(l.mapSteps)
	l.mapSteps = append(l.mapSteps, s)
	for _, b := range writes {
		b.first, b.last = at, at
	}
	for _, v := range reads {
		v.buf.last = at
	}
}

func (l *lowering) needScratch(n int) { l.scratch = max(l.scratch, n) }

// materialize computes a view into a buffer of its own.
func (l *lowering) materialize(v view) view {
	h, w := v.size()
	out := l.newMap(v.c, h, w)
	l.emit(&combineStep{in: v, out: out.buf}, []*buffer{out.buf}, v)
	l.needScratch(v.c)
	return out
}

// plain is the view itself if its buffer holds its values, else a computed one.
func (l *lowering) plain(v view) view {
	if v.plain() {
		return v
	}
	return l.materialize(v)
}

// feature lowers a node of rank 3.
func (l *lowering) feature(n *graph.Node) error {
	if _, done := l.viewOf[n]; done {
		return nil // computed beside another convolution
	}
	var in []view
	for _, x := range n.In {
		in = append(in, l.viewOf[x]) // zero for vectors, and for a convolution that waits for its sum
	}
	switch n.Op {
	case graph.Input:
		out := l.newMap(n.Shape[0], n.Shape[1], n.Shape[2])
		l.emit(&inputMap{n.Name, out}, []*buffer{out.buf})
		l.viewOf[n] = out
	case graph.Sum:
		to := l.newVector(n.Shape[0])
		l.emit(&sumStep{in[0], to}, nil, in[0])
		l.needScratch(n.Shape[0])
		l.vectorOf[n] = to
	case graph.Reshape:
		if l.Late(n.In[0]) {
			return fmt.Errorf("cpu: %s: no map of a vector that is computed from maps", n.Name)
		}
		out := l.newMap(n.Shape[0], n.Shape[1], n.Shape[2])
		l.emit(&reshapeStep{l.vectorOf[n.In[0]], n.Order, n.Shape, out.buf}, []*buffer{out.buf})
		l.viewOf[n] = out
	case graph.Slice:
		l.slice(n, in[0])
	case graph.Norm:
		v := l.plain(in[0])
		var err error
		v.norm, err = l.norm(n)
		l.viewOf[n] = v
		return err
	case graph.ReLU:
		v := in[0]
		v.relu = true
		l.viewOf[n] = v
	case graph.Upsample:
		v := in[0]
		if v.up {
			v = l.materialize(v)
		}
		v.up = true
		l.viewOf[n] = v
	case graph.MaxPool, graph.AvgPool:
		out := l.newMap(n.Shape[0], n.Shape[1], n.Shape[2])
		l.emit(&poolStep{in[0], n.Op == graph.AvgPool, out.buf}, []*buffer{out.buf}, in[0])
		l.needScratch(n.Shape[0])
		l.viewOf[n] = out
	case graph.Concat:
		out := l.newMap(n.Shape[0], n.Shape[1], n.Shape[2])
		l.emit(&concatStep{in, out.buf, n.Shape[0]}, []*buffer{out.buf}, in...)
		l.viewOf[n] = out
	case graph.Conv:
		l.conv(n, in[0])
	case graph.Add, graph.AddScaled:
		return l.sum(n)
	case graph.Attention:
		l.attention(n, in[0], in[1], in[2])
	case graph.Tanh:
		l.tanh(n, in[0])
	default:
		return fmt.Errorf("cpu: %s: no %s on maps", n.Name, n.Op)
	}
	return nil
}

// slice takes channels of a view. A convolution of which nothing else is used has computed no others.
func (l *lowering) slice(n *graph.Node, v view) {
	if s := l.owner[n.In[0]]; s != nil && s.to > 0 {
		l.owner[n] = s
		l.viewOf[n] = v
		return
	}
	v = l.plain(v)
	v.channel += n.Start
	v.c = n.Len
	l.viewOf[n] = v
}

// norm prepares a normalisation: its statistics are read now, its vectors at every run.
func (l *lowering) norm(n *graph.Node) (*norm, error) {
	s := &norm{node: n, at: l.normValues}
	l.normValues += n.Shape[0]
	l.norms = append(l.norms, s)
	tables := map[*graph.Param]*[]float32{n.Mean: &s.mean, n.Var: &s.vari}
	if len(n.In) == 3 {
		if l.Late(n.In[1]) || l.Late(n.In[2]) {
			return nil, fmt.Errorf("cpu: %s: no norm by a vector that is computed from maps", n.Name)
		}
		s.scale, s.offset = l.vectorOf[n.In[1]], l.vectorOf[n.In[2]]
	} else {
		tables[n.Gain], tables[n.Bias] = &s.gain, &s.bias
	}
	for p, table := range tables {
		var err error
		if *table, err = inPlace(l.w, p); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// conv lowers a convolution, or all 1x1 convolutions of the same input together.
func (l *lowering) conv(n *graph.Node, in view) {
	size := n.Weight.Shape[2]
	s := &convStep{nodes: []*graph.Node{n}, in: in, outs: n.Shape[0], size: size}
	if u := l.OnlyUser(n); u != nil && u.Op == graph.Slice {
		s.from, s.to, s.outs = u.Start, u.Start+u.Len, u.Len
	}
	l.choose(s)
	lazyUp := size == 1 && in.up
	if sum := l.OnlyUser(n); sum != nil && !lazyUp && l.hosts(sum, n) {
		l.pending[sum] = s
		l.packConv(s)
		return
	}
	if size == 1 && s.to == 0 {
		s.nodes, s.outs = l.siblings(n, lazyUp)
		l.choose(s)
	}
	l.absorb(s, n)
	out := l.emitConv(s, lazyUp)
	if len(s.nodes) == 1 {
		l.owner[n] = s
	}
	at := 0
	for _, node := range s.nodes {
		part := out
		part.channel, part.c = at, node.Shape[0]
		if s.to > 0 {
			part.c = s.outs
		}
		l.viewOf[node] = part
		at += part.c
	}
	l.packConv(s)
}

// absorb lets a narrow convolution compute the 1x1 convolution that its input comes from, if
// nothing else needs that.
func (l *lowering) absorb(s *convStep, n *graph.Node) {
	narrow, ok := s.method.(*narrow)
	if !ok || len(l.mapSteps) == 0 {
		return
	}
	last := len(l.mapSteps) - 1
	before, ok := l.mapSteps[last].(*convStep)
	if !ok || before.out != s.in.buf || before.size != 1 || before.tanh || s.in.c != before.outs || s.in.up {
		return
	}
	for x := n.In[0]; x.Op != graph.Conv && x.Op != graph.Add && x.Op != graph.AddScaled; x = x.In[0] {
		if l.OnlyUser(x) == nil || x.Op != graph.Norm && x.Op != graph.ReLU {
			return
		}
		if l.OnlyUser(x.In[0]) != x {
			return
		}
	}
	if l.OnlyUser(n.In[0]) != n {
		return
	}
	l.mapSteps = l.mapSteps[:last]
	before.out.size = 0
	narrow.before = before
	l.needScratch(narrow.scratch())
}

// hosts reports whether a convolution can store the sum that uses it.
func (l *lowering) hosts(sum, conv *graph.Node) bool {
	return l.pending[sum] == nil && (sum.Op == graph.Add || sum.Op == graph.AddScaled && sum.In[1] == conv)
}

// siblings are the 1x1 convolutions of n's input that store nothing but their own output.
func (l *lowering) siblings(n *graph.Node, lazyUp bool) (nodes []*graph.Node, outs int) {
	for _, u := range l.Users(n.In[0]) {
		if u.Op != graph.Conv || u.Weight.Shape[2] != 1 {
			continue
		}
		if only := l.OnlyUser(u); u != n && only != nil && (only.Op == graph.Slice || !lazyUp && l.hosts(only, u)) {
			continue
		}
		nodes = append(nodes, u)
		outs += u.Shape[0]
	}
	return nodes, outs
}

// emitConv reserves the output and appends the step.
func (l *lowering) emitConv(s *convStep, lazyUp bool) view {
	scale := s.scale()
	out := l.newMap(s.outs, scale*s.in.h, scale*s.in.w)
	s.out = out.buf
	reads := s.reads()
	if narrow, ok := s.method.(*narrow); ok && narrow.before != nil {
		reads = append(reads, narrow.before.reads()...)
	}
	l.emit(s, []*buffer{out.buf}, reads...)
	out.up = lazyUp
	return out
}

// reads are the views that a convolution needs.
func (s *convStep) reads() []view {
	if s.residual == nil {
		return []view{s.in}
	}
	return []view{s.in, *s.residual}
}

func (l *lowering) packConv(s *convStep) {
	l.packers = append(l.packers, func() error { return s.pack(l.w, l.kernels, &l.slab) })
	l.packed += s.method.bytes()
}

// sum lets the waiting convolution store it, or adds views.
func (l *lowering) sum(n *graph.Node) error {
	if s := l.pending[n]; s != nil {
		other := n.In[0]
		if other == s.nodes[0] {
			other = n.In[1]
		}
		residual := l.plain(l.viewOf[other])
		s.residual, s.factor = &residual, n.Gain
		l.viewOf[n] = l.emitConv(s, false)
		l.owner[n] = s
		return nil
	}
	a, b := l.viewOf[n.In[0]], l.viewOf[n.In[1]]
	factor, err := l.gain(n)
	if err != nil {
		return err
	}
	out := l.newMap(n.Shape[0], n.Shape[1], n.Shape[2])
	l.emit(&combineStep{in: a, add: &b, factor: factor, out: out.buf}, []*buffer{out.buf}, a, b)
	l.needScratch(n.Shape[0])
	l.viewOf[n] = out
	return nil
}

func (l *lowering) attention(n *graph.Node, theta, phi, g view) {
	s := &attentionStep{half: l.policy.rounded1x1 > 0, name: n.Name, theta: theta, phi: phi, g: g}
	keys := s.keys()
	s.half = s.half && keys%2 == 0
	s.packedPhi = l.newBuffer(kernel.Panels(keys, kernel.NR) * kernel.NR * phi.c)
	s.packedG = l.newBuffer(kernel.Panels(g.c, kernel.NR) * kernel.NR * keys)
	out := l.newMap(n.Shape[0], n.Shape[1], n.Shape[2])
	s.out = out.buf
	l.emit(s, []*buffer{s.packedPhi, s.packedG, out.buf}, theta, phi, g)
	l.needScratch(s.scratchSize())
	l.viewOf[n] = out
}

// tanh is applied where a convolution stores, if nobody wants the value before.
func (l *lowering) tanh(n *graph.Node, in view) {
	if s := l.owner[n.In[0]]; s != nil && l.OnlyUser(n.In[0]) == n && in.plain() && !in.up {
		s.tanh = true
		l.viewOf[n] = in
		return
	}
	h, w := in.size()
	out := l.newMap(in.c, h, w)
	l.emit(&combineStep{in: in, factor: 1, out: out.buf, tanh: true}, []*buffer{out.buf}, in)
	l.needScratch(in.c)
	l.viewOf[n] = out
}

// pack reads and packs the weights of all steps in parallel.
func (l *lowering) pack(threads int) error {
	l.slab.free = floats(int(l.packed / 4))
	var group errgroup.Group
	group.SetLimit(threads)
	for _, pack := range l.packers {
		group.Go(pack)
	}
	return group.Wait()
}

// plan places the buffers.
func (l *lowering) plan() layout {
	offset, total := place(l.buffers)
	return layout{offset: offset, total: total, vectors: l.vectorSizes, norms: l.normValues, scratch: l.scratch}
}
