package convert

import (
	"fmt"
	"strings"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/weights"
)

// mmgeneration (open-mmlab), mmgen/models/architectures/biggan: BigGANGenerator has
// conditioning (embedding, z) and a first layer [C,4,4], BigGANDeepGenerator (z, embedding)
// and [4,4,C]; batch norms have epsilon 1e-5, convolutions stand in modules of mmcv, attention
// layers are counted among the blocks. Spectral norms are torch's or BigGAN-PyTorch's.

const mmEps = 1e-5

// mmFirst is the first layer of its generators.
const mmFirst = "noise2feat"

// part is one network of a checkpoint that holds several, without its prefix.
type part struct {
	Checkpoint
	prefix string
}

func (p part) Tensors() []weights.Info {
	var infos []weights.Info
	for _, info := range p.Checkpoint.Tensors() {
		if name, ok := strings.CutPrefix(info.Name, p.prefix); ok {
			info.Name = name
			infos = append(infos, info)
		}
	}
	return infos
}

func (p part) Bytes(name string) ([]byte, error) { return p.Checkpoint.Bytes(p.prefix + name) }

// generatorOf picks the generator of a whole GAN of mmgeneration: the moving average, or
// the raw weights if they are asked for or nothing else is there.
func generatorOf(ck Checkpoint, raw bool) (Checkpoint, []Dropped) {
	prefixes := []string{"generator_ema.", "generator."}
	if raw {
		prefixes = prefixes[1:]
	}
	for _, prefix := range prefixes {
		chosen, found := part{ck, prefix}, false
		var dropped []Dropped
		for _, info := range ck.Tensors() {
			name, inside := strings.CutPrefix(info.Name, prefix)
			found = found || strings.HasPrefix(name, mmFirst+".") && inside
			switch {
			case inside:
			case strings.HasPrefix(info.Name, "discriminator."):
				dropped = append(dropped, Dropped{info.Name, "of the discriminator"})
			case strings.HasPrefix(info.Name, "generator."):
				dropped = append(dropped, Dropped{info.Name, "raw weight; its moving average is used"})
			case strings.HasPrefix(info.Name, "generator_ema."):
				dropped = append(dropped, Dropped{info.Name, "moving average; raw weights were asked for"})
			default:
				dropped = append(dropped, Dropped{info.Name, "of no part of the generator"})
			}
		}
		if found {
			return chosen, dropped
		}
	}
	return ck, nil
}

func openMMGeneration(t shapes, o Options) (*source, error) {
	s := &source{format: "mmgeneration", grid: "one set of statistics for all truncations"}
	args, err := parseArguments(o.Config, []string{"block_depth", "sn_eps", "bgr"}, otherArguments)
	if err == nil {
		err = s.mmGeneration(t, args)
	}
	if err != nil {
		return nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
	}
	s.notes = append(s.notes, fmt.Sprintf("batch norm epsilon %g, as the repository's code has it", mmEps))
	if args.BGR {
		s.notes = append(s.notes, "blue, green, red become red, green, blue")
	} else {
		s.notes = append(s.notes, `the order of the colours is not in the file: kept as the network makes them (mmgeneration trains on blue, green, red unless its config says rgb: --config with {"bgr": true} turns them)`)
	}
	return s, nil
}

func (s *source) mmGeneration(t shapes, args arguments) error {
	k := spectralOf(t, mmFirst)
	s.settle(k, args.SNEps)
	block := func(place int) string { return fmt.Sprintf("conv_blocks.%d", place) }
	has := func(layer string) func(place int) bool {
		return func(place int) bool { return t[k.weight(block(place)+layer+".conv")] != nil }
	}
	list, err := readStack(has(".conv1"), has(".theta"))
	if err != nil {
		return err
	}
	last, isDeep := ".conv2.conv", has(".conv4")(0)
	if isDeep {
		last = ".conv4.conv"
	}
	var ins, outs []int
	for _, place := range list.blocks {
		ins = append(ins, t.dim(k.weight(block(place)+".conv1.conv"), 1))
		outs = append(outs, t.dim(k.weight(block(place)+last), 0))
	}
	classNorms := t["shared_embedding.weight"] == nil
	s.rules = compile(mmRules(k, list, isDeep, classNorms, args.BGR))
	linear := k.weight(mmFirst)
	if isDeep {
		c := deep.Config{Eps: mmEps, RGBChannels: t.dim(k.weight("output_layer.conv"), 0)}
		c.NumClasses, c.ClassEmbedDim = t.dim("shared_embedding.weight", 0), t.dim("shared_embedding.weight", 1)
		if classNorms {
			return fmt.Errorf("no shared_embedding.weight: BigGANDeepGenerator without a shared embedding is not supported")
		}
		c.ZDim = t.dim(linear, 1) - c.ClassEmbedDim
		if t.dim(k.weight("conv_blocks.0.bn1.gain"), 1) != t.dim(linear, 1) {
			return fmt.Errorf("the blocks take %d values, the first layer %d: BigGANDeepGenerator with concat_noise = False is not supported", t.dim(k.weight("conv_blocks.0.bn1.gain"), 1), t.dim(linear, 1))
		}
		attention(&c, list.after)
		if err := s.deepBlocks(&c, ins, outs, args.BlockDepth); err != nil {
			return err
		}
		return s.finishDeep(c)
	}
	c := biggan.Config{BNEps: mmEps, FinalBNEps: mmEps, Attention: list.after, ClassNorms: classNorms}
	c.ZDim = t.dim(linear, 1)
	if classNorms {
		c.NumClasses = t.dim("conv_blocks.0.bn1.gain.weight", 0)
	} else {
		c.NumClasses, c.ClassEmbedDim = t.dim("shared_embedding.weight", 0), t.dim("shared_embedding.weight", 1)
		if c.Hierarchical = t.dim(k.weight("conv_blocks.0.bn1.gain"), 1) > c.ClassEmbedDim; c.Hierarchical {
			c.ZDim *= len(outs) + 1
		}
	}
	if err := originalBlocks(&c, ins[0], outs, t.dim(linear, 0)); err != nil {
		return err
	}
	return s.finishOriginal(c)
}

