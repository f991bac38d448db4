package graph_test

import (
	"os"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/graph"
)

// small is a network with one linear layer and one convolution.
func small(t *testing.T) *graph.Graph {
	t.Helper()
	b := graph.New("small")
	z := b.Input("z", 2)
	l := b.At("linear")
	x := l.Linear(z, l.Param("weight", graph.Weight, 12, 2), l.Param("bias", graph.Bias, 12), nil)
	x = b.At("linear.reshape").Reshape(x, 3, 2, 2, graph.CHW)
	c := b.At("conv")
	x = c.Conv(x, c.Param("weight", graph.Weight, 5, 3, 3, 3), nil, c.Param("sigma", graph.Sigma, 1))
	b.Output("image", b.At("image").Tanh(x))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestBuild(t *testing.T) {
	g := small(t)
	if got, want := g.ParamCount(), int64(12*2+12+5*3*9); got != want {
		t.Errorf("%d parameters, want %d", got, want)
	}
	n, ok := g.Node("conv")
	if !ok || n.Op != graph.Conv || n.FLOPs() != 2*5*3*9*4 {
		t.Errorf("node conv is %+v", n)
	}
	if _, ok := g.Input("conv"); ok {
		t.Error("conv is taken for an input")
	}
	var names []string
	for _, p := range g.Params() {
		names = append(names, p.Name)
	}
	if got, want := strings.Join(names, " "), "linear.weight linear.bias conv.weight conv.sigma"; got != want {
		t.Errorf("schema %q, want %q", got, want)
	}
}

func TestFirstErrorWins(t *testing.T) {
	for name, c := range map[string]struct {
		build func(b *graph.Builder)
		want  string
	}{
		"shape": {func(b *graph.Builder) {
			z := b.Input("z", 3)
			l := b.At("linear")
			x := l.Linear(z, l.Param("weight", graph.Weight, 4, 2), nil, nil)
			b.At("up").Upsample(x)
		}, `linear: linear: weight [4 2] does not fit input "z" of shape [3]`},
		"duplicate node": {func(b *graph.Builder) {
			z := b.Input("z", 3)
			b.At("a").ReLU(z)
			b.At("a").ReLU(z)
		}, `node "a" made twice`},
		"duplicate parameter": {func(b *graph.Builder) {
			b.At("a").Param("w", graph.Weight, 1)
			b.At("a").Param("w", graph.Weight, 1)
		}, `parameter "a.w" declared twice`},
		"overflow": {func(b *graph.Builder) {
			b.At("a").Param("w", graph.Weight, 1<<20, 1<<20)
		}, "out of range"},
		"odd pool": {func(b *graph.Builder) {
			b.At("p").MaxPool(b.At("r").Reshape(b.Input("z", 9), 1, 3, 3, graph.CHW))
		}, "odd side"},
		"slice":     {func(b *graph.Builder) { b.At("s").Slice(b.Input("z", 9), 8, 2) }, "slice: [8:10] outside"},
		"no output": {func(b *graph.Builder) { b.Input("z", 1) }, "no output"},
	} {
		t.Run(name, func(t *testing.T) {
			b := graph.New("bad")
			c.build(b)
			if _, err := b.Build(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func ExampleGraph_Summary() {
	b := graph.New("example")
	z := b.Input("z", 2)
	l := b.At("linear")
	b.Output("y", l.Linear(z, l.Param("weight", graph.Weight, 3, 2), l.Param("bias", graph.Bias, 3), nil))
	g, err := b.Build()
	if err != nil {
		panic(err)
	}
	g.Summary(os.Stdout)
	// Output:
	// name    op      shape  parameters  MFLOP
	// z       input   [2]    0           0.0
	// linear  linear  [3]    9           0.0
	// total                  9           0.0
}

// TestRewrite changes a copy and leaves the graph as it was.
func TestRewrite(t *testing.T) {
	g := small(t)
	c := g.Rewrite(func(n *graph.Node) {
		if n.Op == graph.Reshape {
			n.Order = graph.HWC
		}
		if n.Weight != nil {
			n.Weight.Shape[0] = 99
		}
	})
	before, _ := g.Node("linear.reshape")
	after, _ := c.Node("linear.reshape")
	if before.Order != graph.CHW || after.Order != graph.HWC {
		t.Errorf("order %v became %v", before.Order, after.Order)
	}
	if g.Params()[0].Shape[0] != 12 || c.Params()[0].Shape[0] != 99 {
		t.Errorf("parameters are shared: %v, %v", g.Params()[0], c.Params()[0])
	}
	if len(c.Nodes) != len(g.Nodes) || c.Outputs[0].Node != c.Nodes[len(c.Nodes)-1] || c.Nodes[2].In[0] != c.Nodes[1] {
		t.Error("the copy is not wired like the graph")
	}
}
