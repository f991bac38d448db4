// Package synth makes full-size checkpoints of the six released networks without their
// weights: every value from a formula (splitmix64 of the tensor's name), the same in any
// language. The recipe and images computed with it by PyTorch are in
// testdata/golden/fullsize. Pictures from such weights show nothing; they measure.
package synth

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// ErrUnknown is wrapped when there is no recipe of a name.
var ErrUnknown = errors.New("no recipe")

// statisticsJSON holds, for each network and norm, the mean and variance around which its
// statistics lie.
//
//go:embed statistics.json
var statisticsJSON []byte

var configs = map[string]any{
	"biggan-deep-128": deep.Deep128, "biggan-deep-256": deep.Deep256, "biggan-deep-512": deep.Deep512,
	"biggan-128": biggan.BigGAN128, "biggan-256": biggan.BigGAN256, "biggan-512": biggan.BigGAN512,
}

// Names lists the networks that can be made.
func Names() []string { return slices.Sorted(maps.Keys(configs)) }

// Write makes a checkpoint and converts it into a file at dst. BigGAN-deep has Hugging
// Face's names and spectral norms, the originals have BigGAN-PyTorch's with epsilons of 1e-4.
// Of the options, From and Config are the recipe's.
func Write(ctx context.Context, name, dst string, o convert.Options) (*convert.Report, error) {
	ck, err := New(name)
	if err != nil {
		return nil, err
	}
	o.From, o.Config = ck.format, ck.config
	o.Model = name
	o.LicenseNote = "synthetic weights of a public formula"
	return convert.FromCheckpoint(ctx, ck, dst, o)
}

// Checkpoint is a synthetic checkpoint; its tensors are computed when asked for. It is
// safe for concurrent use.
type Checkpoint struct {
	format  string
	config  []byte // what convert needs
	tensors []weights.Info
	makers  map[string]func() ([]byte, error)
}

// Tensors lists the tensors by the names of the source format.
func (c *Checkpoint) Tensors() []weights.Info { return c.tensors }

// Bytes computes a tensor, little-endian, in C order.
func (c *Checkpoint) Bytes(name string) ([]byte, error) {
	make, ok := c.makers[name]
	if !ok {
		return nil, fmt.Errorf("synth: no tensor %q", name)
	}
	return make()
}

// New prepares the checkpoint of a network of Names.
func New(name string) (*Checkpoint, error) {
	c := &Checkpoint{makers: map[string]func() ([]byte, error){}}
	var g *graph.Graph
	var err error
	switch config := configs[name].(type) {
	case deep.Config:
		c.format = "hf"
		if c.config, err = json.Marshal(config); err != nil {
			return nil, err
		}
		g, err = deep.Generator(name, config)
	case biggan.Config:
		c.format, c.config = "biggan-pytorch", []byte(`{"BN_eps": 1e-4, "SN_eps": 1e-4}`)
		g, err = biggan.Generator(name, config)
	default:
		return nil, fmt.Errorf("synth: %w for %q, there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	if err != nil {
		return nil, err
	}
	var statistics map[string]map[string][2]float64
	if err := json.Unmarshal(statisticsJSON, &statistics); err != nil {
		return nil, err
	}
	for _, n := range g.Nodes {
		c.node(g, n, statistics[name][n.Name])
	}
	return c, nil
}

// node adds the tensors of a node.
func (c *Checkpoint) node(g *graph.Graph, n *graph.Node, moments [2]float64) {
	switch n.Op {
	case graph.Linear, graph.Conv, graph.Embed:
		if n.Sigma == nil {
			c.add(n.Weight, scaled(0.6))
		} else {
			c.spectral(n)
		}
		if n.Bias != nil {
			c.add(n.Bias, scaled(0.1))
		}
	case graph.Norm:
		c.add(n.Mean, mean(moments, n.Mean.Shape))
		c.add(n.Var, variance(moments, n.Var.Shape))
		if n.Gain != nil {
			c.add(n.Gain, func(name string, i int) float64 { return 1 + float64(0.25*u(name, i)) })
			c.add(n.Bias, scaled(0.25))
		}
	case graph.AddScaled:
		c.add(n.Gain, func(string, int) float64 { return 0.75 })
	}
}

// add declares a tensor whose value i is f(name, i), rounded to float32.
func (c *Checkpoint) add(p *graph.Param, f func(name string, i int) float64) {
	c.declare(p, func(name string) ([]byte, error) { return fill(name, p.Elements(), f), nil })
}

func (c *Checkpoint) declare(p *graph.Param, make func(name string) ([]byte, error)) {
	name, ok := convert.SourceName(c.format, p.Name)
	if !ok {
		return // the format does not keep it
	}
	c.tensors = append(c.tensors, weights.Info{Name: name, DType: weights.F32, Shape: p.Shape})
	c.makers[name] = func() ([]byte, error) { return make(name) }
}

func fill(name string, n int, f func(name string, i int) float64) []byte {
	out := make([]byte, 0, 4*n)
	for i := range n {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(f(name, i))))
	}
	return out
}

// hash is FNV-1a of 64 bits.
func hash(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// uniform is number i of splitmix64 seeded with h, as a multiple of 2^-23 in [-1,1).
func uniform(h uint64, i int) float64 {
	s := h + uint64(i+1)*0x9e3779b97f4a7c15
	s = (s ^ s>>30) * 0xbf58476d1ce4e5b9
	s = (s ^ s>>27) * 0x94d049bb133111eb
	s ^= s >> 31
	return float64(int64(s>>40)-8388608) / (1 << 23)
}

func u(name string, i int) float64 { return uniform(hash(name), i) }

func scaled(factor float64) func(string, int) float64 {
	return func(name string, i int) float64 { return factor * u(name, i) }
}

// position splits an index of a statistics table into truncation and channel. One set of
// statistics is that of truncation 1.
func position(shape []int, i int) (t float64, channel int) {
	if len(shape) == 1 {
		return 1, i
	}
	return float64(i/shape[1]) / float64(shape[0]-1), i % shape[1]
}

func mean(moments [2]float64, shape []int) func(string, int) float64 {
	deviation := math.Sqrt(moments[1])
	return func(name string, i int) float64 {
		t, channel := position(shape, i)
		b, w := u(name+"#c", channel), u(name, i)
		shift := float64((0.2+float64(0.2*t))*b) + float64(0.05*w)
		return moments[0] + float64(deviation*shift)
	}
}

func variance(moments [2]float64, shape []int) func(string, int) float64 {
	return func(name string, i int) float64 {
		t, channel := position(shape, i)
		b, w := u(name+"#c", channel), u(name, i)
		v := moments[1] * (0.8 + float64(0.2*t))
		v *= 1 + float64(0.3*b)
		return v * (1 + float64(0.05*w))
	}
}
