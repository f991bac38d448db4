// Package deep is BigGAN-deep (Brock et al. 2019, appendix B): bottleneck residual
// blocks whose skip keeps the first channels.
//
// The same code builds two ports: DeepMind's networks under the names of the
// Hugging Face port, and BigGAN-PyTorch's own BigGANdeep, which differs in the order of
// its conditioning, its linear layer, its names and its three rgb channels.
package deep

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/biggan-zoo/biggan/graph"
)

// Layer is one residual block; channels are in units of Config.ChannelWidth.
type Layer struct {
	Up      bool // doubles the resolution
	In, Out int
}

// MarshalJSON writes [up, in, out], as config.json has it.
func (l Layer) MarshalJSON() ([]byte, error) { return json.Marshal([]any{l.Up, l.In, l.Out}) }

// UnmarshalJSON reads [up, in, out].
func (l *Layer) UnmarshalJSON(data []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	if len(parts) != 3 {
		return fmt.Errorf("layer has %d entries, want [up, in, out]", len(parts))
	}
	for i, into := range []any{&l.Up, &l.In, &l.Out} {
		if err := json.Unmarshal(parts[i], into); err != nil {
			return fmt.Errorf("layer entry %d: %w", i, err)
		}
	}
	return nil
}

// Port says whose version of the network a config describes.
type Port string

const (
	// HuggingFace is DeepMind's network under Hugging Face's names.
	HuggingFace Port = ""
	// BigGANPyTorch is the BigGANdeep class of the BigGAN-PyTorch repository.
	BigGANPyTorch Port = "biggan-pytorch"
)

// Config describes a generator. Its JSON form is the config.json of the Hugging Face
// port, with the fields at the end added where they differ from DeepMind's network.
type Config struct {
	OutputDim     int     `json:"output_dim"` // pixels a side
	ZDim          int     `json:"z_dim"`
	ClassEmbedDim int     `json:"class_embed_dim"`
	ChannelWidth  int     `json:"channel_width"`
	NumClasses    int     `json:"num_classes"`
	Layers        []Layer `json:"layers"`
	// AttentionLayerPosition is the block before which self-attention stands; -1 = none.
	AttentionLayerPosition int     `json:"attention_layer_position"`
	Eps                    float64 `json:"eps"`     // of every batch norm; of the spectral norm in Hugging Face's port
	NStats                 int     `json:"n_stats"` // rows of the statistics tables; 0 = one set for all truncations

	Port Port `json:"port,omitempty"`
	// FinalEps is the epsilon of the last batch norm where it differs; 0 = Eps.
	FinalEps float64 `json:"final_eps,omitempty"`
	// MoreAttention are further positions of self-attention, ascending (BigGAN-PyTorch's G_attn may name several).
	MoreAttention []int `json:"more_attention,omitempty"`
	// ZOnlyAtInput: class embedding alone conditions the blocks (BigGAN-PyTorch's hier = false).
	ZOnlyAtInput bool `json:"z_only_at_input,omitempty"`
	// LearnedSkip: the skip is upsampled and goes through a 1x1 convolution, where DeepMind's
	// keeps the first channels (StudioGAN's big_resnet_deep_studiogan).
	LearnedSkip bool `json:"learned_skip,omitempty"`
	// RGBChannels is how many channels the last convolution has, of which three are used;
	// 0 = the port's own: as many as it takes (Hugging Face) or three (BigGAN-PyTorch).
	RGBChannels int `json:"rgb_channels,omitempty"`
}

// ParseConfig reads the JSON form and validates it.
func ParseConfig(data []byte) (Config, error) {
	c := Config{AttentionLayerPosition: -1}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("deep: config: %w", err)
	}
	return c, c.Validate()
}

// finalEps is the epsilon of the last norm.
func (c Config) finalEps() float64 {
	if c.FinalEps != 0 {
		return c.FinalEps
	}
	return c.Eps
}

// attentionBefore reports whether self-attention stands before block i (after the last: i = len(Layers)).
func (c Config) attentionBefore(i int) bool {
	if i == c.AttentionLayerPosition {
		return true
	}
	for _, p := range c.MoreAttention {
		if p == i {
			return true
		}
	}
	return false
}

func between(name string, v, lo, hi int) error {
	if v < lo || v > hi {
		return fmt.Errorf("deep: config: %s is %d, want %d to %d", name, v, lo, hi)
	}
	return nil
}

