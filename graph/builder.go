package graph

import (
	"errors"
	"fmt"
	"slices"
)

// maxDim bounds a single dimension and maxElements a whole tensor, so that products
// of sizes read from a config never overflow an int.
const (
	maxDim      = 1 << 24
	maxElements = 1<<31 - 1
)

// Builder makes a graph. The first error wins and is returned by Build; after it every
// method returns a harmless node, so constructors need no checks of their own.
type Builder struct {
	s     *state
	scope string
}

type state struct {
	g   *Graph
	err error
}

// New starts a graph.
func New(name string) *Builder {
	return &Builder{s: &state{g: &Graph{Name: name, byName: map[string]*Node{}}}}
}

// At enters a scope. Nodes made there carry the scope's name, parameters get it as prefix.
func (b *Builder) At(scope string) *Builder {
	if b.scope != "" {
		scope = b.scope + "." + scope
	}
	return &Builder{s: b.s, scope: scope}
}

// Fail records an error that a constructor found; the first one wins.
func (b *Builder) Fail(format string, args ...any) {
	if b.s.err == nil {
		where := b.scope
		if where == "" {
			where = b.s.g.Name
		}
		b.s.err = fmt.Errorf("graph: %s: %w", where, fmt.Errorf(format, args...))
	}
}

// Grid states the truncations of the statistics tables.
func (b *Builder) Grid(grid StatsGrid) { b.s.g.Grid = grid }

// Param declares a parameter of the current scope.
func (b *Builder) Param(name string, role Role, shape ...int) *Param {
	p := &Param{Name: b.scope + "." + name, Role: role, Shape: slices.Clone(shape)}
	b.checkShape(p.Name, shape)
	for _, q := range b.s.g.params {
		if q.Name == p.Name {
			b.Fail("parameter %q declared twice", p.Name)
		}
	}
	b.s.g.params = append(b.s.g.params, p)
	return p
}

func (b *Builder) checkShape(what string, shape []int) {
	n := 1
	for _, d := range shape {
		if d < 1 || d > maxDim || n > maxElements/d {
			b.Fail("%s: shape %v out of range", what, shape)
			return
		}
		n *= d
	}
}

func (b *Builder) add(n *Node) *Node {
	n.Name = b.scope
	b.checkShape("output", n.Shape)
	if n.Name == "" {
		b.Fail("a node needs a scope")
	}
	if _, dup := b.s.g.byName[n.Name]; dup {
		b.Fail("node %q made twice", n.Name)
	}
	n.ID = len(b.s.g.Nodes)
	b.s.g.Nodes = append(b.s.g.Nodes, n)
	b.s.g.byName[n.Name] = n
	return n
}

// rank reports whether every input has the rank, and records an error if not.
func (b *Builder) rank(op Op, rank int, in ...*Node) bool {
	if b.s.err != nil {
		return false
	}
	for _, x := range in {
		if len(x.Shape) != rank {
			b.Fail("%s wants rank %d, got %q of shape %v", op, rank, x.Name, x.Shape)
			return false
		}
	}
	return true
}

// Input declares an input vector of n values, named as given (no scope).
func (b *Builder) Input(name string, n int) *Node {
	return (&Builder{s: b.s, scope: name}).add(&Node{Op: Input, Shape: []int{n}})
}

// InputMap declares an input map [c,h,w], named as given (no scope).
func (b *Builder) InputMap(name string, c, h, w int) *Node {
	return (&Builder{s: b.s, scope: name}).add(&Node{Op: Input, Shape: []int{c, h, w}})
}

// Linear maps a vector of n to len(w rows); bias and sigma may be nil.
func (b *Builder) Linear(x *Node, w, bias, sigma *Param) *Node {
	if b.rank(Linear, 1, x) && w.Shape[1] != x.Shape[0] {
		b.Fail("linear: weight %v does not fit input %q of shape %v", w.Shape, x.Name, x.Shape)
	}
	return b.add(&Node{Op: Linear, In: []*Node{x}, Shape: []int{w.Shape[0]}, Weight: w, Bias: bias, Sigma: sigma})
}

