// Package verify judges parity: a program against a recording of another implementation,
// or against another program, node by node.
package verify

import (
	"context"
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
	Relative  float64 `json:"relative"`  // Max over Magnitude; Max if that is 0
	Magnitude float64 `json:"magnitude"` // largest absolute value that is wanted
	At        int     `json:"at"`        // index of the largest difference, in C order
	Tolerance float64 `json:"tolerance"` // that Max must not exceed
	OK        bool    `json:"ok"`
	Note      string  `json:"note,omitempty"` // how the two were brought together
}

// Report is the result of a comparison. Nodes are in the order of the network.
type Report struct {
	Against   string       `json:"against"`
	Tolerance float64      `json:"tolerance"`
	Nodes     []Difference `json:"nodes"`
	Sigma     []Difference `json:"sigma,omitempty"`   // spectral norms, relative
	Skipped   []Skipped    `json:"skipped,omitempty"` // what was not compared
	First     string       `json:"first,omitempty"`   // the first node that leaves the tolerance
	OK        bool         `json:"ok"`

	Explanations []Explanation `json:"explanations,omitempty"` // of a failure, by Explain
	Tried        []string      `json:"tried,omitempty"`        // causes that Explain tried

	Got, Want backend.Tensor `json:"-"` // the pictures compared, [n,3,h,w]; none of a discriminator
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
	d.Relative = relative(d.Max, d.Magnitude)
	d.Tolerance = tolerance * max(1, d.Magnitude)
	d.OK = d.Max <= d.Tolerance
	return d
}

// relative is a difference over a magnitude, within what JSON can hold.
func relative(difference, magnitude float64) float64 {
	if magnitude == 0 {
		return difference
	}
	return min(difference/magnitude, math.MaxFloat64)
}

// Programs compares every node of two programs on the same input. Large networks are run
// in several passes, so that their nodes fit into memory.
func Programs(ctx context.Context, g *graph.Graph, got, want func(keep []string) (backend.Program, error), in backend.Inputs, against string, tolerance float64) (*Report, error) {
	pairs, err := Align(g, g)
	if err != nil {
		return nil, err
	}
	return AgainstSide(fixed(g, want), pairs, in, Options{Name: against, Tolerance: tolerance})(ctx, fixed(g, got), nil)
}
