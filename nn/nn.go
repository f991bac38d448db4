// Package nn holds the layers that both networks share: spectrally normalised
// linear and convolution layers, conditional batch normalisation and self-attention.
// A constructor declares its parameters, so that it is the schema as well as the layer.
package nn

import "github.com/biggan-zoo/biggan/graph"

// spectral declares weight, sigma, u and v of a spectrally normalised layer
// (Miyato et al. 2018; BigGAN, section 3) with out rows and fan values a row.
func spectral(b *graph.Builder, shape ...int) (weight, sigma *graph.Param) {
	fan := 1
	for _, d := range shape[1:] {
		fan *= d
	}
	weight = b.Param("weight", graph.Weight, shape...)
	sigma = b.Param("sigma", graph.Sigma, 1)
	b.Param("u", graph.U, shape[0])
	b.Param("v", graph.V, fan)
	return weight, sigma
}

// Linear is a spectrally normalised linear layer with bias: [in] to [out].
func Linear(b *graph.Builder, x *graph.Node, out int) *graph.Node {
	w, sigma := spectral(b, out, x.Shape[0])
	return b.Linear(x, w, b.Param("bias", graph.Bias, out), sigma)
}

// project is a spectrally normalised linear layer without bias.
func project(b *graph.Builder, x *graph.Node, out int) *graph.Node {
	w, sigma := spectral(b, out, x.Shape[0])
	return b.Linear(x, w, nil, sigma)
}

// Conv is a spectrally normalised k x k convolution with bias: [in,H,W] to [out,H,W].
func Conv(b *graph.Builder, x *graph.Node, out, k int) *graph.Node {
	w, sigma := spectral(b, out, x.Shape[0], k, k)
	return b.Conv(x, w, b.Param("bias", graph.Bias, out), sigma)
}

// pointwise is a spectrally normalised 1x1 convolution without bias.
func pointwise(b *graph.Builder, x *graph.Node, out int) *graph.Node {
	w, sigma := spectral(b, out, x.Shape[0], 1, 1)
	return b.Conv(x, w, nil, sigma)
}

// Embed is a spectrally normalised class embedding: [classes] to [dim].
func Embed(b *graph.Builder, y *graph.Node, dim int) *graph.Node {
	w, sigma := spectral(b, y.Shape[0], dim)
	return b.Embed(y, w, sigma)
}

// Projection is the head of a discriminator (Miyato and Koyama 2018): a linear score of the
// summed features, and their inner product with the class's embedding.
func Projection(b *graph.Builder, x, y *graph.Node) *graph.Node {
	h := b.At("features").Sum(b.At("features.relu").ReLU(x))
	score := Linear(b.At("linear"), h, 1)
	match := b.At("projection").Dot(Embed(b.At("embed"), y, x.Shape[0]), h)
	return b.At("logit").Add(score, match)
}

// NormNames are the names that a port gives to the parts of its batch norms.
type NormNames struct {
	Gain, Bias string // projections of a conditional norm, parameters of an affine one
	Mean, Var  string // statistics
}

// Stats is the form of the statistics of every norm in a network.
type Stats struct {
	Rows int // rows of the tables; 0 = one set of shape [C]
}

func (s Stats) params(b *graph.Builder, names NormNames, channels int) (mean, variance *graph.Param) {
	shape := []int{channels}
	if s.Rows > 0 {
		shape = []int{s.Rows, channels}
	}
	return b.Param(names.Mean, graph.Mean, shape...), b.Param(names.Var, graph.Var, shape...)
}

// CondNorm is class-conditional batch normalisation (BigGAN, appendix C): gain and bias
// are linear in cond, the gain centred at 1.
func CondNorm(b *graph.Builder, names NormNames, x, cond *graph.Node, stats Stats, eps float64) *graph.Node {
	mean, variance := stats.params(b, names, x.Shape[0])
	scale := project(b.At(names.Gain), cond, x.Shape[0])
	offset := project(b.At(names.Bias), cond, x.Shape[0])
	return b.CondNorm(x, scale, offset, mean, variance, eps)
}

// ClassNorm is batch normalisation with a gain, centred at 1, and a bias for each class of
// y, without spectral norm.
func ClassNorm(b *graph.Builder, names NormNames, x, y *graph.Node, stats Stats, eps float64) *graph.Node {
	mean, variance := stats.params(b, names, x.Shape[0])
	each := func(b *graph.Builder) *graph.Node {
		return b.Linear(y, b.Param("weight", graph.Weight, x.Shape[0], y.Shape[0]), nil, nil)
	}
	return b.CondNorm(x, each(b.At(names.Gain)), each(b.At(names.Bias)), mean, variance, eps)
}

// Norm is batch normalisation with stored gain and bias.
func Norm(b *graph.Builder, names NormNames, x *graph.Node, stats Stats, eps float64) *graph.Node {
	mean, variance := stats.params(b, names, x.Shape[0])
	gain := b.Param(names.Gain, graph.Gain, x.Shape[0])
	bias := b.Param(names.Bias, graph.Bias, x.Shape[0])
	return b.AffineNorm(x, gain, bias, mean, variance, eps)
}

// AttentionNames are the names that a port gives to the convolutions of self-attention.
type AttentionNames struct{ Theta, Phi, G, Out string }

// SelfAttention is the non-local block (Zhang et al. 2018): x + gamma·o(attention).
// Queries have C/8 channels, values C/2; keys and values are max-pooled 2x2.
func SelfAttention(b *graph.Builder, names AttentionNames, x *graph.Node) *graph.Node {
	c := x.Shape[0]
	if c < 8 {
		b.Fail("self-attention needs at least 8 channels, got %d", c)
		return x
	}
	theta := pointwise(b.At(names.Theta), x, c/8)
	phi := pointwise(b.At(names.Phi), x, c/8)
	g := pointwise(b.At(names.G), x, c/2)
	a := b.At("attention").Attention(theta, b.At("pool_phi").MaxPool(phi), b.At("pool_g").MaxPool(g))
	o := pointwise(b.At(names.Out), a, c)
	return b.AddScaled(x, o, b.Param("gamma", graph.Gain, 1))
}
