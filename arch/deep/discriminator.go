package deep

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/nn"
)

// DiscriminatorConfig describes a discriminator, under BigGAN-PyTorch's names; DeepMind
// released none.
type DiscriminatorConfig struct {
	Resolution    int   `json:"resolution"` // pixels a side
	NumClasses    int   `json:"num_classes"`
	InputChannels int   `json:"input_channels"` // of the first convolution
	Stages        []int `json:"stages"`         // channels of each stage
	Depth         int   `json:"depth"`          // blocks a stage (D_depth)
	Pools         int   `json:"pools"`          // the first so many stages halve the resolution
	// Attention are the stages (from 0) that self-attention follows.
	Attention []int `json:"attention"`
}

// ParseDiscriminatorConfig reads the JSON form and validates it.
func ParseDiscriminatorConfig(data []byte) (DiscriminatorConfig, error) {
	var c DiscriminatorConfig
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("deep: config: %w", err)
	}
	return c, c.Validate()
}

// Validate reports the first value that describes no network.
func (c DiscriminatorConfig) Validate() error {
	for _, f := range []struct {
		name      string
		v, lo, hi int
	}{
		{"resolution", c.Resolution, 1, 1 << 13},
		{"num_classes", c.NumClasses, 1, 1 << 20},
		{"input_channels", c.InputChannels, 1, 1 << 16},
		{"number of stages", len(c.Stages), 1, 12},
		{"depth", c.Depth, 1, 64},
		{"pools", c.Pools, 0, len(c.Stages)},
	} {
		if err := between(f.name, f.v, f.lo, f.hi); err != nil {
			return err
		}
	}
	if c.Resolution>>c.Pools<<c.Pools != c.Resolution {
		return fmt.Errorf("deep: config: resolution %d cannot be halved %d times", c.Resolution, c.Pools)
	}
	in := c.InputChannels
	for i, out := range c.Stages {
		if err := between(fmt.Sprintf("stages[%d]", i), out, max(in, 4), 1<<16); err != nil {
			return fmt.Errorf("%w: the skip keeps its channels and cannot shrink, a bottleneck of a quarter needs 4", err)
		}
		in = out
	}
	for _, a := range c.Attention {
		if err := between("attention", a, 0, len(c.Stages)-1); err != nil {
			return err
		}
	}
	return nil
}

// Discriminator builds D (BigGAN paper, appendix B, figure 16c): inputs x [3, Resolution,
// Resolution] in [-1, 1] and y [NumClasses], output logit [1].
func Discriminator(name string, c DiscriminatorConfig) (*graph.Graph, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := graph.New(name)
	x, y := b.InputMap("x", 3, c.Resolution, c.Resolution), b.Input("y", c.NumClasses)
	x = nn.Conv(b.At("input_conv"), x, c.InputChannels, 3)
	for i, out := range c.Stages {
		for d := range c.Depth {
			x = downBlock(b.At(fmt.Sprintf("blocks.%d.%d", i, d)), x, out, d == 0 && i < c.Pools)
		}
		if slices.Contains(c.Attention, i) {
			x = nn.SelfAttention(b.At(fmt.Sprintf("blocks.%d.%d", i, c.Depth)), bigGANPyTorch.attention, x)
		}
	}
	b.Output("logit", nn.Projection(b, x, y))
	return b.Build()
}

// downBlock is the bottleneck residual block of figure 16c: the skip keeps its channels and
// gets the missing ones from a 1x1 convolution; the pooling comes before the last 1x1.
func downBlock(b *graph.Builder, x *graph.Node, out int, pool bool) *graph.Node {
	hidden := out / 4
	h := nn.Conv(b.At("conv1"), b.At("relu1").ReLU(x), hidden, 1)
	h = nn.Conv(b.At("conv2"), b.At("relu2").ReLU(h), hidden, 3)
	h = nn.Conv(b.At("conv3"), b.At("relu3").ReLU(h), hidden, 3)
	h = b.At("relu4").ReLU(h)
	if pool {
		h = b.At("pool").AvgPool(h)
		x = b.At("pool_sc").AvgPool(x)
	}
	h = nn.Conv(b.At("conv4"), h, out, 1)
	if more := out - x.Shape[0]; more > 0 {
		x = b.At("skip").Concat(x, nn.Conv(b.At("conv_sc"), x, more, 1))
	}
	return b.Add(x, h)
}