// mmNames are what the two networks call their parts in the schema.
type mmNames struct {
	linear, embed, final, rgb  string
	finalGain, finalBias       string
	mean, variance, gain, bias string
	block                      func(i, place int) string
	conv                       func(n int) string // n from 1
	normed                     func(n int) string
	attention                  func(after, place int) string
	parts                      [4]string // theta, phi, g, o
}

var mmOriginal = mmNames{
	linear: "linear", embed: "shared.weight", final: "output_layer.0", rgb: "output_layer.2", finalGain: "gain", finalBias: "bias",
	mean: "stored_mean", variance: "stored_var", gain: "gain", bias: "bias",
	block:     func(i, _ int) string { return fmt.Sprintf("blocks.%d.0", i) },
	conv:      func(n int) string { return fmt.Sprintf("conv%d", n) },
	normed:    func(n int) string { return fmt.Sprintf("bn%d", n) },
	attention: func(after, _ int) string { return fmt.Sprintf("blocks.%d.1", after) },
	parts:     [4]string{"theta", "phi", "g", "o"},
}

var mmDeep = mmNames{
	linear: "generator.gen_z", embed: "embeddings.weight", final: "generator.bn", rgb: "generator.conv_to_rgb", finalGain: "weight", finalBias: "bias",
	mean: "running_means", variance: "running_vars", gain: "scale", bias: "offset",
	block:     func(_, place int) string { return fmt.Sprintf("generator.layers.%d", place) },
	conv:      func(n int) string { return fmt.Sprintf("conv_%d", n-1) },
	normed:    func(n int) string { return fmt.Sprintf("bn_%d", n-1) },
	attention: func(_, place int) string { return fmt.Sprintf("generator.layers.%d", place) },
	parts:     [4]string{"snconv1x1_theta", "snconv1x1_phi", "snconv1x1_g", "snconv1x1_o_conv"},
}

// mmRules are the names of a generator with these blocks.
func mmRules(k spectral, list stack, isDeep, classNorms, bgr bool) []rule {
	names, convs, embedding := mmOriginal, 2, asIs
	if isDeep {
		names, convs, embedding = mmDeep, 4, inOut
	}
	colours := asIs
	if bgr {
		colours = reversed
	}
	rules := []rule{
		{From: mmFirst + ".bias", To: names.linear + ".bias"},
		{From: "output_layer.bn.weight", To: names.final + "." + names.finalGain},
		{From: "output_layer.bn.bias", To: names.final + "." + names.finalBias},
		{From: "output_layer.conv.bias", To: names.rgb + ".bias", Layout: colours},
	}
	if !classNorms {
		rules = append(rules, rule{From: "shared_embedding.weight", To: names.embed, Layout: embedding})
	}
	rules = append(rules, runningStats("output_layer.bn", names.final+"."+names.mean, names.final+"."+names.variance)...)
	rules = append(rules, k.rules(mmFirst, names.linear, asIs)...)
	for _, r := range k.rules("output_layer.conv", names.rgb, asIs) {
		if r.Drop == "" && !strings.HasSuffix(r.To, ".v") {
			r.Layout = colours
		}
		rules = append(rules, r)
	}
	for i, place := range list.blocks {
		from, to := fmt.Sprintf("conv_blocks.%d", place), names.block(i, place)
		for n := 1; n <= convs; n++ {
			bn, bnTo := fmt.Sprintf("%s.bn%d", from, n), to+"."+names.normed(n)
			rules = append(rules, runningStats(bn+".bn", bnTo+"."+names.mean, bnTo+"."+names.variance)...)
			for theirs, ours := range map[string]string{"gain": names.gain, "bias": names.bias} {
				if classNorms {
					rules = append(rules, rule{From: bn + "." + theirs + ".weight", To: bnTo + "." + ours + ".weight", Layout: inOut})
					continue
				}
				rules = append(rules, k.rules(bn+"."+theirs, bnTo+"."+ours, asIs)...)
			}
			rules = append(rules, mmConv(k, fmt.Sprintf("%s.conv%d", from, n), to+"."+names.conv(n))...)
		}
		if !isDeep {
			rules = append(rules, mmConv(k, from+".shortcut", to+".conv_sc")...)
		}
	}
	for i, place := range list.attention {
		from, to := fmt.Sprintf("conv_blocks.%d", place), names.attention(list.after[i], place)
		rules = append(rules, rule{From: from + ".gamma", To: to + ".gamma"})
		for n, theirs := range []string{"theta", "phi", "g", "o"} {
			rules = append(rules, k.rules(from+"."+theirs+".conv", to+"."+names.parts[n], asIs)...)
		}
	}
	return rules
}

func mmConv(k spectral, from, to string) []rule {
	return append(k.rules(from+".conv", to, asIs), rule{From: from + ".conv.bias", To: to + ".bias"})
}
