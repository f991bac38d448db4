package onnxgraph_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/biggan-zoo/biggan/convert/onnx"
	"github.com/biggan-zoo/biggan/convert/onnx/onnxpb"
	"github.com/biggan-zoo/biggan/convert/onnxgraph"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/modeltest"
	"github.com/biggan-zoo/biggan/weights"
)

// goldens are the checkpoints of testdata/golden: every port, tables and single statistics,
// both discriminators.
var goldens = []struct{ src, config string }{
	{"letters", ""},
	{"biggan-pytorch/biggan64/G_ema.pth", "biggan-pytorch/biggan64/config.json"},
	{"biggan-pytorch/biggan64-wrapped/G_ema.pth", "biggan-pytorch/biggan64-wrapped/config.json"},
	{"biggan-pytorch/biggan32-mybn/G_ema.pth", "biggan-pytorch/biggan32-mybn/config.json"},
	{"biggan-pytorch/biggandeep64/G_ema.pth", "biggan-pytorch/biggandeep64/config.json"},
	{"biggan-pytorch/biggan64/D.pth", "biggan-pytorch/biggan64/config.json"},
	{"biggan-pytorch/biggandeep64/D.pth", "biggan-pytorch/biggandeep64/config.json"},
	{"studiogan/biggan32/G_ema.pth", ""},
	{"studiogan/biggan64-plain/G_ema.pth", ""},
	{"studiogan/deep-legacy32/G_ema.pth", ""},
	{"studiogan/deep64/G_ema.pth", ""},
	{"mmgeneration/biggan32/iter_1.pth", ""},
	{"mmgeneration/biggan32-torch/iter_1.pth", ""},
	{"mmgeneration/biggan32-cifar/iter_1.pth", ""},
	{"mmgeneration/deep32/iter_1.pth", ""},
	{"mmgeneration/deep32-ajbrock/iter_1.pth", "mmgeneration/deep32-ajbrock/config.json"},
	{"ivclab/biggan128/biggan128-release.pt", ""},
	{"ivclab/biggan512/biggan512-release.pt", ""},
	{"tfhub/letters/module.tar.gz", ""},
	{"tfhub/deep-random-tiny/module.tar.gz", ""},
	{"tfhub/deep-random-tiny-const/module.tar.gz", ""},
	{"tfhub/biggan-tiny/module.tar.gz", ""},
}

func write(t *testing.T, g *graph.Graph, w weights.Source, o onnxgraph.Options) *onnxpb.Model {
	t.Helper()
	var file bytes.Buffer
	if err := onnxgraph.Write(t.Context(), &file, g, w, o); err != nil {
		t.Fatal(err)
	}
	m := &onnxpb.Model{}
	if err := proto.Unmarshal(file.Bytes(), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// dims is a shape as text: "N 3 32 32", "" for a scalar.
func dims(v *onnxpb.Value) string {
	var out []string
	for _, d := range v.Type.Tensor.Shape.Dims {
		if p := d.GetParam(); p != "" {
			out = append(out, p)
			continue
		}
		out = append(out, sizes(int(d.GetValue())))
	}
	return strings.Join(out, " ")
}

func sizes(shape ...int) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(shape)), " "), "[]")
}