// Embed maps class weights [classes] to an embedding [dim]; w is [classes, dim], sigma may be nil.
func (b *Builder) Embed(y *Node, w, sigma *Param) *Node {
	if b.rank(Embed, 1, y) && w.Shape[0] != y.Shape[0] {
		b.Fail("embed: weight %v does not fit input %q of shape %v", w.Shape, y.Name, y.Shape)
	}
	return b.add(&Node{Op: Embed, In: []*Node{y}, Shape: []int{w.Shape[1]}, Weight: w, Sigma: sigma})
}

// Reshape makes [c,h,w] of a vector in the given order.
func (b *Builder) Reshape(x *Node, c, h, w int, order Order) *Node {
	if b.rank(Reshape, 1, x) && x.Shape[0] != c*h*w {
		b.Fail("reshape: %d values do not make [%d %d %d]", x.Shape[0], c, h, w)
	}
	return b.add(&Node{Op: Reshape, In: []*Node{x}, Shape: []int{c, h, w}, Order: order})
}

// Conv convolves with w [out, in, k, k], k = 1 or 3, stride 1, same size.
func (b *Builder) Conv(x *Node, w, bias, sigma *Param) *Node {
	shape := []int{w.Shape[0], 1, 1}
	if b.rank(Conv, 3, x) {
		if k := w.Shape[2]; w.Shape[1] != x.Shape[0] || w.Shape[3] != k || (k != 1 && k != 3) {
			b.Fail("conv: weight %v does not fit input %q of shape %v", w.Shape, x.Name, x.Shape)
		}
		shape = []int{w.Shape[0], x.Shape[1], x.Shape[2]}
	}
	return b.add(&Node{Op: Conv, In: []*Node{x}, Shape: shape, Weight: w, Bias: bias, Sigma: sigma})
}

// CondNorm normalises x with a gain of 1 + scale and a bias of offset, one value a channel.
func (b *Builder) CondNorm(x, scale, offset *Node, mean, variance *Param, eps float64) *Node {
	if b.rank(Norm, 3, x) && b.rank(Norm, 1, scale, offset) &&
		(scale.Shape[0] != x.Shape[0] || offset.Shape[0] != x.Shape[0]) {
		b.Fail("norm: scale %v and offset %v do not fit input %q of shape %v", scale.Shape, offset.Shape, x.Name, x.Shape)
	}
	return b.norm(&Node{In: []*Node{x, scale, offset}, Mean: mean, Var: variance, Eps: eps})
}

// AffineNorm normalises x with stored gain and bias.
func (b *Builder) AffineNorm(x *Node, gain, bias, mean, variance *Param, eps float64) *Node {
	b.rank(Norm, 3, x)
	return b.norm(&Node{In: []*Node{x}, Gain: gain, Bias: bias, Mean: mean, Var: variance, Eps: eps})
}

func (b *Builder) norm(n *Node) *Node {
	x := n.In[0]
	if s := n.Mean.Shape; b.s.err == nil && s[len(s)-1] != x.Shape[0] {
		b.Fail("norm: statistics %v do not fit input %q of shape %v", s, x.Name, x.Shape)
	}
	n.Op, n.Shape = Norm, x.Shape
	return b.add(n)
}

func (b *Builder) same(op Op, x *Node) *Node {
	return b.add(&Node{Op: op, In: []*Node{x}, Shape: x.Shape})
}

// ReLU is max(x, 0).
func (b *Builder) ReLU(x *Node) *Node { return b.same(ReLU, x) }

// Tanh is the hyperbolic tangent.
func (b *Builder) Tanh(x *Node) *Node { return b.same(Tanh, x) }

// Upsample doubles height and width by nearest neighbour.
func (b *Builder) Upsample(x *Node) *Node {
	shape := x.Shape
	if b.rank(Upsample, 3, x) {
		shape = []int{x.Shape[0], 2 * x.Shape[1], 2 * x.Shape[2]}
	}
	return b.add(&Node{Op: Upsample, In: []*Node{x}, Shape: shape})
}

// MaxPool halves height and width; both must be even.
func (b *Builder) MaxPool(x *Node) *Node { return b.pool(MaxPool, x) }

// AvgPool halves height and width; both must be even.
func (b *Builder) AvgPool(x *Node) *Node { return b.pool(AvgPool, x) }

