// Package reference computes a network in float64 with spaGO, one node after the other,
// as plainly as it can be written. It is the oracle that the other backends are judged by.
//
// A value is a spaGO matrix: a vector of n is n x 1, a feature map [C,H,W] is C x (H·W).
package reference

import (
	"context"
	"fmt"
	"slices"

	"github.com/nlpodyssey/spago/mat"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// program is a compiled network.
type program struct {
	graph   *graph.Graph
	keep    map[string]bool
	params  map[string][]float64  // every parameter but the matrices
	weights map[string]mat.Matrix // weights divided by their spectral norm, [out, in·k·k]
	lastUse []int                 // by node ID: the last node that reads it
}

// Compile reads all parameters as float64 and divides weights by their spectral norms.
func Compile(g *graph.Graph, w weights.Source, o backend.Options) (backend.Program, error) {
	if o.Precision != "" && o.Precision != backend.F32 {
		return nil, fmt.Errorf("%w: the reference computes in float64 and knows no precision %q", backend.ErrPrecision, o.Precision)
	}
	if err := backend.CheckKeep(g, o.Keep); err != nil {
		return nil, err
	}
	if err := backend.CheckWeights(g, w); err != nil {
		return nil, err
	}
	p := &program{graph: g, keep: map[string]bool{}, params: map[string][]float64{}, weights: map[string]mat.Matrix{}, lastUse: make([]int, len(g.Nodes))}
	for _, name := range o.Keep {
		p.keep[name] = true
	}
	for _, param := range g.Params() {
		if param.Role.Optional() {
			continue
		}
		values := make([]float64, param.Elements())
		if err := w.Float64s(values, param.Name); err != nil {
			return nil, err
		}
		p.params[param.Name] = values
	}
	for _, n := range g.Nodes {
		for _, in := range n.In {
			p.lastUse[in.ID] = n.ID
		}
		if n.Weight != nil {
			p.weights[n.Name] = p.normalised(n)
		}
	}
	return p, nil
}

// normalised is a node's weight as a matrix, divided by sigma.
func (p *program) normalised(n *graph.Node) mat.Matrix {
	values := p.params[n.Weight.Name]
	if n.Sigma != nil {
		values = slices.Clone(values)
		sigma := p.params[n.Sigma.Name][0]
		for i := range values {
			values[i] /= sigma
		}
	}
	rows := n.Weight.Shape[0]
	return matrix(rows, len(values)/rows, values)
}

func matrix(rows, cols int, values []float64) mat.Matrix {
	return mat.NewDense[float64](mat.WithShape(rows, cols), mat.WithBacking(values))
}

// data is a matrix's values in row-major order.
func data(m mat.Matrix) []float64 { return m.Data().F64() }

// Run computes the samples of a batch one after the other.
func (p *program) Run(ctx context.Context, in backend.Inputs) (map[string]backend.Tensor, error) {
	if err := backend.CheckInputs(p.graph, in); err != nil {
		return nil, err
	}
	out := map[string]backend.Tensor{}
	collect := func(name string, n *graph.Node, sample int, value mat.Matrix) {
		t, ok := out[name]
		if !ok {
			t.Shape = append([]int{in.Batch}, n.Shape...)
			t.Data = make([]float32, in.Batch*n.Elements())
			out[name] = t
		}
		for i, v := range data(value) {
			t.Data[sample*n.Elements()+i] = float32(v)
		}
	}
	blend := backend.Blend(p.graph.Grid, in.Truncation, in.Stats)
	for sample := range in.Batch {
		values := make([]mat.Matrix, len(p.graph.Nodes))
		for _, n := range p.graph.Nodes {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if n.Op == graph.Input {
				values[n.ID] = input(in.Tensors[n.Name], n, sample)
			} else {
				values[n.ID] = p.compute(n, values, blend)
			}
			if p.keep[n.Name] {
				collect(n.Name, n, sample, values[n.ID])
			}
			for _, o := range p.graph.Outputs {
				if o.Node == n {
					collect(o.Name, n, sample, values[n.ID])
				}
			}
			for _, used := range n.In {
				if p.lastUse[used.ID] == n.ID {
					values[used.ID] = nil
				}
			}
		}
	}
	return out, nil
}

func input(values []float32, n *graph.Node, sample int) mat.Matrix {
	v := make([]float64, n.Elements())
	for i := range v {
		v[i] = float64(values[sample*len(v)+i])
	}
	return matrix(n.Shape[0], len(v)/n.Shape[0], v)
}

// Close has nothing to release.
func (p *program) Close() error { return nil }
