package tfhub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/biggan-zoo/biggan/convert/tfhub/tfpb"
	"github.com/biggan-zoo/biggan/weights"
)

// Graph is the computation of a module.
type Graph struct {
	nodes map[string]*tfpb.Node
	order []string
}

// parseGraph reads a saved_model.pb. Of several meta graphs the one without tags counts,
// else the first.
func parseGraph(data []byte) (*Graph, error) {
	var saved tfpb.SavedModel
	if err := unmarshal.Unmarshal(data, &saved); err != nil {
		return nil, err
	}
	if len(saved.MetaGraphs) == 0 {
		return nil, errors.New("no graph in it")
	}
	chosen := saved.MetaGraphs[0]
	for _, m := range saved.MetaGraphs {
		if len(m.GetInfo().GetTags()) == 0 {
			chosen = m
			break
		}
	}
	g := &Graph{nodes: map[string]*tfpb.Node{}}
	for _, n := range chosen.GetGraph().GetNodes() {
		if g.nodes[n.Name] != nil {
			return nil, fmt.Errorf("two nodes %.100q", n.Name)
		}
		g.nodes[n.Name] = n
		g.order = append(g.order, n.Name)
	}
	return g, nil
}

// Names lists the nodes in the order of the file.
func (g *Graph) Names() []string { return g.order }

// Op is a node's operation, "" for a name that is no node.
func (g *Graph) Op(name string) string { return g.nodes[name].GetOp() }

// Inputs lists the nodes whose outputs a node takes; ":1" and the "^" of control inputs are
// taken off, control inputs are left out.
func (g *Graph) Inputs(name string) []string {
	var inputs []string
	for _, in := range g.nodes[name].GetInputs() {
		if strings.HasPrefix(in, "^") {
			continue
		}
		base, _, _ := strings.Cut(in, ":")
		inputs = append(inputs, base)
	}
	return inputs
}

// Text is a string attribute of a node, "" if it has none.
func (g *Graph) Text(name, attribute string) string {
	return string(g.nodes[name].GetAttrs()[attribute].GetS())
}

// ConstShape is the shape of a Const of numbers, or of a Pack of such along its first axis.
func (g *Graph) ConstShape(name string) (shape []int, ok bool) {
	n := g.nodes[name]
	switch n.GetOp() {
	case "Const":
		t := n.Attrs["value"].GetTensor()
		if _, known := dtypes[t.GetDtype()]; !known {
			return nil, false
		}
		shape, err := dimensions(t.GetShape())
		return shape, err == nil
	case "Pack":
		inputs := g.Inputs(name)
		if n.Attrs["axis"].GetI() != 0 || len(inputs) == 0 || g.Op(inputs[0]) != "Const" {
			return nil, false
		}
		row, ok := g.ConstShape(inputs[0])
		return append([]int{len(inputs)}, row...), ok
	case "Identity":
		if inputs := g.Inputs(name); len(inputs) == 1 && g.Op(inputs[0]) != "Identity" {
			return g.ConstShape(inputs[0])
		}
	}
	return nil, false
}

// maxConst bounds a constant's values: a splat is small in the file however large it says to be.
const maxConst = 1 << 22

// Floats is the value of a Const, or of a Pack of Consts, of a floating type.
func (g *Graph) Floats(name string) ([]float32, error) {
	n := g.nodes[name]
	switch n.GetOp() {
	case "Const":
		values, err := floats(n.Attrs["value"].GetTensor())
		if err != nil {
			return nil, fmt.Errorf("constant %.100q: %w", name, err)
		}
		return values, nil
	case "Pack":
		var all []float32
		for _, in := range g.Inputs(name) {
			if g.Op(in) != "Const" {
				return nil, fmt.Errorf("%.100q packs %.100q, which is no constant", name, in)
			}
			row, err := g.Floats(in)
			if err != nil {
				return nil, err
			}
			if all = append(all, row...); len(all) > maxConst {
				return nil, fmt.Errorf("%.100q is too large", name)
			}
		}
		return all, nil
	case "Identity":
		if inputs := g.Inputs(name); len(inputs) == 1 && g.Op(inputs[0]) != "Identity" {
			return g.Floats(inputs[0])
		}
	}
	return nil, fmt.Errorf("%.100q is no constant", name)
}

// floats decodes a tensor: content, a list of values, or a list whose last value repeats.
func floats(t *tfpb.Tensor) ([]float32, error) {
	shape, err := dimensions(t.GetShape())
	if err != nil {
		return nil, err
	}
	dtype, ok := dtypes[t.GetDtype()]
	if !ok {
		return nil, fmt.Errorf("type %d is none of numbers", t.GetDtype())
	}
	bytes, err := weights.CheckedBytes(dtype, shape)
	if err != nil {
		return nil, err
	}
	width, _ := dtype.Size()
	n := int(bytes) / width
	if n > maxConst {
		return nil, fmt.Errorf("%d values", n)
	}
	values := make([]float32, 0, min(n, 1<<16))
	if len(t.Content) > 0 {
		values = make([]float32, n)
		return values, weights.Decode32(values, dtype, t.Content)
	}
	switch dtype {
	case weights.F32:
		values = append(values, t.Floats...)
	case weights.F64:
		for _, v := range t.Doubles {
			values = append(values, float32(v))
		}
	case weights.F16, weights.BF16:
		for _, v := range t.Halfs {
			var one [1]float32
			if err := weights.Decode32(one[:], dtype, binary.LittleEndian.AppendUint16(nil, uint16(v))); err != nil {
				return nil, err
			}
			values = append(values, one[0])
		}
	default:
		return nil, fmt.Errorf("%s is no floating type", dtype)
	}
	if len(values) > n || len(values) == 0 && n > 0 {
		return nil, fmt.Errorf("%d values for shape %v", len(values), shape)
	}
	for len(values) < n {
		values = append(values, values[len(values)-1])
	}
	return values, nil
}

// Scalar is the value of a constant of one element.
func (g *Graph) Scalar(name string) (float64, bool) {
	shape, ok := g.ConstShape(name)
	if !ok {
		return 0, false
	}
	for _, d := range shape {
		if d != 1 {
			return 0, false
		}
	}
	values, err := g.Floats(name)
	if err != nil || len(values) != 1 || math.IsNaN(float64(values[0])) {
		return 0, false
	}
	return weights.Decimal(values[0]), true
}
