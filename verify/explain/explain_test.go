package explain_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/modeltest"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/verify/explain"
	"github.com/biggan-zoo/biggan/weights"
)

func cpu(g *graph.Graph, w weights.Source, keep []string) (backend.Program, error) {
	p, _, err := registry.Compile("cpu", g, w, backend.Options{Keep: keep})
	return p, err
}

// model is a golden checkpoint that the CPU computes.
func model(t *testing.T, src, config string) explain.Model {
	t.Helper()
	file, g := modeltest.Open(t, src, config)
	meta, err := weights.ParseMeta(file.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	return explain.Model{Name: src, Meta: meta, Graph: g, File: file, Compile: cpu}
}

// recorded is the picture that another implementation makes of a recording's inputs.
func recorded(t *testing.T, m explain.Model, inputs string, change func(g *graph.Graph, in *backend.Inputs) *graph.Graph) *weights.File {
	t.Helper()
	in, err := verify.ReadInputs(modeltest.OpenFile(t, goldentest.Path(t, inputs)), m.Graph)
	if err != nil {
		t.Fatal(err)
	}
	tensors := weights.Memory{"truncation": {Shape: []int{1}, Data: []float32{float32(in.Truncation)}}}
	for name, values := range in.Tensors {
		tensors[name] = weights.Tensor{Shape: []int{in.Batch, len(values) / in.Batch}, Data: values}
	}
	p, err := cpu(change(m.Graph, &in), m.File, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := p.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	tensors["image"] = weights.Tensor{Shape: out["image"].Shape, Data: out["image"].Data}
	return modeltest.Recording(t, tensors)
}

// TestRecording finds what was done to a network, alone and together.
func TestRecording(t *testing.T) {
	const folder = "biggan-pytorch/biggan64/"
	bigGAN64 := model(t, folder+"G_ema.pth", folder+"config.json")
	tiny := model(t, "tfhub/biggan-tiny/module.tar.gz", "")
	swap := func(n *graph.Node) {
		if n.Op == graph.Concat && len(n.Shape) == 1 {
			slices.Reverse(n.In)
		}
	}
	turn := func(n *graph.Node) {
		if n.Op == graph.Reshape {
			n.Order = graph.CHW + graph.HWC - n.Order
		}
	}
	eps := func(last bool, value float64) func(n *graph.Node) {
		return func(n *graph.Node) {
			if n.Op == graph.Norm && (len(n.In) == 1) == last {
				n.Eps = value
			}
		}
	}
	for _, c := range []struct {
		name    string
		model   explain.Model
		inputs  string
		changes []func(n *graph.Node)
		full    bool // statistics of truncation 1
		want    []string
	}{
		{"order", bigGAN64, folder + "recording", []func(*graph.Node){swap}, false, []string{"order of the conditioning"}},
		{"layout", tiny, "tfhub/biggan-tiny/tf_t0.40", []func(*graph.Node){turn}, false, []string{"layout of the first layer"}},
		{"order and layout", bigGAN64, folder + "recording", []func(*graph.Node){swap, turn}, false, []string{"order of the conditioning", "layout of the first layer"}},
		{"blocks' epsilon", bigGAN64, folder + "recording", []func(*graph.Node){eps(false, 1e-4)}, false, []string{"epsilon of the blocks' batch norms"}},
		{"both epsilons", tiny, "tfhub/biggan-tiny/tf_t1.00", []func(*graph.Node){eps(false, 1e-5), eps(true, 1e-5)}, false,
			[]string{"epsilon of the last batch norm", "epsilon of the blocks' batch norms"}},
		{"no tables", tiny, "tfhub/biggan-tiny/tf_t0.40", nil, true, []string{"statistics without tables"}},
		{"no tables and all arranged otherwise", tiny, "tfhub/biggan-tiny/tf_t0.40", []func(*graph.Node){swap, turn, eps(true, 1e-5)}, true,
			[]string{"epsilon of the last batch norm", "statistics without tables", "order of the conditioning", "layout of the first layer"}},
	} {
		file := recorded(t, c.model, c.inputs+".safetensors", func(g *graph.Graph, in *backend.Inputs) *graph.Graph {
			if c.full {
				in.Truncation = 1
			}
			return g.Rewrite(func(n *graph.Node) {
				for _, change := range c.changes {
					change(n)
				}
			})
		})
		trials := 0
		r, err := explain.Recording(t.Context(), c.model, file, "recording", explain.Options{
			Tolerance: 3e-5, Causes: true, Trying: func(done, _ int) { trials = done },
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.OK || len(r.Explanations) == 0 || !r.Explanations[0].Closes {
			t.Errorf("%s: ok %v, not explained after %d trials: %+v", c.name, r.OK, trials, r.Explanations)
			continue
		}
		var got []string
		for _, cause := range r.Explanations[0].Causes {
			got = append(got, cause.Name)
		}
		if !slices.Equal(got, c.want) || trials > 40 {
			t.Errorf("%s: %v after %d trials, want %v", c.name, got, trials, c.want)
		}
	}
}

// TestUnexplained has nothing that closes the difference.
func TestUnexplained(t *testing.T) {
	tiny := model(t, "tfhub/biggan-tiny/module.tar.gz", "")
	file := recorded(t, tiny, "tfhub/biggan-tiny/tf_t1.00.safetensors", func(g *graph.Graph, _ *backend.Inputs) *graph.Graph {
		return g.Rewrite(func(n *graph.Node) {
			if n.Op == graph.AddScaled {
				n.In[1] = n.In[0]
			}
		})
	})
	r, err := explain.Recording(t.Context(), tiny, file, "recording", explain.Options{Tolerance: 3e-5, Causes: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.OK || len(r.Explanations) > 0 || len(r.Tried) < 4 {
		t.Errorf("ok %v, explained by %+v, tried %v", r.OK, r.Explanations, r.Tried)
	}
}

// TestModels refuses networks that do not do the same.
func TestModels(t *testing.T) {
	letters, tiny := model(t, "letters", ""), model(t, "tfhub/deep-random-tiny/module.tar.gz", "")
	_, err := explain.Models(t.Context(), letters, tiny, backend.Inputs{}, explain.Options{})
	if !errors.Is(err, verify.ErrIncomparable) || !strings.Contains(err.Error(), "y [26]") || !strings.Contains(err.Error(), "y [10]") {
		t.Errorf("error %v", err)
	}
}

// TestQuick tries causes on another backend and confirms on the first.
func TestQuick(t *testing.T) {
	m := model(t, "letters", "")
	compiled := 0
	quick := func(g *graph.Graph, w weights.Source, keep []string) (backend.Program, error) {
		compiled++
		return cpu(g, w, keep)
	}
	file := modeltest.OpenFile(t, goldentest.Path(t, "tfhub/letters/tf_t1.00.safetensors"))
	r, err := explain.Recording(t.Context(), m, file, "recording", explain.Options{Tolerance: 3e-5, Causes: true, Quick: quick})
	if err != nil {
		t.Fatal(err)
	}
	if compiled == 0 || len(r.Explanations) != 1 || !r.Explanations[0].Closes || math.IsNaN(r.Explanations[0].After) {
		t.Errorf("%d compiled, explanations %+v", compiled, fmt.Sprint(r.Explanations))
	}
}

// coarse is a program that computes in few bits.
type coarse struct{ backend.Program }

func (c coarse) Run(ctx context.Context, in backend.Inputs) (map[string]backend.Tensor, error) {
	out, err := c.Program.Run(ctx, in)
	for _, tensor := range out {
		for i, v := range tensor.Data {
			tensor.Data[i] = float32(math.Round(float64(v)*100) / 100)
		}
	}
	return out, err
}

// TestBackends names the precision that was asked for.
func TestBackends(t *testing.T) {
	m := model(t, "tfhub/deep-random-tiny/module.tar.gz", "")
	m.Compile = func(g *graph.Graph, w weights.Source, keep []string) (backend.Program, error) {
		p, err := cpu(g, w, keep)
		return coarse{p}, err
	}
	in, err := verify.ReadInputs(modeltest.OpenFile(t, goldentest.Path(t, "tfhub/deep-random-tiny/tf_t0.40.safetensors")), m.Graph)
	if err != nil {
		t.Fatal(err)
	}
	r, err := explain.Backends(t.Context(), m, cpu, "cpu", in, cpu, explain.Options{Tolerance: 3e-5, Causes: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.OK || len(r.Explanations) != 1 || !r.Explanations[0].Closes || r.Explanations[0].Title() != "precision" {
		t.Errorf("ok %v, %+v", r.OK, r.Explanations)
	}
}
