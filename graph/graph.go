// Package graph describes a network as data: nodes with an operation, shapes and
// named parameters. It holds no weights and does no arithmetic. Converters read
// its parameter list as the schema of a checkpoint; backends compile its nodes.
//
// Shapes are per sample, channels first ([C,H,W] or [N]); the batch axis is implicit.
package graph

import "fmt"

// Op is the operation of a node. The set is closed: every backend implements all of it.
type Op uint8

const (
	// Input is a vector or a map that the caller provides at every run.
	Input Op = iota + 1
	// Linear is x·Wᵀ/σ + b with W [out, in].
	Linear
	// Embed is y·W/σ with W [classes, dim]: a class embedding that takes one-hot or mixed y.
	Embed
	// Reshape makes [C,H,W] of a flat vector; Order says how the vector is laid out.
	Reshape
	// Conv is a 1x1 or 3x3 convolution, stride 1, zero padding that keeps the size; W [out, in, k, k] / σ.
	Conv
	// Norm is batch normalisation with stored statistics: (x-mean)/sqrt(var+eps)*gain + bias.
	// With three inputs (x, scale, offset) gain = 1 + scale and bias = offset, both per sample;
	// with one input gain and bias are the parameters Gain and Bias.
	Norm
	// ReLU is max(x, 0).
	ReLU
	// Upsample doubles height and width by nearest neighbour.
	Upsample
	// MaxPool takes the maximum of each 2x2 square.
	MaxPool
	// Slice keeps Len entries of the leading axis from Start.
	Slice
	// Concat joins its inputs along the leading axis.
	Concat
	// Add is the sum of two inputs of one shape.
	Add
	// AddScaled is In[0] + gamma·In[1] with the one-element parameter Gain.
	AddScaled
	// Attention is softmax(θᵀφ) applied to g: inputs θ [d,H,W], φ [d,h,w], g [c,h,w]; output [c,H,W].
	// The softmax runs over the keys (h·w); there is no 1/sqrt(d) (BigGAN, appendix).
	Attention
	// Tanh is the hyperbolic tangent.
	Tanh
	// AvgPool takes the mean of each 2x2 square.
	AvgPool
	// Sum adds up each channel of [C,H,W]: a vector [C].
	Sum
	// Dot is the inner product of two vectors: [1].
	Dot
)

var opNames = [...]string{
	Input: "input", Linear: "linear", Embed: "embed", Reshape: "reshape", Conv: "conv",
	Norm: "norm", ReLU: "relu", Upsample: "upsample", MaxPool: "max_pool", Slice: "slice",
	Concat: "concat", Add: "add", AddScaled: "add_scaled", Attention: "attention", Tanh: "tanh",
	AvgPool: "avg_pool", Sum: "sum", Dot: "dot",
}

// String gives the name that reports and tables print.
func (o Op) String() string {
	if int(o) < len(opNames) && opNames[o] != "" {
		return opNames[o]
	}
	return fmt.Sprintf("op(%d)", uint8(o))
}

// Order is the memory order of a flat vector that Reshape turns into [C,H,W].
type Order uint8

const (
	// CHW: channel outermost (BigGAN-PyTorch).
	CHW Order = iota
	// HWC: channel innermost (TensorFlow, Hugging Face).
	HWC
)

// String names the axes, outermost first.
func (o Order) String() string {
	if o == HWC {
		return "[h,w,c]"
	}
	return "[c,h,w]"
}

// Role says what a parameter is, for counting, rounding and conversion.
type Role uint8

const (
	Weight Role = iota + 1 // trained matrix or kernel, raw (not divided by Sigma)
	Bias                   // trained vector
	Gain                   // trained gain of a norm, or gamma of attention
	Sigma                  // spectral norm of the Weight beside it, [1]
	U                      // left singular vector estimate, [out]; optional
	V                      // right singular vector estimate, [fan in]; optional
	Mean                   // statistics table, [rows, C] or [C]
	Var                    // statistics table, [rows, C] or [C]
)

var roleNames = [...]string{Weight: "weight", Bias: "bias", Gain: "gain", Sigma: "sigma", U: "u", V: "v", Mean: "mean", Var: "var"}

// String gives the role's name.
func (r Role) String() string { return roleNames[r] }

// Trained reports whether the role counts as a model parameter, as the papers count.
func (r Role) Trained() bool { return r == Weight || r == Bias || r == Gain }

// Optional reports whether a checkpoint may lack the parameter: it is kept, not computed with.
func (r Role) Optional() bool { return r == U || r == V }

// Param is one tensor of the schema.
type Param struct {
	Name  string
	Shape []int
	Role  Role
}

// Elements is the product of the shape.
func (p *Param) Elements() int { return elements(p.Shape) }

// Node is one step of the network. Fields that an operation does not name are zero.
type Node struct {
	ID    int // index in Graph.Nodes: inputs come before their users
	Name  string
	Op    Op
	In    []*Node
	Shape []int

	Weight, Sigma *Param // Linear, Embed, Conv; Sigma nil = not spectrally normalised
	Bias          *Param // Linear, Conv (nil = none), Norm with one input
	Gain          *Param // Norm with one input, AddScaled
	Mean, Var     *Param // Norm

	Eps        float64 // Norm
	Start, Len int     // Slice
	Order      Order   // Reshape
}

// Elements is the number of values of the output of one sample.
func (n *Node) Elements() int { return elements(n.Shape) }

// FLOPs counts multiplications and additions of one sample, as the plain graph does them.
func (n *Node) FLOPs() int64 {
	switch n.Op {
	case Linear, Embed:
		return 2 * int64(n.Weight.Elements())
	case Conv:
		return 2 * int64(n.Weight.Elements()) * int64(n.Shape[1]) * int64(n.Shape[2])
	case Attention:
		theta, phi, g := n.In[0].Shape, n.In[1].Shape, n.In[2].Shape
		return 2 * int64(theta[1]*theta[2]) * int64(phi[1]*phi[2]) * int64(theta[0]+g[0])
	case Norm:
		return 2 * int64(n.Elements())
	case Add, AddScaled:
		return int64(n.Elements())
	}
	return 0
}

// StatsGrid says which truncations the rows of the statistics tables stand for:
// row r is First + r·(Last-First)/(Rows-1). Rows = 0: there are no tables, one set serves all.
type StatsGrid struct {
	Rows        int
	First, Last float64
}

// Output is a named result of the graph.
type Output struct {
	Name string
	Node *Node
}

// Graph is a built network. It is immutable and safe for concurrent use.
type Graph struct {
	Name    string
	Nodes   []*Node // in order of evaluation
	Outputs []Output
	Grid    StatsGrid

	params []*Param
	byName map[string]*Node
}

// Params is the schema: every parameter in the order of use.
func (g *Graph) Params() []*Param { return g.params }

// Node finds a node by name.
func (g *Graph) Node(name string) (*Node, bool) {
	n, ok := g.byName[name]
	return n, ok
}

// Input finds an input node by name.
func (g *Graph) Input(name string) (*Node, bool) {
	n, ok := g.byName[name]
	return n, ok && n.Op == Input
}

// ParamCount counts trained values, as the papers do.
func (g *Graph) ParamCount() int64 {
	var n int64
	for _, p := range g.params {
		if p.Role.Trained() {
			n += int64(p.Elements())
		}
	}
	return n
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// BlockInput is the name of block i's own input in a graph that conditions every block by
// itself: "z@0" beside the "z" of the first layer.
func BlockInput(name string, i int) string { return fmt.Sprintf("%s@%d", name, i) }