// Validate reports the first value that describes no network.
func (c Config) Validate() error {
	for _, f := range []struct {
		name      string
		v, lo, hi int
	}{
		{"output_dim", c.OutputDim, 4, 1 << 13},
		{"z_dim", c.ZDim, 1, 1 << 16},
		{"class_embed_dim", c.ClassEmbedDim, 1, 1 << 16},
		{"channel_width", c.ChannelWidth, 1, 1 << 12},
		{"num_classes", c.NumClasses, 1, 1 << 20},
		{"number of layers", len(c.Layers), 1, 1 << 10},
		{"attention_layer_position", c.AttentionLayerPosition, -1, len(c.Layers)},
		{"n_stats", c.NStats, 0, 1 << 12},
		{"rgb_channels", c.RGBChannels, 0, 1 << 16},
	} {
		if err := between(f.name, f.v, f.lo, f.hi); err != nil {
			return err
		}
	}
	if c.NStats == 1 {
		return fmt.Errorf("deep: config: n_stats is 1, want 0 (no tables) or at least 2 rows")
	}
	if c.RGBChannels != 0 && (c.RGBChannels < 3 || c.Port == BigGANPyTorch) {
		return fmt.Errorf("deep: config: rgb_channels is %d, want at least 3, and of Hugging Face's port", c.RGBChannels)
	}
	if c.Port != HuggingFace && c.Port != BigGANPyTorch {
		return fmt.Errorf("deep: config: port is %q, want %q or none", c.Port, BigGANPyTorch)
	}
	for _, eps := range []float64{c.Eps, c.finalEps()} {
		if !(eps >= 0 && eps < 1) || math.IsNaN(eps) {
			return fmt.Errorf("deep: config: eps is %v, want 0 to 1", eps)
		}
	}
	return c.validateLayers()
}

func (c Config) validateLayers() error {
	side := 4
	for i, l := range c.Layers {
		name := fmt.Sprintf("layers[%d]", i)
		if err := between(name+" in", l.In, 1, 1<<12); err != nil {
			return err
		}
		if c.LearnedSkip {
			if err := between(name+" out", l.Out, 1, 1<<12); err != nil {
				return err
			}
		} else if err := between(name+" out", l.Out, 1, l.In); err != nil {
			return fmt.Errorf("%w: the skip keeps the first channels and cannot grow", err)
		}
		if l.In*c.ChannelWidth < 4 {
			return fmt.Errorf("deep: config: %s has %d channels, a bottleneck of a quarter needs 4", name, l.In*c.ChannelWidth)
		}
		if i > 0 && l.In != c.Layers[i-1].Out {
			return fmt.Errorf("deep: config: %s takes %d channels, the layer before gives %d", name, l.In, c.Layers[i-1].Out)
		}
		if l.Up && side <= c.OutputDim {
			side *= 2
		}
	}
	if side != c.OutputDim {
		return fmt.Errorf("deep: config: output_dim is %d, but the layers make %d pixels a side", c.OutputDim, side)
	}
	return nil
}

// Grid is the truncation grid of the statistics tables: r/(n-1) from 0.
func (c Config) Grid() graph.StatsGrid {
	if c.NStats == 0 {
		return graph.StatsGrid{}
	}
	return graph.StatsGrid{Rows: c.NStats, First: 0, Last: 1}
}

// The released generators (DeepMind, 2019): z 128, 1000 classes, width 128.
var (
	Deep128 = released(128, []Layer{
		{false, 16, 16}, {true, 16, 16}, {false, 16, 16}, {true, 16, 8}, {false, 8, 8}, {true, 8, 4},
		{false, 4, 4}, {true, 4, 2}, {false, 2, 2}, {true, 2, 1},
	})
	Deep256 = released(256, stages256)
	Deep512 = released(512, append(append([]Layer{}, stages256...), Layer{false, 1, 1}, Layer{true, 1, 1}))

	stages256 = []Layer{
		{false, 16, 16}, {true, 16, 16}, {false, 16, 16}, {true, 16, 8}, {false, 8, 8}, {true, 8, 8},
		{false, 8, 8}, {true, 8, 4}, {false, 4, 4}, {true, 4, 2}, {false, 2, 2}, {true, 2, 1},
	}
)

func released(resolution int, layers []Layer) Config {
	return Config{
		OutputDim: resolution, ZDim: 128, ClassEmbedDim: 128, ChannelWidth: 128, NumClasses: 1000,
		Layers: layers, AttentionLayerPosition: 8, Eps: 1e-4, NStats: 51,
	}
}