func (b *Builder) pool(op Op, x *Node) *Node {
	shape := x.Shape
	if b.rank(op, 3, x) {
		if x.Shape[1]%2 != 0 || x.Shape[2]%2 != 0 {
			b.Fail("%s: %q of shape %v has an odd side", op, x.Name, x.Shape)
		}
		shape = []int{x.Shape[0], x.Shape[1] / 2, x.Shape[2] / 2}
	}
	return b.add(&Node{Op: op, In: []*Node{x}, Shape: shape})
}

// Sum adds up each channel of a map.
func (b *Builder) Sum(x *Node) *Node {
	b.rank(Sum, 3, x)
	return b.add(&Node{Op: Sum, In: []*Node{x}, Shape: []int{x.Shape[0]}})
}

// Dot is the inner product of two vectors of one length.
func (b *Builder) Dot(x, y *Node) *Node {
	if b.rank(Dot, 1, x, y) && x.Shape[0] != y.Shape[0] {
		b.Fail("dot: %q of shape %v and %q of shape %v", x.Name, x.Shape, y.Name, y.Shape)
	}
	return b.add(&Node{Op: Dot, In: []*Node{x, y}, Shape: []int{1}})
}

// Slice keeps n entries of the leading axis from start.
func (b *Builder) Slice(x *Node, start, n int) *Node {
	shape := slices.Clone(x.Shape)
	if b.s.err == nil {
		if start < 0 || n < 1 || start+n > shape[0] {
			b.Fail("slice: [%d:%d] outside %q of shape %v", start, start+n, x.Name, x.Shape)
		}
		shape[0] = n
	}
	return b.add(&Node{Op: Slice, In: []*Node{x}, Shape: shape, Start: start, Len: n})
}

// Concat joins along the leading axis; the other axes agree.
func (b *Builder) Concat(in ...*Node) *Node {
	shape := slices.Clone(in[0].Shape)
	for _, x := range in[1:] {
		if b.s.err == nil && !slices.Equal(x.Shape[1:], shape[1:]) {
			b.Fail("concat: %q of shape %v does not fit %v", x.Name, x.Shape, shape)
			break
		}
		shape[0] += x.Shape[0]
	}
	return b.add(&Node{Op: Concat, In: slices.Clone(in), Shape: shape})
}

// Add is x + y.
func (b *Builder) Add(x, y *Node) *Node {
	if b.s.err == nil && !slices.Equal(x.Shape, y.Shape) {
		b.Fail("add: %q of shape %v and %q of shape %v", x.Name, x.Shape, y.Name, y.Shape)
	}
	return b.add(&Node{Op: Add, In: []*Node{x, y}, Shape: x.Shape})
}

// AddScaled is x + gamma·y.
func (b *Builder) AddScaled(x, y *Node, gamma *Param) *Node {
	if b.s.err == nil && !slices.Equal(x.Shape, y.Shape) {
		b.Fail("add_scaled: %q of shape %v and %q of shape %v", x.Name, x.Shape, y.Name, y.Shape)
	}
	return b.add(&Node{Op: AddScaled, In: []*Node{x, y}, Shape: x.Shape, Gain: gamma})
}

// Attention attends from theta [d,H,W] to phi [d,h,w] and gathers g [c,h,w] into [c,H,W].
func (b *Builder) Attention(theta, phi, g *Node) *Node {
	shape := theta.Shape
	if b.rank(Attention, 3, theta, phi, g) {
		if theta.Shape[0] != phi.Shape[0] || !slices.Equal(phi.Shape[1:], g.Shape[1:]) {
			b.Fail("attention: theta %v, phi %v, g %v do not fit", theta.Shape, phi.Shape, g.Shape)
		}
		shape = []int{g.Shape[0], theta.Shape[1], theta.Shape[2]}
	}
	return b.add(&Node{Op: Attention, In: []*Node{theta, phi, g}, Shape: shape})
}

// Output names a result.
func (b *Builder) Output(name string, x *Node) {
	b.s.g.Outputs = append(b.s.g.Outputs, Output{Name: name, Node: x})
}

// Build returns the graph, or the first error.
func (b *Builder) Build() (*Graph, error) {
	if b.s.err == nil && len(b.s.g.Outputs) == 0 {
		b.s.err = errors.New("graph: " + b.s.g.Name + ": no output")
	}
	if b.s.err != nil {
		return nil, b.s.err
	}
	return b.s.g, nil
}
