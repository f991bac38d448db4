package deep

import (
	"fmt"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/nn"
)

// parts is what the two ports do differently: names, order of the conditioning,
// layout of the first linear layer, and the way to three channels.
type parts struct {
	linear       string
	norms, convs [4]string
	norm         nn.NormNames
	attention    nn.AttentionNames
	order        graph.Order
	embed        func(b *graph.Builder, c Config) embedding
	condition    func(b *graph.Builder, z, class *graph.Node) *graph.Node
	blockAt      func(c Config, i int) string
	attentionAt  func(c Config, i int) string // attention before block i
	toRGB        func(b *graph.Builder, x *graph.Node, c Config) *graph.Node
}

// embedding is the class embedding of a network, for any y: its weight is declared once.
type embedding func(b *graph.Builder, y *graph.Node) *graph.Node

func (c Config) parts() parts {
	if c.Port == BigGANPyTorch {
		return bigGANPyTorch
	}
	return huggingFace
}

var huggingFace = parts{
	linear:    "generator.gen_z",
	norms:     [4]string{"bn_0", "bn_1", "bn_2", "bn_3"},
	convs:     [4]string{"conv_0", "conv_1", "conv_2", "conv_3"},
	norm:      nn.NormNames{Gain: "scale", Bias: "offset", Mean: "running_means", Var: "running_vars"},
	attention: nn.AttentionNames{Theta: "snconv1x1_theta", Phi: "snconv1x1_phi", G: "snconv1x1_g", Out: "snconv1x1_o_conv"},
	order:     graph.HWC,
	embed: func(b *graph.Builder, c Config) embedding {
		w := b.At("embeddings").Param("weight", graph.Weight, c.ClassEmbedDim, c.NumClasses)
		return func(b *graph.Builder, y *graph.Node) *graph.Node { return b.At("embeddings").Linear(y, w, nil, nil) }
	},
	condition: func(b *graph.Builder, z, class *graph.Node) *graph.Node {
		return b.At("generator.cond").Concat(z, class)
	},
	// Hugging Face counts self-attention among the layers.
	blockAt: func(c Config, i int) string {
		return fmt.Sprintf("generator.layers.%d", i+c.attentionUpTo(i))
	},
	attentionAt: func(c Config, i int) string {
		return fmt.Sprintf("generator.layers.%d", i+c.attentionUpTo(i)-1)
	},
	// Hugging Face convolves to as many channels as it has and uses the first three;
	// mmgeneration has three.
	toRGB: func(b *graph.Builder, x *graph.Node, c Config) *graph.Node {
		bn := b.At("generator.bn")
		x = nn.Norm(bn, nn.NormNames{Gain: "weight", Bias: "bias", Mean: "running_means", Var: "running_vars"},
			x, nn.Stats{Rows: c.NStats}, c.finalEps())
		x = b.At("generator.relu").ReLU(x)
		channels := c.RGBChannels
		if channels == 0 {
			channels = x.Shape[0]
		}
		if x = nn.Conv(b.At("generator.conv_to_rgb"), x, channels, 3); channels != 3 {
			x = b.At("generator.rgb").Slice(x, 0, 3)
		}
		return b.At("image").Tanh(x)
	},
}

var bigGANPyTorch = parts{
	linear:    "linear",
	norms:     [4]string{"bn1", "bn2", "bn3", "bn4"},
	convs:     [4]string{"conv1", "conv2", "conv3", "conv4"},
	norm:      nn.NormNames{Gain: "gain", Bias: "bias", Mean: "stored_mean", Var: "stored_var"},
	attention: nn.AttentionNames{Theta: "theta", Phi: "phi", G: "g", Out: "o"},
	order:     graph.CHW,
	embed: func(b *graph.Builder, c Config) embedding {
		w := b.At("shared").Param("weight", graph.Weight, c.NumClasses, c.ClassEmbedDim)
		return func(b *graph.Builder, y *graph.Node) *graph.Node { return b.At("shared").Embed(y, w, nil) }
	},
	condition: func(b *graph.Builder, z, class *graph.Node) *graph.Node {
		return b.At("cond").Concat(class, z)
	},
	blockAt: func(_ Config, i int) string { return fmt.Sprintf("blocks.%d.0", i) },
	// Attention is the second module of the block that it follows.
	attentionAt: func(_ Config, i int) string { return fmt.Sprintf("blocks.%d.1", i-1) },
	toRGB: func(b *graph.Builder, x *graph.Node, c Config) *graph.Node {
		bn := b.At("output_layer.0")
		x = nn.Norm(bn, nn.NormNames{Gain: "gain", Bias: "bias", Mean: "stored_mean", Var: "stored_var"},
			x, nn.Stats{Rows: c.NStats}, c.finalEps())
		x = b.At("output_layer.1").ReLU(x)
		x = nn.Conv(b.At("output_layer.2"), x, 3, 3)
		return b.At("image").Tanh(x)
	},
}

// attentionUpTo counts the self-attention layers that stand before block i.
func (c Config) attentionUpTo(i int) int {
	n := 0
	for j := 0; j <= i; j++ {
		if c.attentionBefore(j) {
			n++
		}
	}
	return n
}
