package onnxgraph

import (
	"fmt"

	"github.com/biggan-zoo/biggan/convert/onnx"
	"github.com/biggan-zoo/biggan/graph"
)

// narrowed reports whether of a convolution or a linear layer only the channels are computed
// that the one slice keeps which reads it: the slice takes its place.
func (l *lowering) narrowed(n *graph.Node) bool {
	u := l.OnlyUser(n)
	return (n.Op == graph.Conv || n.Op == graph.Linear) && u != nil && u.Op == graph.Slice
}

// node lowers a node to steps of which the last has the node's name.
func (l *lowering) node(n *graph.Node) {
	in := make([]string, len(n.In))
	for i, x := range n.In {
		in[i] = x.Name
	}
	switch n.Op {
	case graph.Linear, graph.Conv:
		l.layer(n, n.Name, 0, n.Weight.Shape[0])
	case graph.Embed:
		l.step("MatMul", n.Name, []string{in[0], l.weight(n, 0, n.Weight.Shape[0])})
	case graph.Reshape:
		l.reshape(n, in[0])
	case graph.Norm:
		l.norm(n, in)
	case graph.ReLU:
		l.step("Relu", n.Name, in)
	case graph.Tanh:
		l.step("Tanh", n.Name, in)
	case graph.Upsample:
		l.step("Resize", n.Name, []string{in[0], "", l.floats("const/twice", 1, 1, 2, 2)},
			onnx.String("mode", "nearest"), onnx.String("coordinate_transformation_mode", "asymmetric"), onnx.String("nearest_mode", "floor"))
	case graph.MaxPool:
		l.step("MaxPool", n.Name, in, onnx.Ints("kernel_shape", 2, 2), onnx.Ints("strides", 2, 2))
	case graph.AvgPool:
		l.step("AveragePool", n.Name, in, onnx.Ints("kernel_shape", 2, 2), onnx.Ints("strides", 2, 2))
	case graph.Sum:
		l.step("ReduceSum", n.Name, []string{in[0], l.ints("const/map", 2, 3)}, onnx.Int("keepdims", 0))
	case graph.Dot:
		product := l.step("Mul", n.Name+"/product", in)
		l.step("ReduceSum", n.Name, []string{product, l.ints("const/channels", 1)}, onnx.Int("keepdims", 1))
	case graph.Slice:
		l.slice(n, in[0])
	case graph.Concat:
		l.step("Concat", n.Name, in, onnx.Int("axis", 1))
	case graph.Add:
		l.step("Add", n.Name, in)
	case graph.AddScaled:
		scaled := l.step("Mul", n.Name+"/scaled", []string{in[1], l.param(n.Gain, 1)})
		l.step("Add", n.Name, []string{in[0], scaled})
	case graph.Attention:
		l.attention(n, in[0], in[1], in[2])
	default:
		l.err = fmt.Errorf("onnxgraph: %w: operation %v of %q", ErrUnsupported, n.Op, n.Name)
	}
}

// layer is a linear layer or a convolution, restricted to some of its output channels.
func (l *lowering) layer(n *graph.Node, name string, from, count int) {
	in := []string{n.In[0].Name, l.weight(n, from, count)}
	if n.Bias != nil {
		in = append(in, l.bias(n, from, count))
	}
	if n.Op == graph.Linear {
		l.step("Gemm", name, in, onnx.Int("transB", 1))
		return
	}
	k := int64(n.Weight.Shape[2])
	pad := k / 2
	l.step("Conv", name, in, onnx.Ints("kernel_shape", k, k), onnx.Ints("pads", pad, pad, pad, pad))
}

func (l *lowering) reshape(n *graph.Node, x string) {
	c, h, w := int64(n.Shape[0]), int64(n.Shape[1]), int64(n.Shape[2])
	if n.Order == graph.CHW {
		l.step("Reshape", n.Name, []string{x, l.ints(n.Name+"/shape", 0, c, h, w)})
		return
	}
	last := l.step("Reshape", n.Name+"/channels_last", []string{x, l.ints(n.Name+"/shape", 0, h, w, c)})
	l.step("Transpose", n.Name, []string{last}, onnx.Ints("perm", 0, 3, 1, 2))
}

func (l *lowering) slice(n *graph.Node, x string) {
	if l.narrowed(n.In[0]) {
		l.layer(n.In[0], n.Name, n.Start, n.Len)
		return
	}
	l.step("Slice", n.Name, []string{
		x, l.ints(n.Name+"/start", int64(n.Start)), l.ints(n.Name+"/end", int64(n.Start+n.Len)), l.ints("const/channels", 1),
	})
}

// attention is softmax(θᵀφ) g over flat maps: the scores [N, HW, hw] are made and weighed by
// one matrix product each, and never transposed.
func (l *lowering) attention(n *graph.Node, theta, phi, g string) {
	flat := l.ints("const/flat", 0, 0, -1) // [N, C, pixels]
	transposed := onnx.Ints("perm", 0, 2, 1)
	queries := l.step("Reshape", n.Name+"/theta", []string{theta, flat})
	queries = l.step("Transpose", n.Name+"/queries", []string{queries}, transposed)
	keys := l.step("Reshape", n.Name+"/keys", []string{phi, flat})
	scores := l.step("MatMul", n.Name+"/scores", []string{queries, keys})
	scores = l.step("Softmax", n.Name+"/softmax", []string{scores}, onnx.Int("axis", -1))
	values := l.step("Reshape", n.Name+"/g", []string{g, flat})
	values = l.step("Transpose", n.Name+"/values", []string{values}, transposed)
	out := l.step("MatMul", n.Name+"/gathered", []string{scores, values})
	out = l.step("Transpose", n.Name+"/flat", []string{out}, transposed)
	l.step("Reshape", n.Name, []string{out, l.ints(n.Name+"/shape", 0, int64(n.Shape[0]), int64(n.Shape[1]), int64(n.Shape[2]))})
}
