package convert

import (
	"fmt"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/weights"
)

// PyTorch-StudioGAN (POSTECH-CVLab), src/models/big_resnet.py, big_resnet_deep_legacy.py and
// big_resnet_deep_studiogan.py: conditioning (embedding, z), first layer [C,4,4], batch norms
// with epsilon 1e-4 (src/utils/ops.py), attention layers counted among the blocks.

const studioEps = 1e-4

func openStudioGAN(t shapes, o Options) (*source, error) {
	s := &source{format: "studiogan", grid: "one set of statistics for all truncations"}
	args, err := parseArguments(o.Config, []string{"g_depth"}, nil)
	if err == nil {
		err = s.studioGAN(t, args)
	}
	if err != nil {
		return nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
	}
	s.notes = append(s.notes, fmt.Sprintf("batch norm epsilon %g, as the repository's code has it; its statistics are the running ones, not those of --standing_statistics", studioEps))
	return s, nil
}

func (s *source) studioGAN(t shapes, args arguments) error {
	if t["shared.weight"] == nil {
		return fmt.Errorf("no shared.weight: StudioGAN's unconditional generators are not supported")
	}
	k := spectralOf(t, "linear0")
	s.settle(k, nil)
	block := func(place int) string { return fmt.Sprintf("blocks.%d.0", place) }
	has := func(layer string) func(place int) bool {
		return func(place int) bool { return t[k.weight(block(place)+layer)] != nil }
	}
	list, err := readStack(has(".conv2d1"), has(".conv1x1_theta"))
	if err != nil {
		return err
	}
	last, isDeep := ".conv2d2", has(".conv2d4")(0)
	if isDeep {
		last = ".conv2d4"
	}
	var ins, outs []int
	for _, place := range list.blocks {
		ins = append(ins, t.dim(k.weight(block(place)+".conv2d1"), 1))
		outs = append(outs, t.dim(k.weight(block(place)+last), 0))
	}
	skip := has(".conv2d0")(0)
	s.rules = compile(studioRules(k, list, isDeep, skip))
	linear := k.weight("linear0")
	if !isDeep {
		c := biggan.Config{Hierarchical: true, BNEps: studioEps, FinalBNEps: studioEps, Attention: list.after}
		c.NumClasses, c.ClassEmbedDim = t.dim("shared.weight", 0), t.dim("shared.weight", 1)
		c.ZDim = t.dim(linear, 1) * (len(outs) + 1)
		if err := originalBlocks(&c, ins[0], outs, t.dim(linear, 0)); err != nil {
			return err
		}
		return s.finishOriginal(c)
	}
	c := deep.Config{Port: deep.BigGANPyTorch, Eps: studioEps, LearnedSkip: skip}
	c.NumClasses, c.ClassEmbedDim = t.dim("shared.weight", 0), t.dim("shared.weight", 1)
	c.ZDim = t.dim(linear, 1) - c.ClassEmbedDim
	attention(&c, list.after)
	if err := s.deepBlocks(&c, ins, outs, args.Depth); err != nil {
		return err
	}
	return s.finishDeep(c)
}

// studioRules are the names of a generator with these blocks; skip = their shortcut is a
// convolution, conv2d0.
func studioRules(k spectral, list stack, isDeep, skip bool) []rule {
	rules := []rule{
		same("shared.weight"),
		{From: "linear0.bias", To: "linear.bias"},
		{From: "bn4.weight", To: "output_layer.0.gain"},
		{From: "bn4.bias", To: "output_layer.0.bias"},
		{From: "conv2d5.bias", To: "output_layer.2.bias"},
	}
	rules = append(rules, runningStats("bn4", "output_layer.0.stored_mean", "output_layer.0.stored_var")...)
	rules = append(rules, k.rules("linear0", "linear", asIs)...)
	rules = append(rules, k.rules("conv2d5", "output_layer.2", asIs)...)
	norms, convs := 2, map[int]string{1: "1", 2: "2"}
	if isDeep {
		norms, convs = 4, map[int]string{1: "1", 2: "2", 3: "3", 4: "4"}
	}
	if skip {
		convs[0] = "_sc"
	}
	for i, place := range list.blocks {
		from, to := fmt.Sprintf("blocks.%d.0", place), fmt.Sprintf("blocks.%d.0", i)
		for n := 1; n <= norms; n++ {
			bn, bnTo := fmt.Sprintf("%s.bn%d", from, n), fmt.Sprintf("%s.bn%d", to, n)
			rules = append(rules, runningStats(bn+".bn", bnTo+".stored_mean", bnTo+".stored_var")...)
			rules = append(rules, k.rules(bn+".gain", bnTo+".gain", asIs)...)
			rules = append(rules, k.rules(bn+".bias", bnTo+".bias", asIs)...)
		}
		for n, conv := range convs {
			layer, layerTo := fmt.Sprintf("%s.conv2d%d", from, n), to+".conv"+conv
			rules = append(rules, rule{From: layer + ".bias", To: layerTo + ".bias"})
			rules = append(rules, k.rules(layer, layerTo, asIs)...)
		}
	}
	for i, place := range list.attention {
		from, to := fmt.Sprintf("blocks.%d.0", place), fmt.Sprintf("blocks.%d.1", list.after[i])
		rules = append(rules, rule{From: from + ".sigma", To: to + ".gamma"})
		for theirs, ours := range map[string]string{"theta": "theta", "phi": "phi", "g": "g", "attn": "o"} {
			rules = append(rules, k.rules(from+".conv1x1_"+theirs, to+"."+ours, asIs)...)
		}
	}
	return rules
}
