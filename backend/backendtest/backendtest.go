// Package backendtest is the conformance suite that every backend passes: all operations
// in odd shapes, fused and kept, batches, truncations, concurrent and cancelled runs,
// judged against float64.
package backendtest

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// Run tests a backend. Results may differ from the oracle's by tolerance, relative to the
// largest magnitude of the tensor or 1.
func Run(t *testing.T, compile, oracle backend.Compile, tolerance float64) {
	RunPrecision(t, compile, oracle, backend.F32, tolerance)
}

// RunPrecision is Run with programs of a precision; the oracle keeps its own.
func RunPrecision(t *testing.T, compile, oracle backend.Compile, p backend.Precision, tolerance float64) {
	at := func(g *graph.Graph, w weights.Source, o backend.Options) (backend.Program, error) {
		o.Precision = p
		return compile(g, w, o)
	}
	s := suite{at, oracle, tolerance}
	for _, g := range networks(t) {
		t.Run(g.Name, func(t *testing.T) {
			w := randomWeights(g, 1)
			t.Run("nodes", func(t *testing.T) { s.nodes(t, g, w) })
			t.Run("batches", func(t *testing.T) { s.batches(t, g, w) })
			t.Run("truncations", func(t *testing.T) { s.truncations(t, g, w) })
			t.Run("concurrent", func(t *testing.T) { s.concurrent(t, g, w) })
			t.Run("pixels", func(t *testing.T) { s.pixels(t, g, w) })
			t.Run("refusals", func(t *testing.T) { s.refusals(t, g, w) })
		})
	}
}

type suite struct {
	compile, oracle backend.Compile
	tolerance       float64
}

// sentinel stands behind every input, so that a write past one shows.
const sentinel = 12345

func inputs(g *graph.Graph, batch int, seed uint64) backend.Inputs {
	s := source(seed)
	in := backend.Inputs{Batch: batch, Tensors: map[string][]float32{}, Truncation: 0.5}
	for _, n := range g.Nodes {
		if n.Op != graph.Input {
			continue
		}
		values := make([]float32, batch*n.Elements(), batch*n.Elements()+1)
		for i := range values {
			values[i] = float32(2 * s.next())
		}
		values[:cap(values)][len(values)] = sentinel
		in.Tensors[n.Name] = values
	}
	return in
}

func names(g *graph.Graph) []string {
	var all []string
	for _, n := range g.Nodes {
		all = append(all, n.Name)
	}
	return all
}

