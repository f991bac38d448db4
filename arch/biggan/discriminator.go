package biggan

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/nn"
)

// DiscriminatorConfig describes a discriminator.
type DiscriminatorConfig struct {
	Resolution int   `json:"resolution"` // pixels a side
	NumClasses int   `json:"num_classes"`
	Channels   []int `json:"channels"` // of the picture (3), then output of each block
	Pools      int   `json:"pools"`    // the first so many blocks halve the resolution
	// Attention are the blocks (from 0) that self-attention follows.
	Attention []int `json:"attention"`
}

// ParseDiscriminatorConfig reads the JSON form and validates it.
func ParseDiscriminatorConfig(data []byte) (DiscriminatorConfig, error) {
	var c DiscriminatorConfig
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("biggan: config: %w", err)
	}
	return c, c.Validate()
}

// Validate reports the first value that describes no network.
func (c DiscriminatorConfig) Validate() error {
	blocks := len(c.Channels) - 1
	switch {
	case blocks < 1 || blocks > 12:
		return fmt.Errorf("biggan: config: %d channels, want 2 to 13 (one more than blocks)", len(c.Channels))
	case c.Channels[0] != 3 || slices.Min(c.Channels) < 1 || slices.Max(c.Channels) > 1<<16:
		return fmt.Errorf("biggan: config: channels %v, want 3 and then 1 to %d", c.Channels, 1<<16)
	case c.NumClasses < 1 || c.NumClasses > 1<<20:
		return fmt.Errorf("biggan: config: num_classes is %d, want 1 to %d", c.NumClasses, 1<<20)
	case c.Pools < 0 || c.Pools > blocks:
		return fmt.Errorf("biggan: config: %d pools in %d blocks", c.Pools, blocks)
	case c.Resolution < 1 || c.Resolution > 1<<13 || c.Resolution>>c.Pools<<c.Pools != c.Resolution:
		return fmt.Errorf("biggan: config: resolution %d cannot be halved %d times", c.Resolution, c.Pools)
	}
	for _, a := range c.Attention {
		if a < 0 || a >= blocks {
			return fmt.Errorf("biggan: config: attention after block %d of %d", a, blocks)
		}
	}
	return nil
}

// Discriminator builds D (BigGAN paper, appendix B, figure 15c): inputs x [3, Resolution,
// Resolution] in [-1, 1] and y [NumClasses], output logit [1].
func Discriminator(name string, c DiscriminatorConfig) (*graph.Graph, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := graph.New(name)
	x, y := b.InputMap("x", 3, c.Resolution, c.Resolution), b.Input("y", c.NumClasses)
	for i, out := range c.Channels[1:] {
		x = downBlock(b.At(fmt.Sprintf("blocks.%d.0", i)), x, out, i > 0, i < c.Pools)
		if slices.Contains(c.Attention, i) {
			x = nn.SelfAttention(b.At(fmt.Sprintf("blocks.%d.1", i)), attentionNames, x)
		}
	}
	b.Output("logit", nn.Projection(b, x, y))
	return b.Build()
}

// downBlock is the residual block of figure 15c. The first one has no ReLU before its first
// convolution, and pools before the 1x1 of the shortcut; the others pool after it.
func downBlock(b *graph.Builder, x *graph.Node, out int, preactivation, pool bool) *graph.Node {
	h := x
	if preactivation {
		h = b.At("relu1").ReLU(h)
	}
	h = nn.Conv(b.At("conv1"), h, out, 3)
	h = nn.Conv(b.At("conv2"), b.At("relu2").ReLU(h), out, 3)
	if pool {
		h = b.At("pool").AvgPool(h)
	}
	shortcut := x
	if pool && !preactivation {
		shortcut = b.At("pool_sc").AvgPool(shortcut)
	}
	if pool || x.Shape[0] != out {
		shortcut = nn.Conv(b.At("conv_sc"), shortcut, out, 1)
	}
	if pool && preactivation {
		shortcut = b.At("pool_sc").AvgPool(shortcut)
	}
	return b.Add(h, shortcut)
}
