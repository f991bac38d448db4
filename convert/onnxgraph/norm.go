package onnxgraph

import (
	"fmt"
	"math"

	"github.com/biggan-zoo/biggan/convert/onnx"
	"github.com/biggan-zoo/biggan/convert/onnx/onnxpb"
	"github.com/biggan-zoo/biggan/graph"
)

// Values that every norm with tables reads: which two rows [2], and how much of each [1,2].
const (
	statsRows    = "statistics/rows"
	statsWeights = "statistics/weights"
)

// near is how far from a row a truncation may be to take just that row. float32 holds 0.02 to
// 1 within 3e-8, and the arithmetic below adds less than 1e-7.
const near = 1e-6

// truncation states the input and turns it into rows and weights, in float32. With fewer than
// two rows it is an input that nothing reads, so that all generators are fed alike.
func (l *lowering) truncation(doc string) {
	l.claim(truncation)
	l.out.Inputs = append(l.out.Inputs, onnx.Value(truncation, doc, ""))
	grid := l.graph.Grid
	last := grid.Rows - 1
	if last < 1 {
		return
	}
	perUnit := float64(last) / (grid.Last - grid.First) // rows
	at := func(step string) string { return "statistics/" + step }
	r := l.step("Sub", at("above_first"), []string{truncation, l.scalar("const/first_truncation", grid.First)})
	r = l.step("Mul", at("unclamped"), []string{r, l.scalar("const/rows_per_unit", perUnit)})
	r = l.step("Clip", at("row"), []string{r, l.scalar("const/first_row", 0), l.scalar("const/last_row", float64(last))})
	whole := l.step("Round", at("nearest"), []string{r})
	off := l.step("Sub", at("off"), []string{r, whole})
	off = l.step("Abs", at("distance"), []string{off})
	on := l.step("Less", at("on_a_row"), []string{off, l.scalar("const/near", near*perUnit)})
	r = l.step("Where", at("exact"), []string{on, whole, r})

	row0 := l.step("Floor", at("row0"), []string{r})
	row1 := l.step("Ceil", at("row1"), []string{r})
	weight1 := l.step("Sub", at("weight1"), []string{r, row0})
	weight0 := l.step("Sub", at("weight0"), []string{l.scalar("const/one", 1), weight1})
	l.step("Cast", statsRows, []string{l.pair(at("pair"), row0, row1)}, onnx.Int("to", int64(onnxpb.DataType_INT64)))
	l.step("Unsqueeze", statsWeights, []string{l.pair(at("both_weights"), weight0, weight1), l.ints("const/leading", 0)})
}

// pair makes [2] of two scalars.
func (l *lowering) pair(name, a, b string) string {
	leading := l.ints("const/leading", 0)
	a = l.step("Unsqueeze", a+"/axis", []string{a, leading})
	b = l.step("Unsqueeze", b+"/axis", []string{b, leading})
	return l.step("Concat", name, []string{a, b}, onnx.Int("axis", 0))
}

// norm is x·a + b with a = gain/sqrt(var+eps) and b = bias - mean·a, one value a channel.
func (l *lowering) norm(n *graph.Node, in []string) {
	var a, b string // [N or 1, C, 1, 1]
	switch {
	case len(in) == 3:
		gain := l.step("Add", n.Name+"/gain", []string{in[1], l.scalar("const/one", 1)})
		a, b = l.affine(n, gain, in[2])
	case l.hasRows(n):
		a, b = l.affine(n, l.param(n.Gain, 1, n.Gain.Shape[0]), l.param(n.Bias, 1, n.Bias.Shape[0]))
	default:
		a, b = l.constants(n)
	}
	scaled := l.step("Mul", n.Name+"/scaled", []string{in[0], a})
	l.step("Add", n.Name, []string{scaled, b})
}

// hasRows reports whether a norm's statistics depend on the truncation.
func (l *lowering) hasRows(n *graph.Node) bool {
	return len(n.Mean.Shape) == 2 && l.graph.Grid.Rows > 1
}

// affine computes a and b from a gain and a bias of shape [N or 1, C].
func (l *lowering) affine(n *graph.Node, gain, bias string) (a, b string) {
	mean, deviation := l.statistics(n)
	a = l.step("Div", n.Name+"/a", []string{gain, deviation})
	b = l.step("Mul", n.Name+"/mean_a", []string{mean, a})
	b = l.step("Sub", n.Name+"/b", []string{bias, b})
	axes := l.ints("const/map", 2, 3)
	return l.step("Unsqueeze", n.Name+"/a_map", []string{a, axes}), l.step("Unsqueeze", n.Name+"/b_map", []string{b, axes})
}

// statistics are the mean and the deviation sqrt(var+eps), [1, C]: gathered from the tables
// and interpolated, or constants.
func (l *lowering) statistics(n *graph.Node) (mean, deviation string) {
	if !l.hasRows(n) {
		c := n.Shape[0]
		mean = l.tensor(n.Mean.Name, []int{1, c}, func() ([]float32, error) {
			values, err := l.firstRow(n.Mean)
			return narrow(values, func(v float64) float64 { return v }), err
		})
		return mean, l.tensor(n.Name+"/deviation", []int{1, c}, func() ([]float32, error) {
			values, err := l.firstRow(n.Var)
			return narrow(values, func(v float64) float64 { return math.Sqrt(v + n.Eps) }), err
		})
	}
	blend := func(p *graph.Param, name string) string {
		rows := l.step("Gather", name+"_rows", []string{l.param(p, p.Shape...), statsRows}, onnx.Int("axis", 0))
		return l.step("MatMul", name, []string{statsWeights, rows})
	}
	mean = blend(n.Mean, n.Name+"/mean")
	variance := blend(n.Var, n.Name+"/variance")
	variance = l.step("Add", n.Name+"/variance_eps", []string{variance, l.scalar(fmt.Sprintf("const/eps_%g", n.Eps), n.Eps)})
	return mean, l.step("Sqrt", n.Name+"/deviation", []string{variance})
}

// constants are a and b of a norm that nothing varies, computed in float64.
func (l *lowering) constants(n *graph.Node) (a, b string) {
	compute := func(pick func(a, b float64) float64) func() ([]float32, error) {
		return func() ([]float32, error) {
			var parts [4][]float64
			for i, p := range []*graph.Param{n.Mean, n.Var, n.Gain, n.Bias} {
				var err error
				if parts[i], err = l.firstRow(p); err != nil {
					return nil, err
				}
			}
			out := make([]float32, n.Shape[0])
			for i := range out {
				a := parts[2][i] / math.Sqrt(parts[1][i]+n.Eps)
				out[i] = float32(pick(a, parts[3][i]-parts[0][i]*a))
			}
			return out, nil
		}
	}
	shape := []int{1, n.Shape[0], 1, 1}
	a = l.tensor(n.Name+"/a", shape, compute(func(a, _ float64) float64 { return a }))
	return a, l.tensor(n.Name+"/b", shape, compute(func(_, b float64) float64 { return b }))
}

// narrow computes in float64 and rounds to float32.
func narrow(values []float64, f func(float64) float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(f(v))
	}
	return out
}
