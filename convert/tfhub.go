package convert

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/convert/tfhub"
	"github.com/biggan-zoo/biggan/weights"
)

// fromTFHub converts a module.
func fromTFHub(ctx context.Context, src, dst string, o Options) (*Report, error) {
	if err := o.takesNone("a TF Hub module"); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var digest func() (string, error) // a folder has none
	if info, err := os.Stat(src); err == nil && !info.IsDir() {
		digest = o.hashing(ctx, src) // while the archive is searched
	}
	module, err := tfhub.Open(src)
	if err != nil {
		return nil, err
	}
	defer module.Close()
	t, s, err := openTFHub(module, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	report := s.report(o.sourceFile(src))
	report.Dropped = t.dropped
	if err := s.convert(ctx, t, dst, o, report, digest); err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	return report, nil
}

// openTFHub recognises the network of a module and reads its config off shapes and graph.
func openTFHub(module *tfhub.Module, o Options) (*tfModule, *source, error) {
	t := newTFModule(module, o.Raw)
	r := newGraphReader(module.Graph)
	s := &source{format: "tfhub"}
	var open func(t *tfModule, r *graphReader) error
	switch {
	case t.has("Generator/GenZ/G_linear/w"):
		open = s.tfDeep
	case t.has("Generator/G_Z/G_linear/w"):
		open = s.tfOriginal
	case o.Raw:
		return nil, nil, fmt.Errorf("convert: %w: no raw weights in it, only moving averages: convert without --raw", weights.ErrFormat)
	default:
		return nil, nil, fmt.Errorf("convert: %w: %d variables under names of no known network (want Generator/GenZ/G_linear/w of BigGAN-deep or Generator/G_Z/G_linear/w of BigGAN)", weights.ErrFormat, len(t.infos))
	}
	eps, err := r.spectralEpsilon()
	if err != nil {
		return nil, nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
	}
	s.sigma = tensorFlow(eps)
	s.lastAxisOut = true
	err = open(t, r)
	if tangled := r.err(); tangled != nil {
		err = tangled
	}
	if err != nil {
		return nil, nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
	}
	return t, s, nil
}

// maxBlocks bounds the residual blocks that names are spelled out for; the released networks have 14.
const maxBlocks = 128

// numbered is TensorFlow's name of the i-th scope.
func numbered(scope string, i int) string {
	if i == 0 {
		return scope
	}
	return fmt.Sprintf("%s_%d", scope, i)
}

// statistics finds the tables of the norms and puts them in place. rows = 0 if the graph
// holds none: the accumulated statistics, of truncation 1, are used.
func (s *source) statistics(t *tfModule, r *graphReader, norms []tfNorm) (rows int, err error) {
	tables := map[string]statsTable{}
	for i, n := range norms {
		for _, v := range []string{n.mean, n.variance} {
			if table, ok := r.table(n, i, v, t.dim(v, -1)); ok {
				tables[v] = table
				rows = table.shape[0]
			}
		}
	}
	if len(tables) == 0 {
		s.notes = append(s.notes, "the graph holds no tables of statistics: the accumulated ones are used, exact at truncation 1 alone")
		return 0, nil
	}
	for _, n := range norms {
		for _, v := range []string{n.mean, n.variance} {
			if table, ok := tables[v]; !ok {
				return 0, fmt.Errorf("the graph holds tables for %d statistics, but none for %s", len(tables), v)
			} else if table.shape[0] != rows {
				return 0, fmt.Errorf("tables of %d and of %d rows", table.shape[0], rows)
			}
		}
	}
	s.notes = append(s.notes, fmt.Sprintf("%d tables of %d rows, found by %s: exact at the truncations of the rows, in between by interpolation", len(tables), rows, tables[norms[0].mean].how))
	return rows, t.replace(tables)
}

// epsilon is that of the norms named, which must agree.
func (r *graphReader) epsilon(s *source, norms []tfNorm) (float64, error) {
	const usual = 1e-4
	eps := math.NaN()
	for _, n := range norms {
		e, ok := r.normEpsilon(n)
		if !ok {
			continue
		}
		if !math.IsNaN(eps) && e != eps {
			return 0, fmt.Errorf("batch norms with epsilons %g and %g", eps, e)
		}
		eps = e
	}
	if math.IsNaN(eps) {
		s.notes = append(s.notes, fmt.Sprintf("no epsilon of %s found in the graph: assumed %g", norms[0].mean, usual))
		return usual, nil
	}
	return eps, nil
}

// tfDeep reads a BigGAN-deep.
func (s *source) tfDeep(t *tfModule, r *graphReader) error {
	c := deep.Config{AttentionLayerPosition: -1, OutputDim: 4}
	c.NumClasses, c.ClassEmbedDim = t.dim("linear/w", 0), t.dim("linear/w", 1)
	c.ZDim = t.dim("Generator/GenZ/G_linear/w", 0) - c.ClassEmbedDim
	var norms []tfNorm
	ups := 0
	for i := 0; ; i++ {
		block := "Generator/" + numbered("GBlock", i)
		in, out := t.dim(block+"/conv0/w", 2), t.dim(block+"/conv3/w", 3)
		if in == 0 || out == 0 {
			break
		}
		if i == maxBlocks {
			return fmt.Errorf("more than %d blocks", maxBlocks)
		}
		up := r.upsamples(block + "/conv1")
		if up {
			ups++
		}
		c.Layers = append(c.Layers, deep.Layer{Up: up, In: in, Out: out})
		for k := range 4 {
			norms = append(norms, deepNorm(block+"/"+numbered("BatchNorm", k)))
		}
	}
	if len(c.Layers) == 0 {
		return fmt.Errorf("no blocks")
	}
	if ups == 0 {
		s.notes = append(s.notes, "no upsampling found in the graph: assumed DeepMind's pattern, every second block")
		for i := range c.Layers {
			c.Layers[i].Up = i%2 == 1
		}
	}
	for _, l := range c.Layers {
		if l.Up {
			c.OutputDim = min(2*c.OutputDim, 1<<20)
		}
	}
	if t.has("Generator/attention/theta/w") {
		after, ok := r.lastBlockBefore("Generator/attention/theta")
		if !ok {
			return fmt.Errorf("the graph does not say after which block the attention stands")
		}
		c.AttentionLayerPosition = after + 1
	}
	inUnitsOf16(&c)
	final := deepNorm("Generator/BatchNorm")
	var err error
	if c.Eps, err = r.epsilon(s, append(slices.Clone(norms), final)); err != nil {
		return err
	}
	if c.NStats, err = s.statistics(t, r, append(norms, final)); err != nil {
		return err
	}
	s.grid = statsGrid(c.NStats, "0")
	s.rules = compile(tfDeepRules(c))
	s.architecture = "biggan-deep"
	if s.config, err = json.Marshal(c); err != nil {
		return err
	}
	s.graph, err = deep.Generator("checkpoint", c)
	return err
}

func deepNorm(scope string) tfNorm {
	return tfNorm{mean: scope + "/accumulated_mean", variance: scope + "/accumulated_var", gain: scope + "/scale"}
}

// inUnitsOf16 takes a sixteenth of the first block's channels as the width, as DeepMind's
// networks have it, or the largest common divisor where that does not fit.
func inUnitsOf16(c *deep.Config) {
	width := c.Layers[0].In / 16
	for _, l := range c.Layers {
		if width == 0 || l.In%width != 0 || l.Out%width != 0 {
			inUnits(c)
			return
		}
	}
	c.ChannelWidth = width
	for i := range c.Layers {
		c.Layers[i].In /= width
		c.Layers[i].Out /= width
	}
}

func statsGrid(rows int, first string) string {
	if rows == 0 {
		return "no tables: one set of statistics, of truncation 1"
	}
	return fmt.Sprintf("%d rows from truncation %s to 1", rows, first)
}

// tfSpectral are the variables of a spectrally normalised layer.
func tfSpectral(from, to string, l layout) []rule {
	return []rule{
		{From: from + "/w", To: to + ".weight", Layout: l},
		{From: from + "/u0", To: to + ".u"},
		{From: from + "/u{1|2}", Drop: "an estimate of a further singular vector, which the graph does not use"},
	}
}

// tfDeepRules are the names of DeepMind's BigGAN-deep. Blocks are numbered by TensorFlow
// without the attention, by Hugging Face with it.
func tfDeepRules(c deep.Config) []rule {
	rules := []rule{
		{From: "linear/w", To: "embeddings.weight", Layout: inOut},
		{From: "Generator/GenZ/G_linear/b", To: "generator.gen_z.bias"},
		{From: "Generator/BatchNorm/scale", To: "generator.bn.weight"},
		{From: "Generator/BatchNorm/offset", To: "generator.bn.bias"},
		{From: "Generator/BatchNorm/accumulated_{mean|var}", To: "generator.bn.running_{}s"},
		{From: "Generator/conv_to_rgb/b", To: "generator.conv_to_rgb.bias"},
		{From: "prev_truncation", Drop: "the module's memory of its last truncation"},
	}
	rules = append(rules, tfSpectral("Generator/GenZ/G_linear", "generator.gen_z", inOut)...)
	rules = append(rules, tfSpectral("Generator/conv_to_rgb", "generator.conv_to_rgb", hwio)...)
	for i := range c.Layers {
		from, layer := "Generator/"+numbered("GBlock", i), i
		if c.AttentionLayerPosition >= 0 && i >= c.AttentionLayerPosition {
			layer++
		}
		to := fmt.Sprintf("generator.layers.%d", layer)
		for k := range 4 {
			bn, bnTo := from+"/"+numbered("BatchNorm", k), fmt.Sprintf("%s.bn_%d", to, k)
			conv := fmt.Sprintf("conv%d", k)
			rules = append(rules, rule{From: bn + "/accumulated_{mean|var}", To: bnTo + ".running_{}s"})
			rules = append(rules, rule{From: from + "/" + conv + "/b", To: fmt.Sprintf("%s.conv_%d.bias", to, k)})
			rules = append(rules, tfSpectral(bn+"/scale", bnTo+".scale", inOut)...)
			rules = append(rules, tfSpectral(bn+"/offset", bnTo+".offset", inOut)...)
			rules = append(rules, tfSpectral(from+"/"+conv, fmt.Sprintf("%s.conv_%d", to, k), hwio)...)
		}
	}
	if c.AttentionLayerPosition >= 0 {
		to := fmt.Sprintf("generator.layers.%d", c.AttentionLayerPosition)
		rules = append(rules, tfAttention(to, ".snconv1x1_", "o_conv")...)
	}
	return rules
}

func tfAttention(to, prefix, out string) []rule {
	rules := []rule{{From: "Generator/attention/gamma", To: to + ".gamma"}}
	for _, part := range []string{"theta", "phi", "g"} {
		rules = append(rules, tfSpectral("Generator/attention/"+part, to+prefix+part, hwio)...)
	}
	return append(rules, tfSpectral("Generator/attention/o_conv", to+prefix+out, hwio)...)
}

// tfOriginal reads an original BigGAN.
func (s *source) tfOriginal(t *tfModule, r *graphReader) error {
	c := biggan.Config{Hierarchical: true, ZFirst: true, ChannelsLast: true}
	c.NumClasses, c.ClassEmbedDim = t.dim("linear/w", 0), t.dim("linear/w", 1)
	c.Channels = []int{t.dim("Generator/GBlock/conv0/w", 2)}
	var norms []tfNorm
	for i := 0; ; i++ {
		block := "Generator/" + numbered("GBlock", i)
		out := t.dim(block+"/conv0/w", 3)
		if out == 0 {
			break
		}
		if i == maxBlocks {
			return fmt.Errorf("more than %d blocks", maxBlocks)
		}
		c.Channels = append(c.Channels, out)
		for k := range 2 {
			bn := block + "/" + numbered("CrossReplicaBN", k)
			norms = append(norms, tfNorm{mean: bn + "/accumulated_mean", variance: bn + "/accumulated_var", gain: block + "/" + numbered("HyperBN", k) + "/gamma"})
		}
	}
	blocks := len(c.Channels) - 1
	chunk := t.dim("Generator/G_Z/G_linear/w", 0)
	c.ZDim = chunk * (blocks + 1)
	side, err := bottom(t.dim("Generator/G_Z/G_linear/w", 1), c.Channels[0])
	if err != nil {
		return err
	}
	c.Resolution = side << min(blocks, 20)
	if t.has("Generator/attention/theta/w") {
		after, ok := r.lastBlockBefore("Generator/attention/theta")
		if !ok {
			return fmt.Errorf("the graph does not say after which block the attention stands")
		}
		c.Attention = []int{after}
	}
	final := tfNorm{
		mean: "Generator/ScaledCrossReplicaBNbn/accumulated_mean", variance: "Generator/ScaledCrossReplicaBNbn/accumulated_var",
		gain: "Generator/ScaledCrossReplicaBN/gamma",
	}
	if blocks > 0 {
		if c.BNEps, err = r.epsilon(s, norms); err != nil {
			return err
		}
	}
	if c.FinalBNEps, err = r.epsilon(s, []tfNorm{final}); err != nil {
		return err
	}
	if c.NStats, err = s.statistics(t, r, append(norms, final)); err != nil {
		return err
	}
	s.grid = statsGrid(c.NStats, fmt.Sprintf("1/%d", c.NStats))
	s.rules = compile(tfOriginalRules(c))
	s.architecture = "biggan"
	if s.config, err = json.Marshal(c); err != nil {
		return err
	}
	s.graph, err = biggan.Generator("checkpoint", c)
	return err
}

// tfOriginalRules are the names of DeepMind's originals.
func tfOriginalRules(c biggan.Config) []rule {
	const counter = "how many batches the statistics are of"
	rules := []rule{
		{From: "linear/w", To: "shared.weight"},
		{From: "Generator/G_Z/G_linear/b", To: "linear.bias"},
		{From: "Generator/ScaledCrossReplicaBN/gamma", To: "output_layer.0.gain"},
		{From: "Generator/ScaledCrossReplicaBN/beta", To: "output_layer.0.bias"},
		{From: "Generator/ScaledCrossReplicaBNbn/accumulated_{mean|var}", To: "output_layer.0.stored_{}"},
		{From: "Generator/ScaledCrossReplicaBNbn/accumulation_counter", Drop: counter},
		{From: "Generator/conv_2d/b", To: "output_layer.2.bias"},
		{From: "prev_truncation", Drop: "the module's memory of its last truncation"},
	}
	rules = append(rules, tfSpectral("Generator/G_Z/G_linear", "linear", inOut)...)
	rules = append(rules, tfSpectral("Generator/conv_2d", "output_layer.2", hwio)...)
	for i := range len(c.Channels) - 1 {
		from, to := "Generator/"+numbered("GBlock", i), fmt.Sprintf("blocks.%d.0", i)
		for k := range 2 {
			bn, hyper := from+"/"+numbered("CrossReplicaBN", k), from+"/"+numbered("HyperBN", k)
			bnTo := fmt.Sprintf("%s.bn%d", to, k+1)
			rules = append(rules, rule{From: bn + "/accumulated_{mean|var}", To: bnTo + ".stored_{}"})
			rules = append(rules, rule{From: bn + "/accumulation_counter", Drop: counter})
			rules = append(rules, tfSpectral(hyper+"/gamma", bnTo+".gain", inOut)...)
			rules = append(rules, tfSpectral(hyper+"/beta", bnTo+".bias", inOut)...)
		}
		for tf, pt := range map[string]string{"conv0": "conv1", "conv1": "conv2", "conv_sc": "conv_sc"} {
			rules = append(rules, rule{From: from + "/" + tf + "/b", To: to + "." + pt + ".bias"})
			rules = append(rules, tfSpectral(from+"/"+tf, to+"."+pt, hwio)...)
		}
	}
	for _, block := range c.Attention {
		rules = append(rules, tfAttention(fmt.Sprintf("blocks.%d.1", block), ".", "o")...)
	}
	return rules
}

// scopeOf is the layer of a variable: its name without /w, /b or /u0 and the suffix of the
// moving average.
func scopeOf(variable string) (scope, part string) {
	name := emaSuffix.ReplaceAllString(variable, "")
	at := strings.LastIndexByte(name, '/')
	if at < 0 {
		return "", name
	}
	return name[:at], name[at+1:]
}