func start(t *testing.T, compile backend.Compile, g *graph.Graph, w weights.Source, o backend.Options) backend.Program {
	t.Helper()
	p, err := compile(g, w, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func run(t *testing.T, p backend.Program, in backend.Inputs) map[string]backend.Tensor {
	t.Helper()
	out, err := p.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// same compares results by name. want may hold more.
func (s suite) same(t *testing.T, got, want map[string]backend.Tensor) {
	t.Helper()
	for name, w := range want {
		g, ok := got[name]
		if !ok {
			t.Errorf("%s: no result", name)
			continue
		}
		if !slices.Equal(g.Shape, w.Shape) || len(g.Data) != len(w.Data) {
			t.Errorf("%s: shape %v with %d values, want %v with %d", name, g.Shape, len(g.Data), w.Shape, len(w.Data))
			continue
		}
		largest := 1.0
		for _, v := range w.Data {
			largest = max(largest, math.Abs(float64(v)))
		}
		for i, v := range w.Data {
			if d := math.Abs(float64(g.Data[i]) - float64(v)); !(d <= s.tolerance*largest) {
				t.Errorf("%s: value %d of %v is %v, want %v", name, i, w.Shape, g.Data[i], v)
				break
			}
		}
	}
}

// outputs are the results under the graph's output names.
func outputs(g *graph.Graph, all map[string]backend.Tensor) map[string]backend.Tensor {
	out := map[string]backend.Tensor{}
	for _, o := range g.Outputs {
		out[o.Name] = all[o.Name]
	}
	return out
}

// nodes compares every node by name, then the outputs of the fused program, then those of
// programs that keep one node each.
func (s suite) nodes(t *testing.T, g *graph.Graph, w weights.Source) {
	in := inputs(g, 1, 2)
	want := run(t, start(t, s.oracle, g, w, backend.Options{Keep: names(g)}), in)
	s.same(t, run(t, start(t, s.compile, g, w, backend.Options{Keep: names(g)}), in), want)
	fused := run(t, start(t, s.compile, g, w, backend.Options{}), in)
	if len(fused) != len(g.Outputs) {
		t.Errorf("%d results without Keep, want the %d outputs", len(fused), len(g.Outputs))
	}
	s.same(t, fused, outputs(g, want))
	for _, n := range g.Nodes {
		one := outputs(g, want)
		one[n.Name] = want[n.Name]
		s.same(t, run(t, start(t, s.compile, g, w, backend.Options{Keep: []string{n.Name}}), in), one)
	}
	for name, values := range in.Tensors {
		if values[:cap(values)][len(values)] != sentinel {
			t.Errorf("input %s: written past its end", name)
		}
	}
}

// batches compares batches of several sizes with the oracle, with one, two and more threads,
// in memory that other sizes have used.
func (s suite) batches(t *testing.T, g *graph.Graph, w weights.Source) {
	sizes := []int{3, 6, 1, 2, 6}
	oracle := start(t, s.oracle, g, w, backend.Options{})
	want := map[int]map[string]backend.Tensor{}
	for _, n := range sizes {
		if want[n] == nil {
			want[n] = run(t, oracle, inputs(g, n, 3))
		}
	}
	for _, threads := range []int{1, 2, 5} {
		p := start(t, s.compile, g, w, backend.Options{Threads: threads})
		for _, n := range sizes {
			s.same(t, run(t, p, inputs(g, n, 3)), want[n])
		}
	}
}

// truncations compares rows of the statistics, points between them and beyond the grid.
func (s suite) truncations(t *testing.T, g *graph.Graph, w weights.Source) {
	p, oracle := start(t, s.compile, g, w, backend.Options{}), start(t, s.oracle, g, w, backend.Options{})
	in := inputs(g, 1, 4)
	for _, in.Stats = range []backend.StatsMode{backend.StatsLinear, backend.StatsHF} {
		for _, in.Truncation = range []float64{0, 0.25, 0.3, 0.99, 1, 2} {
			s.same(t, run(t, p, in), run(t, oracle, in))
		}
	}
}

// concurrent runs must not disturb one another: each gives what it gives alone.
func (s suite) concurrent(t *testing.T, g *graph.Graph, w weights.Source) {
	p := start(t, s.compile, g, w, backend.Options{Threads: 2})
	const runs = 6
	var alone [runs]map[string]backend.Tensor
	for i := range runs {
		alone[i] = run(t, p, inputs(g, 1+i%3, uint64(i)))
	}
	var together [runs]map[string]backend.Tensor
	var wg sync.WaitGroup
	for i := range runs {
		wg.Go(func() {
			out, err := p.Run(context.Background(), inputs(g, 1+i%3, uint64(i)))
			if err != nil {
				t.Error(err)
			}
			together[i] = out
		})
	}
	wg.Wait()
	for i := range runs {
		for name, want := range alone[i] {
			if !slices.Equal(together[i][name].Data, want.Data) {
				t.Errorf("run %d: %s differs from the run alone", i, name)
			}
		}
	}
}

// refusals are errors, not panics and not pictures.
func (s suite) refusals(t *testing.T, g *graph.Graph, w weights.Memory) {
	p := start(t, s.compile, g, w, backend.Options{})
	in := inputs(g, 2, 5)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Run(canceled, in); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled run: %v", err)
	}
	for name, spoil := range map[string]func(in *backend.Inputs){
		"no batch":      func(in *backend.Inputs) { in.Batch = 0 },
		"missing input": func(in *backend.Inputs) { in.Tensors = map[string][]float32{} },
		"short input":   func(in *backend.Inputs) { in.Batch = 3 },
		"input NaN": func(in *backend.Inputs) {
			in.Tensors = maps.Clone(in.Tensors)
			for name, values := range in.Tensors {
				in.Tensors[name] = append(slices.Clone(values[1:]), float32(math.NaN()))
			}
		},
		"truncation NaN":    func(in *backend.Inputs) { in.Truncation = math.NaN() },
		"truncation below":  func(in *backend.Inputs) { in.Truncation = -1 },
		"truncation beyond": func(in *backend.Inputs) { in.Truncation = math.Inf(1) },
	} {
		bad := in
		spoil(&bad)
		if _, err := p.Run(t.Context(), bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := s.compile(g, w, backend.Options{Keep: []string{"no such node"}}); err == nil {
		t.Error("unknown node in Keep: no error")
	}
	for name := range w {
		short := weights.Memory{}
		for other, tensor := range w {
			if other != name {
				short[other] = tensor
			}
		}
		optional := slices.ContainsFunc(g.Params(), func(p *graph.Param) bool { return p.Name == name && p.Role.Optional() })
		if _, err := s.compile(g, short, backend.Options{}); (err == nil) != optional {
			t.Errorf("weights without %s: %v", name, err)
		}
	}
}
