// Package onnxgraph writes a graph and its weights as an ONNX model. It knows neither the
// networks nor the bytes of the file.
//
// Every node of the graph is a value of the model under the same name; steps that ONNX
// needs in between are named NODE/step. Weights are divided by their spectral norms. A graph
// with batch norms takes the scalar `truncation`, which picks rows of the statistics tables
// as backend.Blend does: linearly between rows, clamped to the grid.
package onnxgraph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/convert/onnx"
	"github.com/biggan-zoo/biggan/convert/onnx/onnxpb"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// Opset is the version of ONNX's operators that models are written in unless another is asked
// for: the lowest that states the axes of Softmax and ReduceSum as they are used here, so that
// ONNX Runtime runs them since 1.6 (December 2020). The steps mean the same in all versions up
// to MaxOpset.
const (
	Opset    = 13
	MaxOpset = Opset + len(irVersions) - 1
)

// irVersions are the versions of the file format that came with Opset, Opset+1, ...
var irVersions = [...]int64{7, 7, 8, 8, 8, 8, 9, 9, 10, 10, 11, 12, 13, 13, 13, 14}

const (
	truncation = "truncation" // the input that picks statistics
	batch      = "N"          // the free leading dimension
)

// ErrUnsupported means that a graph has no form in ONNX, or not in the version asked for.
var ErrUnsupported = errors.New("no ONNX form")

// Options describe the file.
type Options struct {
	Opset           int // Opset to MaxOpset; 0 = Opset
	ProducerVersion string
	Doc             string            // of the model
	Docs            map[string]string // of inputs and outputs, by their names
	Metadata        map[string]string
	Keep            []string // nodes that are outputs as well
	Progress        func(done, total int64)
}

// Write writes a model of float32 with a free batch size. Its memory is that of the largest
// tensor. Too large a model is onnx.ErrSize.
func Write(ctx context.Context, w io.Writer, g *graph.Graph, source weights.Source, o Options) error {
	if err := backend.CheckWeights(g, source); err != nil {
		return err
	}
	if err := backend.CheckKeep(g, o.Keep); err != nil {
		return err
	}
	opset := cmp.Or(o.Opset, Opset)
	if opset < Opset || opset > MaxOpset {
		return fmt.Errorf("onnxgraph: %w: opset %d, want %d to %d", ErrUnsupported, opset, Opset, MaxOpset)
	}
	l := newLowering(g, source, o.Keep)
	if err := l.run(o.Docs); err != nil {
		return err
	}
	m := &onnxpb.Model{
		IrVersion: irVersions[opset-Opset], ProducerName: "biggan", ProducerVersion: o.ProducerVersion, Doc: o.Doc, Graph: l.out,
		Opsets: []*onnxpb.Opset{{Version: int64(opset)}},
	}
	for _, key := range slices.Sorted(maps.Keys(o.Metadata)) {
		m.Metadata = append(m.Metadata, &onnxpb.Property{Key: key, Value: o.Metadata[key]})
	}
	return onnx.Write(w, m, l.watched(ctx, o.Progress))
}

// lowering is one graph on its way to ONNX.
type lowering struct {
	*graph.Uses
	graph  *graph.Graph
	source weights.Source

	out     *onnxpb.Graph
	tensors []onnx.Tensor
	taken   map[string]bool // names of values and initializers
	shared  map[string]bool // of them, constants that several steps may read
	buffer  []float32       // of the tensor that is being written
	err     error           // the first
}

func newLowering(g *graph.Graph, source weights.Source, keep []string) *lowering {
	return &lowering{
		Uses: g.Uses(keep), graph: g, source: source,
		out: &onnxpb.Graph{Name: g.Name}, taken: map[string]bool{}, shared: map[string]bool{},
	}
}

// run lowers every node and states the inputs and outputs.
func (l *lowering) run(docs map[string]string) error {
	for _, n := range l.graph.Nodes {
		if n.Op == graph.Input {
			l.claim(n.Name)
			l.out.Inputs = append(l.out.Inputs, onnx.Value(n.Name, docs[n.Name], batch, n.Shape...))
		}
	}
	if slices.ContainsFunc(l.graph.Nodes, func(n *graph.Node) bool { return n.Op == graph.Norm }) {
		l.truncation(docs[truncation])
	}
	for _, n := range l.graph.Nodes {
		if n.Op == graph.Input || l.narrowed(n) {
			continue
		}
		l.node(n)
	}
	l.results(docs)
	return l.err
}

// results states the outputs, and the shapes of the nodes that are none.
func (l *lowering) results(docs map[string]string) {
	stated := map[string]bool{}
	for _, o := range l.graph.Outputs {
		if o.Name != o.Node.Name {
			l.step("Identity", o.Name, []string{o.Node.Name})
		}
		l.out.Outputs = append(l.out.Outputs, onnx.Value(o.Name, docs[o.Name], batch, o.Node.Shape...))
		stated[o.Name] = true
	}
	for _, n := range l.graph.Nodes {
		if n.Op == graph.Input || l.narrowed(n) || stated[n.Name] {
			continue
		}
		value := onnx.Value(n.Name, "", batch, n.Shape...)
		if l.Names(n) != nil {
			l.out.Outputs = append(l.out.Outputs, value)
		} else {
			l.out.Values = append(l.out.Values, value)
		}
	}
}

// claim takes a name for a value; each has one.
func (l *lowering) claim(name string) string {
	if l.taken[name] && l.err == nil {
		l.err = fmt.Errorf("onnxgraph: %w: %q would name two values", ErrUnsupported, name)
	}
	l.taken[name] = true
	return name
}

// step adds an ONNX node; its one output has its name, which is returned.
func (l *lowering) step(op, name string, in []string, attrs ...*onnxpb.Attr) string {
	l.out.Nodes = append(l.out.Nodes, &onnxpb.Node{Op: op, Name: name, Inputs: in, Outputs: []string{l.claim(name)}, Attrs: attrs})
	return name
}
