package deep

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/graph"
)

// released are the networks with their parameter counts, as the papers and ports count them.
var releasedModels = []struct {
	config Config
	params int64
}{{Deep128, 50_388_609}, {Deep256, 55_880_833}, {Deep512, 56_163_905}}

func TestParameterCounts(t *testing.T) {
	for _, m := range releasedModels {
		g := build(t, m.config)
		if got := g.ParamCount(); got != m.params {
			t.Errorf("deep %d has %d parameters, want %d", m.config.OutputDim, got, m.params)
		}
	}
}

func build(t *testing.T, c Config) *graph.Graph {
	t.Helper()
	g, err := Generator("test", c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestSchemaIsTheInventory compares the schema with the tensor list of the Hugging Face
// files: every tensor of the one stands in the other with its shape; sigma is ours.
func TestSchemaIsTheInventory(t *testing.T) {
	suffix := strings.NewReplacer(".weight_orig", ".weight", ".weight_u", ".u", ".weight_v", ".v")
	for _, m := range releasedModels {
		want := map[string][]int{}
		for name, shape := range goldentest.Inventory(t, fmt.Sprintf("hf_deep_%d", m.config.OutputDim)) {
			want[suffix.Replace(name)] = shape
		}
		for _, p := range build(t, m.config).Params() {
			if p.Role == graph.Sigma {
				continue
			}
			if !slices.Equal(want[p.Name], p.Shape) {
				t.Errorf("%s is %v, the inventory has %v", p.Name, p.Shape, want[p.Name])
			}
			delete(want, p.Name)
		}
		if len(want) > 0 {
			t.Errorf("deep %d lacks %v", m.config.OutputDim, want)
		}
	}
}

func TestConfigRoundTrip(t *testing.T) {
	for _, m := range releasedModels {
		data, err := json.Marshal(m.config)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseConfig(data)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(c) != fmt.Sprint(m.config) {
			t.Errorf("%v becomes %v", m.config, c)
		}
	}
}

func TestBadConfigs(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no layers":      {func(c *Config) { c.Layers = nil }, "number of layers"},
		"wrong size":     {func(c *Config) { c.OutputDim = 64 }, "the layers make 128"},
		"growing":        {func(c *Config) { c.Layers = []Layer{{true, 1, 2}}; c.OutputDim = 8 }, "cannot grow"},
		"mismatch":       {func(c *Config) { c.Layers = []Layer{{true, 2, 2}, {false, 1, 1}}; c.OutputDim = 8 }, "takes 1 channels"},
		"huge z":         {func(c *Config) { c.ZDim = 1_000_000_000_000 }, "z_dim"},
		"no classes":     {func(c *Config) { c.NumClasses = 0 }, "num_classes"},
		"one row":        {func(c *Config) { c.NStats = 1 }, "n_stats"},
		"negative eps":   {func(c *Config) { c.Eps = -1 }, "eps"},
		"attention":      {func(c *Config) { c.AttentionLayerPosition = 99 }, "attention_layer_position"},
		"unknown port":   {func(c *Config) { c.Port = "x" }, "port"},
		"two channels":   {func(c *Config) { c.RGBChannels = 2 }, "rgb_channels"},
		"learned grows":  {func(c *Config) { c.LearnedSkip, c.Layers = true, []Layer{{true, 1, 1 << 13}} }, "layers[0] out"},
		"narrow":         {func(c *Config) { c.ChannelWidth = 1 }, "bottleneck"},
		"overflow sides": {func(c *Config) { c.Layers = make([]Layer, 100); c.Layers[0] = Layer{true, 1, 1} }, "layers[1]"},
	} {
		t.Run(name, func(t *testing.T) {
			config := Deep128
			config.AttentionLayerPosition = -1
			c.change(&config)
			if _, err := Generator("bad", config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
		})
	}
}

// TestAttentionNames checks that attention is counted among Hugging Face's layers and
// belongs to the block before it in BigGAN-PyTorch.
func TestAttentionNames(t *testing.T) {
	g := build(t, Deep128)
	if n, ok := g.Node("generator.layers.8"); !ok || n.Op != graph.AddScaled {
		t.Errorf("layer 8 is %v, want the attention", n)
	}
	c := Deep128
	c.Port, c.NStats, c.AttentionLayerPosition = BigGANPyTorch, 0, 8
	g = build(t, c)
	if n, ok := g.Node("blocks.7.1"); !ok || n.Op != graph.AddScaled {
		t.Errorf("blocks.7.1 is %v, want the attention", n)
	}
}

// TestDiscriminatorParameters counts the D of 128 pixels.
func TestDiscriminatorParameters(t *testing.T) {
	good := DiscriminatorConfig{
		Resolution: 128, NumClasses: 1000, InputChannels: 128, Stages: []int{256, 512, 1024, 2048, 2048}, Depth: 2, Pools: 5, Attention: []int{0},
	}
	g, err := Discriminator("test", good)
	if err != nil {
		t.Fatal(err)
	}
	if got := g.ParamCount(); got != 34_590_210 {
		t.Errorf("%d parameters, want 34590210", got)
	}
	for name, change := range map[string]func(c *DiscriminatorConfig){
		"shrinking": func(c *DiscriminatorConfig) { c.Stages = []int{64} },
		"odd":       func(c *DiscriminatorConfig) { c.Resolution = 100 },
		"depth":     func(c *DiscriminatorConfig) { c.Depth = 0 },
		"attention": func(c *DiscriminatorConfig) { c.Attention = []int{9} },
		"classes":   func(c *DiscriminatorConfig) { c.NumClasses = 0 },
	} {
		c := good
		change(&c)
		if _, err := Discriminator(name, c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