// TestStructure reads the file back: versions, inputs and outputs, names that are defined
// once and before they are used, a value for every node of the graph.
func TestStructure(t *testing.T) {
	for _, c := range goldens {
		t.Run(c.src, func(t *testing.T) {
			w, g := modeltest.Open(t, c.src, c.config)
			m := write(t, g, w, onnxgraph.Options{Doc: "doc", Metadata: map[string]string{"b": "2", "a": "1"}, Docs: map[string]string{"y": "classes"}})
			if m.IrVersion != 7 || len(m.Opsets) != 1 || m.Opsets[0].Version != 13 || m.Doc != "doc" || m.ProducerName != "biggan" {
				t.Errorf("IR version %d, opsets %v, doc %q, producer %q", m.IrVersion, m.Opsets, m.Doc, m.ProducerName)
			}
			if len(m.Metadata) != 2 || m.Metadata[0].Key != "a" || m.Metadata[1].Value != "2" {
				t.Errorf("metadata %v", m.Metadata)
			}
			inputs := map[string]string{}
			defined := map[string]bool{"": true} // an input that is left out
			for _, v := range m.Graph.Inputs {
				inputs[v.Name] = dims(v)
				defined[v.Name] = true
			}
			for _, n := range g.Nodes {
				if n.Op == graph.Input && inputs[n.Name] != "N "+sizes(n.Shape...) {
					t.Errorf("input %s is %q, want N and %v", n.Name, inputs[n.Name], n.Shape)
				}
			}
			_, generator := g.Input("z")
			if shape, ok := inputs["truncation"]; ok != generator || shape != "" {
				t.Errorf("truncation: %v, shape %q", ok, shape)
			}
			checkNames(t, m.Graph, defined)
			for _, n := range g.Nodes {
				if !defined[n.Name] && n.Name != "generator.conv_to_rgb" {
					t.Errorf("no value for node %s", n.Name)
				}
			}
			if out := m.Graph.Outputs; len(out) != 1 || out[0].Name != g.Outputs[0].Name || dims(out[0]) != "N "+sizes(g.Outputs[0].Node.Shape...) {
				t.Errorf("outputs %v", out)
			}
		})
	}
}

// checkNames wants each name defined once and before its use.
func checkNames(t *testing.T, g *onnxpb.Graph, defined map[string]bool) {
	t.Helper()
	define := func(name string) {
		if defined[name] {
			t.Errorf("%q is defined twice", name)
		}
		defined[name] = true
	}
	for _, i := range g.Initializers {
		define(i.Name)
	}
	for _, n := range g.Nodes {
		for _, in := range n.Inputs {
			if !defined[in] {
				t.Errorf("%s reads %q before it is made", n.Name, in)
			}
		}
		if len(n.Outputs) != 1 || n.Outputs[0] != n.Name {
			t.Errorf("node %q gives %v", n.Name, n.Outputs)
		}
		define(n.Name)
	}
	for _, v := range append(g.Values, g.Outputs...) {
		if !defined[v.Name] {
			t.Errorf("a type is stated for %q, which nothing makes", v.Name)
		}
	}
}

// TestInitializers wants the weights bit for bit: the stored values, divided by the spectral
// norm in float64 where there is one.
func TestInitializers(t *testing.T) {
	for _, c := range goldens {
		t.Run(c.src, func(t *testing.T) {
			w, g := modeltest.Open(t, c.src, c.config)
			found := map[string]*onnxpb.Tensor{}
			for _, i := range write(t, g, w, onnxgraph.Options{}).Graph.Initializers {
				found[i.Name] = i
			}
			checked := 0
			for _, n := range g.Nodes {
				if n.Weight == nil {
					continue
				}
				checked++
				want := make([]float64, n.Weight.Elements())
				sigma := []float64{1}
				if err := w.Float64s(want, n.Weight.Name); err != nil {
					t.Fatal(err)
				}
				if n.Sigma != nil {
					if err := w.Float64s(sigma, n.Sigma.Name); err != nil {
						t.Fatal(err)
					}
				}
				if n.Name == "generator.conv_to_rgb" {
					want = want[:len(want)/n.Shape[0]*3]
				}
				got := found[n.Weight.Name]
				if got == nil || len(got.Raw) != 4*len(want) {
					t.Fatalf("%s: %d bytes, want %d values", n.Weight.Name, len(got.GetRaw()), len(want))
				}
				for i, v := range want {
					if bits := binary.LittleEndian.Uint32(got.Raw[4*i:]); bits != math.Float32bits(float32(v/sigma[0])) {
						t.Fatalf("%s[%d] = %v, want %v", n.Weight.Name, i, math.Float32frombits(bits), float32(v/sigma[0]))
					}
				}
			}
			if checked < 10 {
				t.Errorf("only %d weights", checked)
			}
		})
	}
}

