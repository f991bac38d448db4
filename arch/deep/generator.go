package deep

import (
	"fmt"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/nn"
)

// Generator builds G (BigGAN paper, appendix B, figure 16): inputs z [ZDim] and
// y [NumClasses], output image [3, OutputDim, OutputDim] in [-1, 1].
func Generator(name string, c Config) (*graph.Graph, error) { return generator(name, c, false) }

// PerBlock is the Generator whose blocks have a latent vector and a class of their own:
// z and y condition the first linear layer, graph.BlockInput("z", i) and
// graph.BlockInput("y", i) block i. Where all are the same it computes what Generator does.
func PerBlock(name string, c Config) (*graph.Graph, error) { return generator(name, c, true) }

func generator(name string, c Config, perBlock bool) (*graph.Graph, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := c.parts()
	b := graph.New(name)
	b.Grid(c.Grid())
	embed := p.embed(b, c)
	first, each := p.conditions(b, c, embed, b.Input("z", c.ZDim), b.Input("y", c.NumClasses))

	ch := c.ChannelWidth
	x := nn.Linear(b.At(p.linear), first, 4*4*c.Layers[0].In*ch)
	x = b.At(p.linear+".reshape").Reshape(x, c.Layers[0].In*ch, 4, 4, p.order)
	for i, l := range c.Layers {
		if c.attentionBefore(i) {
			x = nn.SelfAttention(b.At(p.attentionAt(c, i)), p.attention, x)
		}
		if perBlock {
			z, y := b.Input(graph.BlockInput("z", i), c.ZDim), b.Input(graph.BlockInput("y", i), c.NumClasses)
			_, each = p.conditions(b.At(fmt.Sprintf("@%d", i)), c, embed, z, y)
		}
		x = block(b.At(p.blockAt(c, i)), p, x, each, l.Out*ch, l.Up, c)
	}
	if last := len(c.Layers); c.attentionBefore(last) {
		x = nn.SelfAttention(b.At(p.attentionAt(c, last)), p.attention, x)
	}
	b.Output("image", p.toRGB(b, x, c))
	return b.Build()
}

// conditions is what the first linear layer and the blocks are conditioned by.
func (p parts) conditions(b *graph.Builder, c Config, embed embedding, z, y *graph.Node) (first, each *graph.Node) {
	class := embed(b, y)
	cond := p.condition(b, z, class)
	if c.ZOnlyAtInput {
		return z, class
	}
	return cond, cond
}

// block is the bottleneck residual block (figure 16b): 1x1 to a quarter of the channels,
// two 3x3 of which the first follows the upsampling, 1x1 to out channels. The skip keeps
// the first out channels and is upsampled; a learned one is upsampled and convolved.
func block(b *graph.Builder, p parts, x, cond *graph.Node, out int, up bool, c Config) *graph.Node {
	hidden := x.Shape[0] / 4
	stats := nn.Stats{Rows: c.NStats}
	normed := func(i int, h *graph.Node) *graph.Node {
		h = nn.CondNorm(b.At(p.norms[i]), p.norm, h, cond, stats, c.Eps)
		return b.At("relu_" + p.norms[i]).ReLU(h)
	}
	h := nn.Conv(b.At(p.convs[0]), normed(0, x), hidden, 1)
	h = normed(1, h)
	if up {
		h = b.At("upsample").Upsample(h)
	}
	h = nn.Conv(b.At(p.convs[1]), h, hidden, 3)
	h = nn.Conv(b.At(p.convs[2]), normed(2, h), hidden, 3)
	h = nn.Conv(b.At(p.convs[3]), normed(3, h), out, 1)

	if c.LearnedSkip {
		if up {
			x = b.At("skip_upsample").Upsample(x)
		}
		return b.Add(h, nn.Conv(b.At("conv_sc"), x, out, 1))
	}
	if out < x.Shape[0] {
		x = b.At("skip_channels").Slice(x, 0, out)
	}
	if up {
		x = b.At("skip_upsample").Upsample(x)
	}
	return b.Add(x, h)
}
