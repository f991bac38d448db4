package cpu

import (
	"fmt"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// linearStep computes every linear layer of one input vector. It reads each weight once, and
// where the source allows it from where it lies: nothing is packed.
type linearStep struct {
	nodes  []*graph.Node
	from   *vector
	to     *vector // all outputs side by side
	starts []int   // column of each node's outputs
	layers []linearLayer
	items  []linearItem
}

// linearLayer is out = W·x·factor + bias, or of an embedding x·W·factor.
type linearLayer struct {
	weight []float32 // [out, in], of an embedding [in, out]
	factor float32   // 1/σ
	bias   []float32 // nil = none
}

// linearItem is outputs [from,to) of a layer.
type linearItem struct{ layer, from, to int }

// rowsOfItem is how many outputs a work item computes.
const rowsOfItem = 256

func (s *linearStep) run(e *env, batch int) error {
	return e.parallel(len(s.items), func(_, i int) {
		item := s.items[i]
		l, k := s.layers[item.layer], s.from.n
		for sample := range batch {
			x := s.from.row(e, sample)
			y := s.to.row(e, sample)[s.starts[item.layer]+item.from:][:item.to-item.from]
			if s.nodes[item.layer].Op == graph.Embed {
				embed(y, l.weight, x)
			} else {
				e.program.kernels.Dots(y, l.weight[item.from*k:], k, x)
			}
			for j := range y {
				y[j] *= l.factor
			}
			if l.bias != nil {
				for j, b := range l.bias[item.from:item.to] {
					y[j] += b
				}
			}
		}
	})
}

// embed adds up the rows of a table, times x. Most often x is one-hot.
func embed(y, table, x []float32) {
	clear(y)
	for l, v := range x {
		if v == 0 {
			continue
		}
		for j, w := range table[l*len(y):][:len(y)] {
			y[j] += v * w
		}
	}
}

// pack finds the weights.
func (s *linearStep) pack(w weights.Source) error {
	s.layers = make([]linearLayer, len(s.nodes))
	for i, n := range s.nodes {
		values, factor, err := values(w, n)
		if err != nil {
			return err
		}
		l := linearLayer{weight: values, factor: float32(factor)}
		if n.Bias != nil {
			l.bias = make([]float32, n.Shape[0])
			if err := w.Float32s(l.bias, n.Bias.Name); err != nil {
				return err
			}
		}
		s.layers[i] = l
		rows := rowsOfItem
		if n.Op == graph.Embed {
			rows = n.Shape[0]
		}
		for from := 0; from < n.Shape[0]; from += rows {
			s.items = append(s.items, linearItem{i, from, min(from+rows, n.Shape[0])})
		}
	}
	return nil
}

// values are a node's weights, in place if the source can, and one over their spectral norm.
func values(w weights.Source, n *graph.Node) (values []float32, factor float64, err error) {
	factor = 1
	if n.Sigma != nil {
		var sigma [1]float64
		if err := w.Float64s(sigma[:], n.Sigma.Name); err != nil {
			return nil, 0, err
		}
		if sigma[0] == 0 {
			return nil, 0, fmt.Errorf("cpu: %s is zero", n.Sigma.Name)
		}
		factor = 1 / sigma[0]
	}
	values, err = inPlace(w, n.Weight)
	return values, factor, err
}

// inPlace is a parameter where it lies, if the source can show it, or a copy.
func inPlace(w weights.Source, p *graph.Param) ([]float32, error) {
	if v, ok := w.(weights.Viewer); ok {
		if values, ok := v.View(p.Name); ok && len(values) == p.Elements() {
			return values, nil
		}
	}
	values := make([]float32, p.Elements())
	return values, w.Float32s(values, p.Name)
}

// gather writes, for each tap, factor times the sums of its sources in n kernels that lie
// step apart.
func gather(g, kernels []float32, step, n int, sources [][]int, factor float64) {
	for t, positions := range sources {
		row := g[t*kernel.NR:][:n]
		if len(positions) == 1 {
			from := kernels[positions[0]:]
			for o := range row {
				row[o] = float32(float64(from[o*step]) * factor)
			}
			continue
		}
		for o := range row {
			var sum float64
			for _, position := range positions {
				sum += float64(kernels[o*step+position])
			}
			row[o] = float32(sum * factor)
		}
	}
}
