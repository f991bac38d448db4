// Package biggan is the original BigGAN (Brock et al. 2019, section 3 and appendix B):
// residual blocks with learned shortcuts and a latent vector split into one chunk a level.
// Names are those of the BigGAN-PyTorch repository; options cover the differences between
// it and DeepMind's TensorFlow modules.
package biggan

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/biggan-zoo/biggan/graph"
)

// Config describes a generator.
type Config struct {
	Resolution    int   `json:"resolution"` // pixels a side
	ZDim          int   `json:"z_dim"`      // all chunks together
	ClassEmbedDim int   `json:"class_embed_dim"`
	NumClasses    int   `json:"num_classes"`
	Channels      []int `json:"channels"` // input of the first block, then output of each block
	// Attention are the blocks (from 0) that self-attention follows.
	Attention []int `json:"attention"`
	// Hierarchical splits z into 1 + blocks chunks; otherwise z enters at the first linear layer alone.
	Hierarchical bool    `json:"hierarchical"`
	BNEps        float64 `json:"bn_eps"`
	FinalBNEps   float64 `json:"final_bn_eps"`
	// NStats is the number of rows of the statistics tables, for truncations 1/NStats .. 1; 0 = one set for all.
	NStats int `json:"n_stats"`
	// ZFirst: conditioning is (z chunk, embedding) as in TensorFlow, not (embedding, z chunk).
	ZFirst bool `json:"z_first"`
	// ClassNorms: every norm has a gain and a bias for each class, without spectral norm, in
	// place of projections of a shared embedding (mmgeneration's with_shared_embedding = false).
	ClassNorms bool `json:"class_norms,omitempty"`
	// ChannelsLast: the first linear layer is laid out [h,w,c] as in TensorFlow, not [c,h,w].
	ChannelsLast bool `json:"channels_last"`
}

// ParseConfig reads the JSON form and validates it.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("biggan: config: %w", err)
	}
	return c, c.Validate()
}

// blocks is the number of residual blocks; each doubles the resolution.
func (c Config) blocks() int { return len(c.Channels) - 1 }

// bottom is the side of the first feature map.
func (c Config) bottom() int { return c.Resolution >> c.blocks() }

// chunk is the length of one part of z.
func (c Config) chunk() int {
	if !c.Hierarchical {
		return c.ZDim
	}
	return c.ZDim / (c.blocks() + 1)
}

func (c Config) leastEmbedding() int {
	if c.ClassNorms {
		return 0
	}
	return 1
}

// Validate reports the first value that describes no network.
func (c Config) Validate() error {
	if n := c.blocks(); n < 1 || n > 12 {
		return fmt.Errorf("biggan: config: %d channels, want 2 to 13 (one more than blocks)", len(c.Channels))
	}
	for _, f := range []struct {
		name      string
		v, lo, hi int
	}{
		{"resolution", c.Resolution, 4, 1 << 13},
		{"z_dim", c.ZDim, 1, 1 << 16},
		{"class_embed_dim", c.ClassEmbedDim, c.leastEmbedding(), 1 << 16},
		{"num_classes", c.NumClasses, 1, 1 << 20},
		{"n_stats", c.NStats, 0, 1 << 12},
		{"smallest number of channels", slices.Min(c.Channels), 1, 1 << 16},
		{"largest number of channels", slices.Max(c.Channels), 1, 1 << 16},
	} {
		if f.v < f.lo || f.v > f.hi {
			return fmt.Errorf("biggan: config: %s is %d, want %d to %d", f.name, f.v, f.lo, f.hi)
		}
	}
	if c.bottom() < 1 || c.bottom()<<c.blocks() != c.Resolution {
		return fmt.Errorf("biggan: config: resolution %d cannot be halved %d times", c.Resolution, c.blocks())
	}
	if c.Hierarchical && c.ZDim%(c.blocks()+1) != 0 {
		return fmt.Errorf("biggan: config: z_dim %d does not split into %d chunks", c.ZDim, c.blocks()+1)
	}
	if c.ClassNorms && (c.Hierarchical || c.ClassEmbedDim != 0) {
		return fmt.Errorf("biggan: config: class_norms goes with class_embed_dim 0 and without hierarchical")
	}
	for _, a := range c.Attention {
		if a < 0 || a >= c.blocks() {
			return fmt.Errorf("biggan: config: attention after block %d of %d", a, c.blocks())
		}
	}
	for _, eps := range []float64{c.BNEps, c.FinalBNEps} {
		if !(eps >= 0 && eps < 1) {
			return fmt.Errorf("biggan: config: batch norm epsilon is %v, want 0 to 1", eps)
		}
	}
	return nil
}

// Grid is the truncation grid of the statistics tables: 1/n .. 1.
func (c Config) Grid() graph.StatsGrid {
	if c.NStats == 0 {
		return graph.StatsGrid{}
	}
	return graph.StatsGrid{Rows: c.NStats, First: 1 / float64(c.NStats), Last: 1}
}

// The released generators (DeepMind, 2018): 1000 classes, width 96. The configs follow
// BigGAN-PyTorch, as its converter of these weights does; DeepMind's own modules set
// NStats 50, ZFirst and ChannelsLast.
var (
	BigGAN128 = released(128, 120, 3, 16, 16, 8, 4, 2, 1)
	BigGAN256 = released(256, 140, 4, 16, 16, 8, 8, 4, 2, 1)
	BigGAN512 = released(512, 128, 3, 16, 16, 8, 8, 4, 2, 1, 1)
)

func released(resolution, z, attention int, widths ...int) Config {
	for i := range widths {
		widths[i] *= 96
	}
	return Config{
		Resolution: resolution, ZDim: z, ClassEmbedDim: 128, NumClasses: 1000, Channels: widths,
		Attention: []int{attention}, Hierarchical: true, BNEps: 1e-4, FinalBNEps: 1e-5,
	}
}
