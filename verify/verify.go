// Package verify judges parity: a program against a recording of another implementation,
// or against another program, node by node.
package verify

import (
	"context"
	"fmt"
	"math"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
)

// Difference is how far a tensor is from what it should be.
type Difference struct {
	Name      string  `json:"name"`
	Shape     []int   `json:"shape"`
	Max       float64 `json:"max"`       // largest absolute difference
	Mean      float64 `json:"mean"`      // mean absolute difference
	Magnitude float64 `json:"magnitude"` // largest absolute value that is wanted
	At        int     `json:"at"`        // index of the largest difference, in C order
	Tolerance float64 `json:"tolerance"` // that Max must not exceed
	OK        bool    `json:"ok"`
}

// Report is the result of a comparison. Nodes are in the order of the network.
type Report struct {
	Against   string       `json:"against"`
	Tolerance float64      `json:"tolerance"`
	Nodes     []Difference `json:"nodes"`
	Sigma     []Difference `json:"sigma,omitempty"`   // spectral norms, relative
	Skipped   []Skipped    `json:"skipped,omitempty"` // tensors of a recording that were not compared
	First     string       `json:"first,omitempty"`   // the first node that leaves the tolerance
	OK        bool         `json:"ok"`
}

// Skipped is a tensor that was not compared.
type Skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// add files a difference and keeps the verdict.
func (r *Report) add(list *[]Difference, d Difference) {
	*list = append(*list, d)
	if !d.OK && r.First == "" {
		r.First = d.Name
	}
	r.OK = r.OK && d.OK
}

// compare measures got against want. The tolerance holds for values up to 1 as it is, for
// larger ones relative to the largest magnitude. Numbers that are none differ infinitely,
// unless both are none.
func compare(name string, shape []int, got []float32, want func(i int) float64, tolerance float64) Difference {
	d := Difference{Name: name, Shape: shape}
	var sum float64
	for i, g := range got {
		w := want(i)
		diff := math.Abs(float64(g) - w)
		if diff != diff {
			diff = 0
			if !math.IsNaN(float64(g)) || !math.IsNaN(w) {
				if float64(g) != w { // equal infinities have no distance
					diff = math.MaxFloat64
				}
			}
		}
		sum += diff
		if diff > d.Max {
			d.Max, d.At = diff, i
		}
		if m := math.Abs(w); m > d.Magnitude && !math.IsInf(m, 0) {
			d.Magnitude = m
		}
	}
	d.Mean = min(sum, math.MaxFloat64) / float64(max(len(got), 1))
	d.Tolerance = tolerance * max(1, d.Magnitude)
	d.OK = d.Max <= d.Tolerance
	return d
}

// keepBudget bounds the bytes of kept nodes of one pass.
const keepBudget = 512 << 20

// Programs compares every node of two programs on the same input. Large networks are run
// in several passes, so that their nodes fit into memory.
func Programs(ctx context.Context, g *graph.Graph, got, want func(keep []string) (backend.Program, error), in backend.Inputs, against string, tolerance float64) (*Report, error) {
	r := &Report{Against: against, Tolerance: tolerance, OK: true}
	for _, group := range groups(g, in.Batch) {
		a, err := runOnce(ctx, got, group, in)
		if err != nil {
			return nil, err
		}
		b, err := runOnce(ctx, want, group, in)
		if err != nil {
			return nil, err
		}
		for _, name := range group {
			w, ok := b[name]
			if !ok || len(w.Data) != len(a[name].Data) {
				return nil, fmt.Errorf("verify: the programs return %s as %v and %v", name, a[name].Shape, w.Shape)
			}
			r.add(&r.Nodes, compare(name, a[name].Shape, a[name].Data, func(i int) float64 { return float64(w.Data[i]) }, tolerance))
		}
	}
	return r, nil
}

// groups splits the computed nodes into passes that fit the budget.
func groups(g *graph.Graph, batch int) [][]string {
	var all [][]string
	var group []string
	bytes := 0
	for _, n := range g.Nodes {
		if n.Op == graph.Input {
			continue
		}
		size := 2 * 4 * batch * n.Elements()
		if len(group) > 0 && bytes+size > keepBudget {
			all, group, bytes = append(all, group), nil, 0
		}
		group = append(group, n.Name)
		bytes += size
	}
	return append(all, group)
}

func runOnce(ctx context.Context, compile func(keep []string) (backend.Program, error), keep []string, in backend.Inputs) (map[string]backend.Tensor, error) {
	p, err := compile(keep)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Run(ctx, in)
}
