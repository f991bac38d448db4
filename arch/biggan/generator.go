package biggan

import (
	"fmt"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/nn"
)

var (
	normNames      = nn.NormNames{Gain: "gain", Bias: "bias", Mean: "stored_mean", Var: "stored_var"}
	attentionNames = nn.AttentionNames{Theta: "theta", Phi: "phi", G: "g", Out: "o"}
)

// Generator builds G (BigGAN paper, appendix B, figure 15): inputs z [ZDim] and
// y [NumClasses], output image [3, Resolution, Resolution] in [-1, 1].
func Generator(name string, c Config) (*graph.Graph, error) { return generator(name, c, false) }

// PerBlock is the Generator whose blocks have a latent vector and a class of their own:
// z and y condition the first linear layer, graph.BlockInput("z", i) and
// graph.BlockInput("y", i) block i, which takes its chunk of that z. Where all are the
// same it computes what Generator does. Blocks that z does not reach have no z.
func PerBlock(name string, c Config) (*graph.Graph, error) { return generator(name, c, true) }

func generator(name string, c Config, perBlock bool) (*graph.Graph, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := graph.New(name)
	b.Grid(c.Grid())
	z, y := b.Input("z", c.ZDim), b.Input("y", c.NumClasses)
	var embedding *graph.Param
	if !c.ClassNorms {
		embedding = b.At("shared").Param("weight", graph.Weight, c.NumClasses, c.ClassEmbedDim)
	}
	var class *graph.Node
	if !perBlock { // the first linear layer takes no class
		class = embed(b.At("shared"), y, embedding)
	}

	side := c.bottom()
	x := nn.Linear(b.At("linear"), level(b, c, z, 0), c.Channels[0]*side*side)
	order := graph.CHW
	if c.ChannelsLast {
		order = graph.HWC
	}
	x = b.At("linear.reshape").Reshape(x, c.Channels[0], side, side, order)
	for i, out := range c.Channels[1:] {
		if perBlock {
			z, class = own(b, c, i, embedding)
		}
		cond := condition(b, c, i, z, class)
		x = block(b.At(fmt.Sprintf("blocks.%d.0", i)), x, cond, out, c)
		for _, a := range c.Attention {
			if a == i {
				x = nn.SelfAttention(b.At(fmt.Sprintf("blocks.%d.1", i)), attentionNames, x)
			}
		}
	}
	x = nn.Norm(b.At("output_layer.0"), normNames, x, nn.Stats{Rows: c.NStats}, c.FinalBNEps)
	x = b.At("output_layer.1").ReLU(x)
	x = nn.Conv(b.At("output_layer.2"), x, 3, 3)
	b.Output("image", b.At("image").Tanh(x))
	return b.Build()
}

// own is the latent vector and the class embedding of block i alone.
func own(b *graph.Builder, c Config, i int, embedding *graph.Param) (z, class *graph.Node) {
	if c.Hierarchical {
		z = b.Input(graph.BlockInput("z", i), c.ZDim)
	}
	y := b.Input(graph.BlockInput("y", i), c.NumClasses)
	return z, embed(b.At(fmt.Sprintf("@%d.shared", i)), y, embedding)
}

// embed is the class's embedding; without one, the class.
func embed(b *graph.Builder, y *graph.Node, embedding *graph.Param) *graph.Node {
	if embedding == nil {
		return y
	}
	return b.Embed(y, embedding, nil)
}

// level is the chunk of z that enters at a level: 0 is the first linear layer.
func level(b *graph.Builder, c Config, z *graph.Node, i int) *graph.Node {
	if !c.Hierarchical {
		return z
	}
	return b.At(fmt.Sprintf("z.%d", i)).Slice(z, i*c.chunk(), c.chunk())
}

// condition joins the class embedding and the block's chunk of z.
func condition(b *graph.Builder, c Config, i int, z, class *graph.Node) *graph.Node {
	if !c.Hierarchical {
		return class
	}
	chunk := level(b, c, z, i+1)
	at := b.At(fmt.Sprintf("cond.%d", i))
	if c.ZFirst {
		return at.Concat(chunk, class)
	}
	return at.Concat(class, chunk)
}

// block is the residual block of figure 15b: upsampling before the first 3x3 convolution
// and before the 1x1 of the shortcut.
func block(b *graph.Builder, x, cond *graph.Node, out int, c Config) *graph.Node {
	stats := nn.Stats{Rows: c.NStats}
	norm := nn.CondNorm
	if c.ClassNorms {
		norm = nn.ClassNorm
	}
	h := norm(b.At("bn1"), normNames, x, cond, stats, c.BNEps)
	h = b.At("upsample").Upsample(b.At("relu1").ReLU(h))
	h = nn.Conv(b.At("conv1"), h, out, 3)
	h = norm(b.At("bn2"), normNames, h, cond, stats, c.BNEps)
	h = nn.Conv(b.At("conv2"), b.At("relu2").ReLU(h), out, 3)
	shortcut := nn.Conv(b.At("conv_sc"), b.At("skip_upsample").Upsample(x), out, 1)
	return b.Add(h, shortcut)
}
