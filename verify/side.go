package verify

import (
	"context"
	"errors"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// ErrIncomparable is wrapped when two networks have too little in common to be compared.
var ErrIncomparable = errors.New("models cannot be compared")

// Side is one side of a comparison: a network, its weights, and how it takes statistics.
type Side struct {
	Graph   *graph.Graph
	Weights weights.Source
	Stats   backend.StatsMode
	Full    bool // takes the statistics of truncation 1, whatever the truncation is
	Compile Compile
}

// Compile makes a program that returns the nodes to keep beside its outputs.
type Compile func(g *graph.Graph, w weights.Source, keep []string) (backend.Program, error)

// fixed is a side whose program does not depend on its graph and weights.
func fixed(g *graph.Graph, compile func(keep []string) (backend.Program, error)) Side {
	return Side{Graph: g, Compile: func(_ *graph.Graph, _ weights.Source, keep []string) (backend.Program, error) { return compile(keep) }}
}

// run computes the nodes named.
func (s Side) run(ctx context.Context, in backend.Inputs, keep []string) (map[string]backend.Tensor, error) {
	p, err := s.Compile(s.Graph, s.Weights, withoutOutputs(s.Graph, keep))
	if err != nil {
		return nil, err
	}
	defer p.Close()
	in.Stats = s.Stats
	if s.Full {
		in.Truncation = 1
	}
	return p.Run(ctx, in)
}

// withoutOutputs leaves out what programs return anyway, so that they stay fused.
func withoutOutputs(g *graph.Graph, keep []string) []string {
	var names []string
	for _, name := range keep {
		output := false
		for _, o := range g.Outputs {
			output = output || o.Name == name && o.Node.Name == name
		}
		if !output {
			names = append(names, name)
		}
	}
	return names
}

// Against measures a side against what it was made for: every node, or one node of one
// sample. Errors about a recording's content wrap weights.ErrFormat.
type Against func(ctx context.Context, s Side, only *Focus) (*Report, error)

// Focus is one node of one sample.
type Focus struct {
	Node   string // as reports name it
	Sample int    // of the batch
}

// Options steer a comparison.
type Options struct {
	Name      string  // of the other side, for reports
	Tolerance float64 // of values up to 1, then relative to the largest of the node
	Stats     backend.StatsMode
	Progress  func(done, total int) // of passes; may be nil
}

// sample is the inputs of one sample.
func sample(in backend.Inputs, i int) backend.Inputs {
	one := in
	one.Batch, one.Tensors = 1, map[string][]float32{}
	for name, values := range in.Tensors {
		n := len(values) / in.Batch
		one.Tensors[name] = values[i*n : (i+1)*n]
	}
	return one
}

// part is one sample of a tensor.
func part[T float32 | float64](values []T, batch, i int) []T {
	n := len(values) / batch
	return values[i*n : (i+1)*n]
}

// keepBudget bounds the bytes of kept nodes of one pass.
const keepBudget = 512 << 20

// groups splits pairs into passes that fit the budget.
func groups(pairs []Pair, batch int) [][]Pair {
	var all [][]Pair
	var group []Pair
	bytes := 0
	for _, p := range pairs {
		size := 2 * 4 * batch * p.Got.Elements()
		if len(group) > 0 && bytes+size > keepBudget {
			all, group, bytes = append(all, group), nil, 0
		}
		group = append(group, p)
		bytes += size
	}
	return append(all, group)
}

// AgainstSide compares pairs of nodes with another side on the same input. Large networks
// are run in several passes, so that their nodes fit into memory.
func AgainstSide(other Side, pairs []Pair, in backend.Inputs, o Options) Against {
	var skipped []Skipped
	pairs = slices.DeleteFunc(slices.Clone(pairs), func(p Pair) bool {
		if p.Skip != "" {
			skipped = append(skipped, Skipped{p.Got.Name, p.Skip})
		}
		return p.Skip != ""
	})
	known := map[Focus]map[string]backend.Tensor{} // the other side's results of one node
	return func(ctx context.Context, s Side, only *Focus) (*Report, error) {
		if only == nil {
			r, err := compareAll(ctx, s, other, pairs, in, o)
			if err == nil {
				r.Skipped = skipped
			}
			return r, err
		}
		var focused []Pair
		for _, p := range pairs {
			if p.Got.Name == only.Node {
				focused = append(focused, p)
			}
		}
		one := sample(in, only.Sample)
		want, ok := known[*only]
		if !ok {
			var err error
			if want, err = other.run(ctx, one, names(focused, true)); err != nil {
				return nil, err
			}
			known[*only] = want
		}
		got, err := s.run(ctx, one, names(focused, false))
		if err != nil {
			return nil, err
		}
		r := &Report{Against: o.Name, Tolerance: o.Tolerance, OK: true}
		r.addPairs(focused, got, want)
		return r, nil
	}
}

func compareAll(ctx context.Context, s, other Side, pairs []Pair, in backend.Inputs, o Options) (*Report, error) {
	r := &Report{Against: o.Name, Tolerance: o.Tolerance, OK: true}
	passes := groups(pairs, in.Batch)
	for i, group := range passes {
		got, err := s.run(ctx, in, names(group, false))
		if err != nil {
			return nil, err
		}
		want, err := other.run(ctx, in, names(group, true))
		if err != nil {
			return nil, err
		}
		r.addPairs(group, got, want)
		if o.Progress != nil {
			o.Progress(i+1, len(passes))
		}
	}
	return r, nil
}

func names(pairs []Pair, want bool) []string {
	var all []string
	for _, p := range pairs {
		if want {
			all = append(all, p.Want.Name)
		} else {
			all = append(all, p.Got.Name)
		}
	}
	return all
}

// addPairs compares the nodes of both results.
func (r *Report) addPairs(pairs []Pair, got, want map[string]backend.Tensor) {
	for _, p := range pairs {
		a, b := got[p.Got.Name], want[p.Want.Name]
		if p.Channels > 0 {
			a, b = firstChannels(a, p.Channels), firstChannels(b, p.Channels)
		}
		d := compare(p.Got.Name, a.Shape, a.Data, func(i int) float64 { return float64(b.Data[i]) }, r.Tolerance)
		d.Note = p.Note
		r.add(&r.Nodes, d)
		if p.Got.Name == picture {
			r.Got, r.Want = a, b
		}
	}
}

// picture is the output of a generator.
const picture = "image"

// firstChannels keeps the first n channels of [batch,c,h,w].
func firstChannels(t backend.Tensor, n int) backend.Tensor {
	batch, c := t.Shape[0], t.Shape[1]
	return backend.Tensor{Shape: append([]int{batch, n}, t.Shape[2:]...), Data: leading(t.Data, batch, c, n)}
}

// leading keeps the first n of c channels of each sample.
func leading[T float32 | float64](values []T, batch, c, n int) []T {
	if n == c {
		return values
	}
	plane := len(values) / (batch * c)
	var out []T
	for i := range batch {
		out = append(out, values[i*c*plane:][:n*plane]...)
	}
	return out
}
