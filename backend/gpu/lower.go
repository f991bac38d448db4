package gpu

import (
	"fmt"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu/shader"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// lowering turns a graph into steps. Vectors come first, for they depend on no map; then the
// normalisations, all together; then the maps, and the vectors that are made of maps.
type lowering struct {
	*graph.Uses
	graph *graph.Graph
	w     weights.Source
	limit int  // bytes of a buffer
	half  bool // weights are float16

	viewOf  map[*graph.Node]view
	owner   map[*graph.Node]*convStep // the convolution whose whole, final output the node is
	pending map[*graph.Node]*convStep // by sum: the convolution that will store it
	normOf  map[*graph.Node]*norm

	steps     []step
	tensors   []*tensor
	constants []*constant
	normTotal int // channels of all normalisations
	inputs    []input
	exports   []export
}

// input is a tensor that a run uploads: rows of n values, padded to the tensor's size.
type input struct {
	name string
	t    *tensor
	n    int
}

// export is a tensor that a run returns: float32 for Run, bytes for Draw.
type export struct {
	name   string
	shape  []int
	t      *tensor
	pixels bool
}

func newLowering(g *graph.Graph, w weights.Source, keep []string, limit int, half bool) *lowering {
	return &lowering{
		Uses: g.Uses(keep), graph: g, w: w, limit: limit, half: half,
		viewOf: map[*graph.Node]view{}, owner: map[*graph.Node]*convStep{}, pending: map[*graph.Node]*convStep{},
		normOf: map[*graph.Node]*norm{},
	}
}

func (l *lowering) lower() error {
	for _, early := range []bool{true, false} {
		for _, n := range l.graph.Nodes {
			if early != (len(n.Shape) == 1 && !l.Late(n)) {
				continue
			}
			if err := l.node(n); err != nil {
				return fmt.Errorf("gpu: %s: %w", n.Name, err)
			}
			l.export(n)
		}
		if early {
			if err := l.norms(); err != nil {
				return err
			}
		}
	}
	return nil
}

// export returns a node's value under the names that are wanted. A convolution that waits for its
// sum has none: nobody wants it.
func (l *lowering) export(n *graph.Node) {
	for _, name := range l.Names(n) {
		l.returns(export{name: name, shape: n.Shape, t: l.toFlat(n.Name, l.viewOf[n])})
		if name == backend.Image && len(n.Shape) == 3 && n.Shape[0] == 3 {
			l.returns(export{name: name, shape: n.Shape, t: l.toPixels(n.Name, l.viewOf[n]), pixels: true})
		}
	}
}

// returns says what the last step exports.
func (l *lowering) returns(e export) {
	l.steps[len(l.steps)-1].export = len(l.exports)
	l.exports = append(l.exports, e)
}

// pixels is the export of bytes; -1 = there is none.
func (l *lowering) pixels() int {
	return slices.IndexFunc(l.exports, func(e export) bool { return e.pixels })
}

// node lowers one node.
func (l *lowering) node(n *graph.Node) error {
	if _, done := l.viewOf[n]; done {
		return nil // computed beside another layer
	}
	var in []view
	for _, x := range n.In {
		in = append(in, l.viewOf[x]) // zero for a convolution that waits for its sum
	}
	c, h, w := shape(n.Shape)
	switch n.Op {
	case graph.Input:
		l.viewOf[n] = l.input(n)
	case graph.Slice:
		l.slice(n, in[0])
	case graph.Linear, graph.Embed:
		l.linear(n.In[0], in[0])
	case graph.Reshape:
		l.reshape(n, in[0])
	case graph.Norm:
		s := l.normOf[n]
		if s == nil {
			return fmt.Errorf("no normalisation by a vector that is computed from maps")
		}
		v := l.plain(n.Name, in[0])
		v.norm = s
		l.viewOf[n] = v
	case graph.ReLU:
		v := in[0]
		v.relu = true
		l.viewOf[n] = v
	case graph.Upsample:
		v := in[0]
		if v.up {
			v = l.materialize(n.Name, v)
		}
		v.up = true
		l.viewOf[n] = v
	case graph.MaxPool, graph.AvgPool:
		l.viewOf[n] = l.pool(n.Name, in[0], n.Op == graph.AvgPool)
	case graph.Concat:
		l.concat(n, in)
	case graph.Conv:
		l.conv(n, in[0])
	case graph.Add, graph.AddScaled:
		return l.sum(n, in)
	case graph.Attention:
		l.attention(n, in[0], in[1], in[2])
	case graph.Tanh:
		l.tanh(n, in[0])
	case graph.Sum:
		l.viewOf[n] = l.reduce(n.Name, c, in[0], nil)
	case graph.Dot:
		l.viewOf[n] = l.reduce(n.Name, 1, in[0], &in[1])
	default:
		return fmt.Errorf("no %s on [%d %d %d]", n.Op, c, h, w)
	}
	return nil
}

// input reserves what a run uploads. A map comes channels first and is turned.
func (l *lowering) input(n *graph.Node) view {
	c, h, w := shape(n.Shape)
	flat := l.newTensor(c*h*w, 1, 1)
	flat.t.first = -1 // written before the first step
	l.inputs = append(l.inputs, input{n.Name, flat.t, c * h * w})
	if len(n.Shape) == 1 {
		return flat
	}
	return l.fromFlat(n.Name, flat, c, h, w)
}

// slice takes channels of a view. A convolution of which nothing else is used has computed no others.
func (l *lowering) slice(n *graph.Node, v view) {
	if s := l.owner[n.In[0]]; s != nil && s.to > 0 {
		l.owner[n] = s
		l.viewOf[n] = v
		return
	}
	v = l.plain(n.Name, v)
	v.base += n.Start
	v.c = n.Len
	l.viewOf[n] = v
}

// reshape makes a map of a vector: the same values if channels are innermost.
func (l *lowering) reshape(n *graph.Node, v view) {
	c, h, w := shape(n.Shape)
	v = l.plain(n.Name, v)
	if n.Order == graph.CHW {
		l.viewOf[n] = l.fromFlat(n.Name, v, c, h, w)
		return
	}
	v.pixel, v.c, v.h, v.w = c, c, h, w
	l.viewOf[n] = v
}

// concat writes its inputs side by side.
func (l *lowering) concat(n *graph.Node, in []view) {
	c, h, w := shape(n.Shape)
	to := l.newTensor(c, h, w)
	at := 0
	for i, v := range in {
		part := place(to, 0)
		part.base += at
		part.c = v.c
		part.padded = v.c
		if i == len(in)-1 {
			part.padded = fours(c) - at // the last one writes the padding
		}
		part.itemsPerSample = h * w * part.padded
		l.elementwiseStep(n.Name, shader.Combine, part, []view{v, v}, []float32{1, 0})
		at += v.c
	}
	l.viewOf[n] = to
}

// sum lets the waiting convolution store it, or adds views.
func (l *lowering) sum(n *graph.Node, in []view) error {
	if s := l.pending[n]; s != nil {
		other := in[0]
		if n.In[0] == s.nodes[0] {
			other = in[1]
		}
		residual := l.plain(n.Name, other)
		if !residual.aligned() {
			residual = l.materialize(n.Name, residual)
		}
		s.residual, s.factor = &residual, n.Gain
		stored := l.emitConv(n.Name, s)
		stored.c = n.Shape[0]
		l.viewOf[n] = stored
		l.owner[n] = s
		return nil
	}
	gamma := [1]float32{1}
	if n.Op == graph.AddScaled {
		if err := l.w.Float32s(gamma[:], n.Gain.Name); err != nil {
			return err
		}
	}
	to := l.newTensor(shape(n.Shape))
	if gamma[0] == 0 { // the shader takes a factor of 0 for no second view
		l.combine(n.Name, in[0], nil, 0, false, to)
	} else {
		l.combine(n.Name, in[0], &in[1], gamma[0], false, to)
	}
	l.viewOf[n] = to
	return nil
}

// tanh is applied where a convolution stores, if nobody wants the value before.
func (l *lowering) tanh(n *graph.Node, in view) {
	if s := l.owner[n.In[0]]; s != nil && l.OnlyUser(n.In[0]) == n && in.plain() && !in.up {
		s.tanh = true
		l.viewOf[n] = in
		return
	}
	h, w := in.size()
	to := l.newTensor(in.c, h, w)
	l.combine(n.Name, in, nil, 0, true, to)
	l.viewOf[n] = to
}