// TestKeep wants kept nodes as outputs, and a convolution that is kept whole.
func TestKeep(t *testing.T) {
	w, g := modeltest.Open(t, "letters", "")
	m := write(t, g, w, onnxgraph.Options{Keep: []string{"generator.conv_to_rgb", "z", "image"}})
	var names []string
	for _, o := range m.Graph.Outputs {
		names = append(names, o.Name)
	}
	if !slices.Equal(names, []string{"image", "generator.conv_to_rgb"}) {
		t.Errorf("outputs %v", names)
	}
	for _, i := range m.Graph.Initializers {
		if i.Name == "generator.conv_to_rgb.weight" && i.Dims[0] != 16 {
			t.Errorf("generator.conv_to_rgb.weight is %v", i.Dims)
		}
	}
	if err := onnxgraph.Write(t.Context(), io.Discard, g, w, onnxgraph.Options{Keep: []string{"nothing"}}); err == nil {
		t.Error("an unknown node is kept")
	}
}

// TestOpsets refuses versions that were not tried.
func TestOpsets(t *testing.T) {
	w, g := modeltest.Open(t, "letters", "")
	for _, opset := range []int{-1, onnxgraph.Opset - 1, onnxgraph.MaxOpset + 1} {
		if err := onnxgraph.Write(t.Context(), io.Discard, g, w, onnxgraph.Options{Opset: opset}); !errors.Is(err, onnxgraph.ErrUnsupported) {
			t.Errorf("opset %d: %v", opset, err)
		}
	}
	if m := write(t, g, w, onnxgraph.Options{Opset: 21}); m.Opsets[0].Version != 21 || m.IrVersion != 10 {
		t.Errorf("opset %v in IR version %d", m.Opsets, m.IrVersion)
	}
}

// chain is a network of n linear layers of size x size.
func chain(t *testing.T, n, size int) *graph.Graph {
	t.Helper()
	b := graph.New("chain")
	x := b.Input("z", size)
	for i := range n {
		at := b.At(fmt.Sprintf("layers.%d", i))
		x = at.Linear(x, at.Param("weight", graph.Weight, size, size), nil, at.Param("sigma", graph.Sigma, 1))
	}
	b.Output("y", x)
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// twos are weights of a graph that are all 2.
type twos struct{ *graph.Graph }

func (s twos) Info(name string) (weights.Info, bool) {
	for _, p := range s.Params() {
		if p.Name == name {
			return weights.Info{Name: name, DType: weights.F32, Shape: p.Shape}, true
		}
	}
	return weights.Info{}, false
}

func (twos) Float32s(dst []float32, _ string) error { return fill(dst, 2) }
func (twos) Float64s(dst []float64, _ string) error { return fill(dst, 2) }

func fill[T any](dst []T, v T) error {
	for i := range dst {
		dst[i] = v
	}
	return nil
}

// TestStreams writes 80 MB with the memory of a tensor, tells the progress, and stops at the
// context's end.
func TestStreams(t *testing.T) {
	g := chain(t, 20, 1000)
	var done, total int64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := onnxgraph.Write(t.Context(), io.Discard, g, twos{g}, onnxgraph.Options{Progress: func(d, of int64) { done, total = d, of }})
	runtime.ReadMemStats(&after)
	if err != nil || done != total || total != 80_000_000 {
		t.Errorf("%v, %d of %d bytes", err, done, total)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes allocated, with tensors of 4 MB", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = onnxgraph.Write(ctx, io.Discard, g, twos{g}, onnxgraph.Options{Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after a cancellation", err)
	}
}

// TestTooLarge refuses more than protobuf takes before anything is written.
func TestTooLarge(t *testing.T) {
	g := chain(t, 3, 15_000)
	var written bytes.Buffer
	err := onnxgraph.Write(t.Context(), &written, g, twos{g}, onnxgraph.Options{})
	if !errors.Is(err, onnx.ErrSize) || written.Len() > 0 {
		t.Errorf("error %v, %d bytes written", err, written.Len())
	}
}
