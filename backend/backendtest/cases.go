package backendtest

import (
	"fmt"
	"math"
	"testing"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/nn"
	"github.com/biggan-zoo/biggan/weights"
)

// networks are the graphs of the suite: single operations in odd shapes, the ways in which
// a backend may fuse them and must not, and both architectures in small.
func networks(t *testing.T) []*graph.Graph {
	t.Helper()
	var all []*graph.Graph
	add := func(g *graph.Graph, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	for name, build := range fragments {
		b := graph.New(name)
		b.Grid(graph.StatsGrid{Rows: 5, First: 0, Last: 1})
		z, y := b.Input("z", 11), b.Input("y", 7)
		b.Output("out", build(b, z, y))
		add(b.Build())
	}
	for _, size := range [][2]int{{1, 1}, {5, 7}, {9, 57}} {
		h, w := size[0], size[1]
		b := graph.New(fmt.Sprintf("picture of %d x %d", w, h))
		x := feature(b, b.Input("z", 11), 5, h, w)
		b.Output(backend.Image, b.At("tanh").Tanh(nn.Conv(b.At("rgb"), x, 3, 3)))
		add(b.Build())
	}
	d := deep.Config{
		OutputDim: 16, ZDim: 5, ClassEmbedDim: 6, ChannelWidth: 12, NumClasses: 7, AttentionLayerPosition: 1, Eps: 1e-4, NStats: 5,
		Layers: []deep.Layer{{Up: true, In: 3, Out: 2}, {Up: false, In: 2, Out: 2}, {Up: true, In: 2, Out: 1}},
	}
	add(deep.Generator("deep", d))
	add(deep.PerBlock("deep, each block by itself", d))
	d.Port, d.NStats, d.FinalEps, d.MoreAttention, d.ZOnlyAtInput = deep.BigGANPyTorch, 0, 1e-5, []int{2}, true
	add(deep.Generator("deep of BigGAN-PyTorch", d))
	c := biggan.Config{
		Resolution: 12, ZDim: 9, ClassEmbedDim: 5, NumClasses: 7, Channels: []int{17, 16, 9}, Attention: []int{0},
		Hierarchical: true, BNEps: 1e-4, FinalBNEps: 1e-5,
	}
	add(biggan.Generator("biggan", c))
	c.NStats, c.ZFirst, c.ChannelsLast = 5, true, true
	add(biggan.Generator("biggan of TensorFlow", c))
	add(biggan.PerBlock("biggan, each block by itself", c))
	c.Hierarchical = false
	add(biggan.PerBlock("biggan, the class of each block", c))
	stages := []int{16, 24}
	add(biggan.Discriminator("discriminator", biggan.DiscriminatorConfig{
		Resolution: 12, NumClasses: 7, Channels: []int{3, 9, 16, 16}, Pools: 2, Attention: []int{0},
	}))
	add(deep.Discriminator("discriminator of BigGAN-deep", deep.DiscriminatorConfig{
		Resolution: 12, NumClasses: 7, InputChannels: 8, Stages: stages, Depth: 2, Pools: 2, Attention: []int{0},
	}))
	return all
}

// feature is a map of c channels made from z.
func feature(b *graph.Builder, z *graph.Node, c, h, w int) *graph.Node {
	return b.At("map").Reshape(nn.Linear(b.At("linear"), z, c*h*w), c, h, w, graph.HWC)
}

func condNorm(b *graph.Builder, x, cond *graph.Node) *graph.Node {
	names := nn.NormNames{Gain: "gain", Bias: "bias", Mean: "mean", Var: "var"}
	return nn.CondNorm(b, names, x, cond, nn.Stats{Rows: 5}, 1e-4)
}

var fragments = map[string]func(b *graph.Builder, z, y *graph.Node) *graph.Node{
	"vectors": func(b *graph.Builder, z, y *graph.Node) *graph.Node {
		e := b.At("embed")
		x := e.Embed(y, e.Param("weight", graph.Weight, 7, 3), nil)
		x = b.At("concat").Concat(b.At("part").Slice(z, 2, 5), x)
		x = nn.Linear(b.At("first"), x, 9)
		x = b.At("sum").AddScaled(b.At("relu").ReLU(x), b.At("tanh").Tanh(x), b.Param("gamma", graph.Gain, 1))
		return nn.Linear(b.At("second"), b.At("add").Add(x, x), 3)
	},
	"1x1 pixel": func(b *graph.Builder, z, _ *graph.Node) *graph.Node {
		return nn.Conv(b.At("conv"), feature(b, z, 3, 1, 1), 5, 3)
	},
	"odd convolutions": func(b *graph.Builder, z, _ *graph.Node) *graph.Node {
		x := nn.Conv(b.At("c0"), feature(b, z, 13, 3, 5), 7, 3)
		x = nn.Conv(b.At("c1"), b.At("relu").ReLU(x), 33, 1)
		return nn.Conv(b.At("c2"), b.At("up").Upsample(x), 3, 3)
	},
	"normalised and rectified in every order": func(b *graph.Builder, z, y *graph.Node) *graph.Node {
		x := condNorm(b.At("n0"), feature(b, z, 6, 4, 3), y)
		x = condNorm(b.At("n1"), b.At("relu").ReLU(x), z)
		x = b.At("slice").Slice(x, 1, 4)
		x = b.At("up2").Upsample(b.At("up1").Upsample(x))
		x = b.At("pool").MaxPool(b.At("relu2").ReLU(x))
		x = condNorm(b.At("n2"), b.At("up3").Upsample(x), y)
		return b.At("tanh").Tanh(b.At("slice2").Slice(x, 2, 2))
	},
	"sums": func(b *graph.Builder, z, y *graph.Node) *graph.Node {
		x := feature(b, z, 5, 3, 4)
		up := b.At("up").Upsample(x)
		s := b.At("shortcut + 3x3").Add(nn.Conv(b.At("sc"), up, 4, 1), nn.Conv(b.At("conv"), up, 4, 3))
		s = b.At("rectified + 1x1").Add(b.At("relu").ReLU(s), nn.Conv(b.At("c1"), s, 4, 1))
		s = b.At("scaled").AddScaled(condNorm(b.At("n"), s, y), nn.Conv(b.At("c2"), s, 4, 3), b.Param("gamma", graph.Gain, 1))
		s = b.At("twice").Add(s, s)
		conv := nn.Conv(b.At("c3"), s, 4, 3)
		return b.At("both ways").Add(b.At("tanh").Tanh(conv), conv)
	},
	"sliced convolutions": func(b *graph.Builder, z, _ *graph.Node) *graph.Node {
		x := feature(b, z, 4, 5, 3)
		part := b.At("part").Slice(nn.Conv(b.At("c0"), x, 9, 3), 3, 5)
		shared := nn.Conv(b.At("c1"), x, 9, 1)
		low := b.At("low").Slice(shared, 0, 5)
		high := b.At("high").Slice(shared, 4, 5)
		join := b.At("join").Concat(part, low, b.At("relu").ReLU(high))
		return b.At("tanh").Tanh(b.At("rgb").Slice(nn.Conv(b.At("c2"), join, 15, 3), 0, 3))
	},
	"pools and sums": func(b *graph.Builder, z, y *graph.Node) *graph.Node {
		x := condNorm(b.At("n"), b.InputMap("x", 5, 4, 6), y)
		x = b.At("avg").AvgPool(b.At("relu").ReLU(x))
		v := b.At("sum").Sum(nn.Conv(b.At("conv"), x, 7, 3))
		e := b.At("embed")
		w := e.Embed(y, e.Param("weight", graph.Weight, 7, 7), e.Param("sigma", graph.Sigma, 1))
		return b.At("score").Add(nn.Linear(b.At("linear"), v, 1), b.At("dot").Dot(v, w))
	},
	"attention": func(b *graph.Builder, z, _ *graph.Node) *graph.Node {
		names := nn.AttentionNames{Theta: "theta", Phi: "phi", G: "g", Out: "o"}
		x := nn.SelfAttention(b.At("a0"), names, feature(b, z, 19, 6, 10))
		return nn.SelfAttention(b.At("a1"), names, b.At("up").Upsample(x))
	},
}

// source yields reproducible numbers in [-1, 1): splitmix64.
type source uint64

func (s *source) next() float64 {
	*s += 0x9e3779b97f4a7c15
	x := uint64(*s)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11)/(1<<52) - 1
}

// randomWeights fills the schema with values that keep activations near one.
func randomWeights(g *graph.Graph, seed uint64) weights.Memory {
	s := source(seed)
	m := weights.Memory{}
	for _, p := range g.Params() {
		values := make([]float32, p.Elements())
		scale := 0.5
		if p.Role == graph.Weight {
			scale = 1 / math.Sqrt(float64(p.Elements()/p.Shape[0]))
		}
		for i := range values {
			v := scale * s.next()
			switch p.Role {
			case graph.Var, graph.Sigma, graph.Gain:
				v = 1 + v
			}
			values[i] = float32(v)
		}
		m[p.Name] = weights.Tensor{Shape: p.Shape, Data: values}
	}
	return m
}
