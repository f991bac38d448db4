package biggan

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/graph"
)

var releasedModels = []struct {
	config    Config
	params    int64
	attention string // its node
}{{BigGAN128, 70_433_988, "blocks.3.1"}, {BigGAN256, 82_097_604, "blocks.4.1"}, {BigGAN512, 82_296_804, "blocks.3.1"}}

func build(t *testing.T, c Config) *graph.Graph {
	t.Helper()
	g, err := Generator("test", c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestReleased(t *testing.T) {
	for _, m := range releasedModels {
		g := build(t, m.config)
		if got := g.ParamCount(); got != m.params {
			t.Errorf("biggan %d has %d parameters, want %d", m.config.Resolution, got, m.params)
		}
		if n, ok := g.Node(m.attention); !ok || n.Op != graph.AddScaled {
			t.Errorf("biggan %d has no attention at %s", m.config.Resolution, m.attention)
		}
		if out := g.Outputs[0].Node.Shape; fmt.Sprint(out) != fmt.Sprintf("[3 %d %d]", m.config.Resolution, m.config.Resolution) {
			t.Errorf("biggan %d makes %v", m.config.Resolution, out)
		}
	}
}

// TestDeepMindOptions builds what DeepMind's modules hold: tables of 50 rows, z before the
// embedding, a first layer with channels last.
func TestDeepMindOptions(t *testing.T) {
	c := BigGAN128
	c.NStats, c.ZFirst, c.ChannelsLast = 50, true, true
	g := build(t, c)
	if g.Grid != (graph.StatsGrid{Rows: 50, First: 0.02, Last: 1}) {
		t.Errorf("grid %+v", g.Grid)
	}
	cond, _ := g.Node("cond.0")
	if cond.In[0].Name != "z.1" || cond.In[1].Name != "shared" {
		t.Errorf("conditioning is (%s, %s), want (z.1, shared)", cond.In[0].Name, cond.In[1].Name)
	}
	if r, _ := g.Node("linear.reshape"); r.Order != graph.HWC {
		t.Error("the first layer is not channels last")
	}
}

func TestConfigRoundTrip(t *testing.T) {
	data, err := json.Marshal(BigGAN256)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ParseConfig(data)
	if err != nil || fmt.Sprint(c) != fmt.Sprint(BigGAN256) {
		t.Errorf("%v becomes %v, %v", BigGAN256, c, err)
	}
}

func TestBadConfigs(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no blocks":      {func(c *Config) { c.Channels = []int{8} }, "channels"},
		"too many":       {func(c *Config) { c.Channels = make([]int, 100) }, "channels"},
		"resolution":     {func(c *Config) { c.Resolution = 100 }, "cannot be halved"},
		"chunks":         {func(c *Config) { c.ZDim = 121 }, "does not split"},
		"attention":      {func(c *Config) { c.Attention = []int{5} }, "attention after block 5"},
		"few channels":   {func(c *Config) { c.Channels = []int{8, 8, 8, 8, 4, 4} }, "at least 8 channels"},
		"zero channels":  {func(c *Config) { c.Channels = []int{8, 0} }, "channels"},
		"epsilon":        {func(c *Config) { c.BNEps = 2 }, "epsilon"},
		"class norms":    {func(c *Config) { c.ClassNorms = true }, "class_norms"},
		"no embedding":   {func(c *Config) { c.ClassEmbedDim = 0 }, "class_embed_dim"},
		"huge embedding": {func(c *Config) { c.ClassEmbedDim = 1 << 40 }, "class_embed_dim"},
	} {
		t.Run(name, func(t *testing.T) {
			config := BigGAN128
			c.change(&config)
			if _, err := Generator("bad", config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
		})
	}
}

// TestDiscriminatorParameters counts the D of 128 pixels (BigGAN paper, appendix B).
func TestDiscriminatorParameters(t *testing.T) {
	g, err := Discriminator("test", DiscriminatorConfig{
		Resolution: 128, NumClasses: 1000, Channels: []int{3, 96, 192, 384, 768, 1536, 1536}, Pools: 5, Attention: []int{0},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.ParamCount(); got != 87_982_370 {
		t.Errorf("%d parameters, want 87982370", got)
	}
	for name, c := range map[string]DiscriminatorConfig{
		"no blocks": {Resolution: 4, NumClasses: 1, Channels: []int{3}},
		"grey":      {Resolution: 4, NumClasses: 1, Channels: []int{1, 2}},
		"odd":       {Resolution: 6, NumClasses: 1, Channels: []int{3, 2, 2}, Pools: 2},
		"pools":     {Resolution: 64, NumClasses: 1, Channels: []int{3, 2}, Pools: 2},
		"classes":   {Resolution: 64, NumClasses: 1 << 40, Channels: []int{3, 2}},
		"attention": {Resolution: 64, NumClasses: 1, Channels: []int{3, 8}, Attention: []int{1}},
	} {
		if _, err := Discriminator(name, c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
