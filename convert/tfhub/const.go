package tfhub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/biggan-zoo/biggan/weights"
)

// maxConst bounds a constant's values: a splat is small in the file however large it says to be.
const maxConst = 1 << 22

// constant follows a node that only passes its input on (one Identity) to what it passes.
func (g *Graph) constant(name string) (node, bool) {
	n, ok := g.node(name)
	if n.op == "Identity" && n.to-n.from == 1 {
		i := g.inputs[n.from]
		if i < 0 {
			return node{}, false
		}
		n = g.nodes[i]
	}
	return n, ok && (n.op == "Const" || n.op == "Pack")
}

// tensor is a TensorProto.
type tensor struct {
	dtype   weights.DType
	shape   []int
	content []byte
	data    []byte // the whole message
}

// value reads the TensorProto of a Const, without its values.
func (g *Graph) value(n node) (t tensor, err error) {
	v := g.attribute(n, "value", attrTensor)
	if v == nil || n.op != "Const" {
		return t, errors.New("holds no tensor")
	}
	if t.data, err = v.bytes(); err != nil {
		return t, err
	}
	var number int64
	var shape []byte
	err = message(t.data, func(v field) (err error) {
		switch v.number {
		case 1:
			number, err = v.integer()
		case 2:
			shape, err = v.bytes()
		case 4:
			t.content, err = v.bytes()
		}
		return err
	})
	if err != nil {
		return t, err
	}
	var ok bool
	if t.dtype, ok = dtypes[number]; !ok {
		return t, fmt.Errorf("type %d is none of numbers", number)
	}
	t.shape, err = dimensions(shape)
	return t, err
}

// rows are the nodes that a Pack joins along its first axis.
func (g *Graph) rows(n node) ([]node, error) {
	if axis := g.attribute(n, "axis", attrInteger); axis != nil && axis.n != 0 {
		return nil, fmt.Errorf("packs along axis %d", int64(axis.n))
	}
	rows := make([]node, 0, n.to-n.from)
	for _, i := range g.inputs[n.from:n.to] {
		if i < 0 {
			return nil, errors.New("packs what the graph does not hold")
		}
		row, ok := g.constant(g.names[i])
		if !ok || row.op != "Const" {
			return nil, fmt.Errorf("packs %.100q, which is no constant", g.names[i])
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return nil, errors.New("packs nothing")
	}
	return rows, nil
}

// ConstShape is the shape of a Const of numbers, or of a Pack of such along its first axis.
func (g *Graph) ConstShape(name string) (shape []int, ok bool) {
	n, ok := g.constant(name)
	if !ok {
		return nil, false
	}
	packed := 0
	if n.op == "Pack" {
		if n.from == n.to || g.inputs[n.from] < 0 {
			return nil, false
		}
		packed = int(n.to - n.from)
		if n, ok = g.constant(g.names[g.inputs[n.from]]); !ok || n.op != "Const" {
			return nil, false
		}
	}
	t, err := g.value(n)
	if err != nil {
		return nil, false
	}
	if packed > 0 {
		return append([]int{packed}, t.shape...), true
	}
	return t.shape, true
}

// Floats is the value of a Const, or of a Pack of Consts of one shape, of a floating type.
func (g *Graph) Floats(name string) ([]float32, error) { return g.AppendFloats(nil, name) }

// AppendFloats is Floats behind what is there already.
func (g *Graph) AppendFloats(to []float32, name string) ([]float32, error) {
	n, ok := g.constant(name)
	if !ok {
		return nil, fmt.Errorf("%.100q is no constant", name)
	}
	values, err := g.floats(to, n)
	if err != nil {
		return nil, fmt.Errorf("constant %.100q: %w", name, err)
	}
	return values, nil
}

func (g *Graph) floats(to []float32, n node) ([]float32, error) {
	if n.op == "Const" {
		t, err := g.value(n)
		if err != nil {
			return nil, err
		}
		return t.floats(to)
	}
	rows, err := g.rows(n)
	if err != nil {
		return nil, err
	}
	var shape []int
	before := len(to)
	for i, row := range rows {
		t, err := g.value(row)
		if err == nil && i > 0 && !slices.Equal(t.shape, shape) {
			err = fmt.Errorf("of shape %v among rows of %v", t.shape, shape)
		}
		if err == nil {
			to, err = t.floats(to)
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i, err)
		}
		if len(to)-before > maxConst {
			return nil, fmt.Errorf("more than %d values", maxConst)
		}
		if i == 0 { // room for the others
			shape = t.shape
			to = slices.Grow(to, min(len(rows)*(len(to)-before), maxConst))
		}
	}
	return to, nil
}

// floats appends the values of a tensor: content, a list of values, or a list whose last value repeats.
func (t tensor) floats(to []float32) ([]float32, error) {
	bytes, err := weights.CheckedBytes(t.dtype, t.shape)
	if err != nil {
		return nil, err
	}
	width, _ := t.dtype.Size()
	n := int(bytes) / width
	if n > maxConst {
		return nil, fmt.Errorf("shape %v has %d values, want at most %d", t.shape, n, maxConst)
	}
	if len(t.content) > 0 {
		if int64(len(t.content)) != bytes {
			return nil, fmt.Errorf("%d bytes for %s %v, want %d", len(t.content), t.dtype, t.shape, bytes)
		}
		to = slices.Grow(to, n)[:len(to)+n]
		return to, weights.Decode32(to[len(to)-n:], t.dtype, t.content)
	}
	values, err := t.list(n)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 && n > 0 {
		return nil, fmt.Errorf("no values for shape %v", t.shape)
	}
	to = append(slices.Grow(to, n), values...)
	for range n - len(values) {
		to = append(to, values[len(values)-1])
	}
	return to, nil
}

// list reads the typed values of a tensor, at most n.
func (t tensor) list(n int) (values []float32, err error) {
	fromHalf := func(bits uint64) float32 {
		var one [1]float32
		if err := weights.Decode32(one[:], t.dtype, binary.LittleEndian.AppendUint16(nil, uint16(bits))); err != nil {
			return float32(math.NaN())
		}
		return one[0]
	}
	number, decode := floatValues, fromFloat
	switch t.dtype {
	case weights.F32:
	case weights.F64:
		number, decode = doubleValues, fromDouble
	case weights.F16, weights.BF16:
		number, decode = halfValues, fromHalf
	default:
		return nil, fmt.Errorf("%s is no floating type", t.dtype)
	}
	err = message(t.data, func(v field) error {
		if v.number != number {
			return nil
		}
		values, err = numbers(values, v, n, decode)
		return err
	})
	return values, err
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
