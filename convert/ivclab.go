package convert

import (
	"fmt"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/weights"
)

// ivclab's BigGAN-Generator-Pretrained-Pytorch holds DeepMind's TF Hub modules of the
// original: conditioning (z, embedding), first layer [4,4,C], tables of 50 rows, epsilon 1e-4
// in every batch norm. Spectral norms are u·(W v), W with its axes in the order of TensorFlow.

const ivclabEps = 1e-4

func openIvclab(t shapes, o Options) (*source, error) {
	if err := o.takesNone("ivclab's BigGAN"); err != nil {
		return nil, err
	}
	s := &source{format: "ivclab", sigma: storedVectors, needsV: true}
	if err := s.ivclab(t); err != nil {
		return nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
	}
	s.notes = append(s.notes, fmt.Sprintf("batch norm epsilon %g, as the repository's code has it; between rows that code weighs them otherwise than TensorFlow does", ivclabEps))
	return s, nil
}

func (s *source) ivclab(t shapes) error {
	c := biggan.Config{Hierarchical: true, ZFirst: true, ChannelsLast: true, BNEps: ivclabEps, FinalBNEps: ivclabEps}
	c.NumClasses, c.ClassEmbedDim = t.dim("linear.weight", 0), t.dim("linear.weight", 1)
	var outs []int
	for i := 0; len(outs) < maxBlocks; i++ {
		out := t.dim(numbered("gblock", i)+".conv0.weight_orig", 0)
		if out == 0 {
			break
		}
		outs = append(outs, out)
	}
	const linear = "g_z.g_linear.weight_orig"
	c.ZDim = t.dim(linear, 1) * (len(outs) + 1)
	if err := originalBlocks(&c, t.dim("gblock.conv0.weight_orig", 1), outs, t.dim(linear, 0)); err != nil {
		return err
	}
	c.NStats = t.dim("scaledcrossreplicabn.standing_means", 0)
	s.grid = statsGrid(c.NStats, fmt.Sprintf("1/%d", c.NStats))
	// The block before the attention is the one with its number of channels.
	if channels := t.dim("attention.theta.weight_orig", 1); channels != 0 {
		for i, out := range outs {
			if out == channels {
				c.Attention = append(c.Attention, i)
			}
		}
		if len(c.Attention) != 1 {
			return fmt.Errorf("the attention has %d channels, as %d blocks have: no telling after which it stands", channels, len(c.Attention))
		}
	}
	s.rules = compile(ivclabRules(c))
	return s.finishOriginal(c)
}

// ivclabRules are the names of a generator of this config.
func ivclabRules(c biggan.Config) []rule {
	statistics := func(from, to string) []rule {
		return []rule{
			{From: from + ".standing_means", To: to + ".stored_mean"},
			{From: from + ".standing_vars", To: to + ".stored_var"},
			{From: from + ".{running_mean|running_var|num_batches_tracked}", Drop: "of training; the tables of standing statistics are used"},
		}
	}
	rules := []rule{
		{From: "linear.weight", To: "shared.weight"},
		{From: "g_z.g_linear.bias", To: "linear.bias"},
		{From: "scaledcrossreplicabn.weight", To: "output_layer.0.gain"},
		{From: "scaledcrossreplicabn.bias", To: "output_layer.0.bias"},
		{From: "conv_2d.bias", To: "output_layer.2.bias"},
	}
	rules = append(rules, statistics("scaledcrossreplicabn", "output_layer.0")...)
	rules = append(rules, storedUV.rules("g_z.g_linear", "linear", asIs)...)
	rules = append(rules, storedUV.rules("conv_2d", "output_layer.2", tapsFirst)...)
	for i := range len(c.Channels) - 1 {
		from, to := numbered("gblock", i), fmt.Sprintf("blocks.%d.0", i)
		for k := range 2 {
			bn, bnTo := from+"."+numbered("hyperbn", k), fmt.Sprintf("%s.bn%d", to, k+1)
			rules = append(rules, statistics(bn+".crossreplicabn", bnTo)...)
			rules = append(rules, storedUV.rules(bn+".gamma", bnTo+".gain", asIs)...)
			rules = append(rules, storedUV.rules(bn+".beta", bnTo+".bias", asIs)...)
		}
		for theirs, ours := range map[string]string{"conv0": "conv1", "conv1": "conv2", "conv_sc": "conv_sc"} {
			rules = append(rules, rule{From: from + "." + theirs + ".bias", To: to + "." + ours + ".bias"})
			v := tapsFirst
			if ours == "conv_sc" {
				v = asIs
			}
			rules = append(rules, storedUV.rules(from+"."+theirs, to+"."+ours, v)...)
		}
	}
	for _, block := range c.Attention {
		to := fmt.Sprintf("blocks.%d.1", block)
		rules = append(rules, rule{From: "attention.gamma", To: to + ".gamma"})
		for theirs, ours := range map[string]string{"theta": "theta", "phi": "phi", "g": "g", "o_conv": "o"} {
			rules = append(rules, storedUV.rules("attention."+theirs, to+"."+ours, asIs)...)
		}
	}
	return rules
}
