package convert

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/weights"
)

// hfSpectral are the three tensors that torch's spectral_norm keeps for a layer.
func hfSpectral(layer string) []rule {
	to := placeholder.ReplaceAllString(layer, "{}")
	return []rule{
		{From: layer + ".weight_orig", To: to + ".weight"},
		{From: layer + ".weight_u", To: to + ".u"},
		{From: layer + ".weight_v", To: to + ".v"},
	}
}

// hfRules are the names of Hugging Face's port of BigGAN-deep.
var hfRules = compile(
	[]rule{
		same("embeddings.weight"),
		same("generator.gen_z.bias"),
		same("generator.layers.{i}.conv_{k}.bias"),
		same("generator.layers.{i}.bn_{k}.running_{means|vars}"),
		same("generator.layers.{i}.gamma"),
		same("generator.bn.{weight|bias|running_means|running_vars}"),
		same("generator.conv_to_rgb.bias"),
	},
	hfSpectral("generator.gen_z"),
	hfSpectral("generator.layers.{i}.conv_{k}"),
	hfSpectral("generator.layers.{i}.bn_{k}.{scale|offset}"),
	hfSpectral("generator.layers.{i}.snconv1x1_{theta|phi|g|o_conv}"),
	hfSpectral("generator.conv_to_rgb"),
)

// openHF prepares the conversion of Hugging Face's names.
func openHF(tensors shapes, o Options) (*source, error) {
	s := &source{format: "hf", architecture: "biggan-deep", rules: hfRules, sigma: storedVectors, needsV: true}
	var c deep.Config
	var err error
	if o.Config != nil {
		if unknown := unknownKeys(o.Config, keys[deep.Config]()); o.OwnConfig && len(unknown) > 0 {
			return nil, fmt.Errorf("convert: %w: %w", weights.ErrFormat, checkKeys(o.Config, keys[deep.Config](), nil))
		} else if len(unknown) > 0 {
			s.notes = append(s.notes, fmt.Sprintf("config.json: not used: %s", strings.Join(unknown, ", ")))
		}
		if c, err = deep.ParseConfig(o.Config); err == nil && c.Port != deep.HuggingFace {
			err = fmt.Errorf("deep: config: port %q, but the tensors have Hugging Face's names", c.Port)
		}
	} else {
		c, err = hfConfig(tensors)
		s.notes = append(s.notes, "no config.json: read off the shapes; assumed eps 1e-4 and DeepMind's pattern of upsampling (every second block)")
	}
	if err != nil {
		return nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
	}
	s.grid = "no tables: one set of statistics"
	if c.NStats > 0 {
		s.grid = fmt.Sprintf("r/%d for r in 0..%d", c.NStats-1, c.NStats-1)
	}
	if s.config, err = json.Marshal(c); err != nil {
		return nil, err
	}
	s.graph, err = deep.Generator("checkpoint", c)
	return s, err
}

// hfConfig reads the config off the shapes.
func hfConfig(t shapes) (deep.Config, error) {
	c := deep.Config{AttentionLayerPosition: -1, Eps: 1e-4, OutputDim: 4}
	c.ClassEmbedDim, c.NumClasses = t.dim("embeddings.weight", 0), t.dim("embeddings.weight", 1)
	c.ChannelWidth = t.dim("generator.gen_z.weight_orig", 0) / (16 * 16)
	c.ZDim = t.dim("generator.gen_z.weight_orig", 1) - c.ClassEmbedDim
	c.NStats = t.dim("generator.bn.running_means", 0)
	if c.ChannelWidth < 1 {
		return c, fmt.Errorf("the first layer has %d outputs, want 256 a channel of width", t.dim("generator.gen_z.weight_orig", 0))
	}
	for i := 0; ; i++ {
		name := fmt.Sprintf("generator.layers.%d", i)
		if _, ok := t[name+".gamma"]; ok {
			c.AttentionLayerPosition = len(c.Layers)
			continue
		}
		in, out := t.dim(name+".conv_0.weight_orig", 1), t.dim(name+".conv_3.weight_orig", 0)
		if in == 0 || out == 0 {
			return c, c.Validate()
		}
		up := len(c.Layers)%2 == 1
		if up {
			c.OutputDim *= 2
		}
		c.Layers = append(c.Layers, deep.Layer{Up: up, In: in / c.ChannelWidth, Out: out / c.ChannelWidth})
	}
}
