// Package explain compares a model with a recording, with another backend or with another
// model, and where they differ tries the known differences between implementations.
package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/weights"
)

// Model is an open model, and what compiles it.
type Model struct {
	Name    string
	Meta    weights.Meta
	Graph   *graph.Graph
	File    *weights.File
	Compile verify.Compile
}

// Options steer a comparison.
type Options struct {
	Tolerance float64
	Stats     backend.StatsMode
	Causes    bool                  // try known causes where the sides differ
	Quick     verify.Compile        // for trials on large networks, if not nil
	Comparing func(done, total int) // passes over the nodes; may be nil
	Trying    func(done, total int) // trials of causes; may be nil
}

func (o Options) verify(name string) verify.Options {
	return verify.Options{Name: name, Tolerance: o.Tolerance, Stats: o.Stats, Progress: o.Comparing}
}

func (m Model) side(o Options) verify.Side {
	return verify.Side{Graph: m.Graph, Weights: m.File, Stats: o.Stats, Compile: m.Compile}
}

// Recording compares a model with a recording of another implementation. Errors about the
// recording's content wrap weights.ErrFormat.
func Recording(ctx context.Context, m Model, f *weights.File, name string, o Options) (*verify.Report, error) {
	against, in, err := verify.AgainstRecording(f, m.Graph, o.verify(name))
	if err != nil {
		return nil, err
	}
	return o.explained(ctx, m.side(o), against, func() ([]verify.Cause, error) { return m.againstRecording(in, o) })
}

// Backends compares a model with itself on another backend. plain, if not nil, compiles the
// model in float32 where it was asked to compute in less.
func Backends(ctx context.Context, m Model, other verify.Compile, name string, in backend.Inputs, plain verify.Compile, o Options) (*verify.Report, error) {
	pairs, err := verify.Align(m.Graph, m.Graph)
	if err != nil {
		return nil, err
	}
	there := m.side(o)
	there.Compile = other
	against := verify.AgainstSide(there, pairs, in, o.verify(name))
	return o.explained(ctx, m.side(o), against, func() ([]verify.Cause, error) { return precision(plain), nil })
}

// Models compares a model with another on the same input: nodes of the same name, or, where
// the names are those of different ports, in the order of the network. Networks that do not
// do the same are verify.ErrIncomparable.
func Models(ctx context.Context, m, other Model, in backend.Inputs, o Options) (*verify.Report, error) {
	if m.Meta.Architecture != other.Meta.Architecture || inputs(m.Graph) != inputs(other.Graph) {
		return nil, fmt.Errorf("%w: %s is %s, %s is %s", verify.ErrIncomparable, m.Name, m.summary(), other.Name, other.summary())
	}
	pairs, err := verify.Align(m.Graph, other.Graph)
	if err != nil {
		return nil, fmt.Errorf("%w (%s and %s)", err, m.Name, other.Name)
	}
	against := verify.AgainstSide(other.side(o), pairs, in, o.verify(other.Name))
	return o.explained(ctx, m.side(o), against, func() ([]verify.Cause, error) { return m.againstModel(other, in, pairs) })
}

// explained compares, and tries causes if that fails.
func (o Options) explained(ctx context.Context, s verify.Side, against verify.Against, list func() ([]verify.Cause, error)) (*verify.Report, error) {
	report, err := against(ctx, s, nil)
	if err != nil || report.OK || !o.Causes {
		return report, err
	}
	causes, err := list()
	if err != nil {
		return nil, err
	}
	return report, report.Explain(ctx, s, against, causes, o.Quick, o.Trying)
}

// inputs describes what a network takes and gives.
func inputs(g *graph.Graph) string {
	var parts []string
	for _, n := range g.Nodes {
		if n.Op == graph.Input {
			parts = append(parts, fmt.Sprintf("%s %v", n.Name, n.Shape))
		}
	}
	slices.Sort(parts)
	for _, out := range g.Outputs {
		parts = append(parts, fmt.Sprintf("%s %v", out.Name, out.Node.Shape))
	}
	return strings.Join(parts, ", ")
}

func (m Model) summary() string { return fmt.Sprintf("%s (%s)", m.Meta.Architecture, inputs(m.Graph)) }
