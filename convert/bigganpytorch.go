package convert

import (
	"encoding/json"
	"fmt"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/weights"
)

// bgptSpectral are the tensors that BigGAN-PyTorch's SN keeps for a layer.
func bgptSpectral(layer string) []rule {
	to := placeholder.ReplaceAllString(layer, "{}")
	return []rule{
		{From: layer + ".weight", To: to + ".weight"},
		{From: layer + ".u0", To: to + ".u"},
		{From: layer + ".sv0", Drop: "training's last estimate of the singular value; sigma is computed from u0"},
	}
}

// bgptStats are the statistics of a batch norm, as they are or (mybn) as sums.
func bgptStats(norm string) []rule {
	to := placeholder.ReplaceAllString(norm, "{}")
	return []rule{
		same(norm + ".stored_{mean|var}"),
		{From: norm + ".bn.stored_{mean|var}", To: to + ".stored_{}", Divide: to + ".bn.accumulation_counter"},
		{From: norm + ".bn.accumulation_counter", Drop: "the statistics, stored as sums, are divided by it"},
	}
}

// bgptRules are the names of BigGAN-PyTorch's BigGAN and BigGANdeep generators.
var bgptRules = compile(
	[]rule{
		same("shared.weight"),
		same("linear.bias"),
		same("blocks.{i}.0.conv{1|2|3|4|_sc}.bias"),
		same("blocks.{i}.1.gamma"),
		same("output_layer.0.{gain|bias}"),
		same("output_layer.2.bias"),
	},
	bgptSpectral("linear"),
	bgptSpectral("blocks.{i}.0.conv{1|2|3|4|_sc}"),
	bgptSpectral("blocks.{i}.0.bn{k}.{gain|bias}"),
	bgptStats("blocks.{i}.0.bn{k}"),
	bgptSpectral("blocks.{i}.1.{theta|phi|g|o}"),
	bgptStats("output_layer.0"),
	bgptSpectral("output_layer.2"),
)

// bgptDiscriminatorRules are the names of its discriminators.
var bgptDiscriminatorRules = compile(
	[]rule{
		same("input_conv.bias"),
		same("linear.bias"),
		same("blocks.{i}.{k}.conv{1|2|3|4|_sc}.bias"),
		same("blocks.{i}.{k}.gamma"),
	},
	bgptSpectral("input_conv"),
	bgptSpectral("linear"),
	bgptSpectral("embed"),
	bgptSpectral("blocks.{i}.{k}.conv{1|2|3|4|_sc}"),
	bgptSpectral("blocks.{i}.{k}.{theta|phi|g|o}"),
)

// constructor holds the arguments of BigGAN-PyTorch's networks that matter here. A zero
// or nil field was not given.
type constructor struct {
	Resolution int      `json:"resolution"`
	Classes    int      `json:"n_classes"`
	SharedDim  int      `json:"shared_dim"`
	DimZ       int      `json:"dim_z"`
	Depth      int      `json:"G_depth"`
	Shared     *bool    `json:"G_shared"`
	Hier       *bool    `json:"hier"`
	BNEps      *float64 `json:"BN_eps"`
	SNEps      *float64 `json:"SN_eps"`
}

// parseConstructor reads {"network"|"cls": ..., PART: {...}}, where PART is one of the names
// given, or the arguments alone.
func parseConstructor(data []byte, parts ...string) (constructor, string, error) {
	var outer struct {
		Network string `json:"network"`
		Cls     string `json:"cls"`
	}
	var c constructor
	if err := json.Unmarshal(data, &outer); err != nil {
		return c, "", fmt.Errorf("config: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return c, "", fmt.Errorf("config: %w", err)
	}
	inner := json.RawMessage(data)
	others := append([]string{"network", "cls"}, otherConstructor...)
	for _, part := range parts {
		if candidate := fields[part]; candidate != nil {
			inner, others = candidate, otherConstructor
		}
	}
	if err := checkKeys(inner, keys[constructor](), others); err != nil {
		return c, "", err
	}
	if err := json.Unmarshal(inner, &c); err != nil {
		return c, "", fmt.Errorf("config: %w", err)
	}
	if outer.Network == "" {
		outer.Network = outer.Cls
	}
	return c, outer.Network, nil
}

// openBigGANPyTorch prepares the conversion of BigGAN-PyTorch's names.
func openBigGANPyTorch(t shapes, o Options) (*source, error) {
	s := &source{format: "biggan-pytorch", rules: bgptRules, grid: "one set of statistics for all truncations"}
	var args constructor
	var network string
	if o.Config != nil {
		var err error
		if args, network, err = parseConstructor(o.Config, "generator", "G"); err != nil {
			return nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
		}
	}
	bnEps := s.epsilon("BN_eps of batch norm", args.BNEps, 1e-5)
	snEps := s.epsilon("SN_eps of spectral norm", args.SNEps, 1e-6)
	s.sigma = onePowerIteration(snEps)
	_, isDeep := t["blocks.0.0.conv4.weight"]
	if want := map[bool]string{true: "BigGANdeep", false: "BigGAN"}[isDeep]; network != "" && network != want {
		return nil, fmt.Errorf("convert: %w: the config says %s, the tensors are those of %s", weights.ErrFormat, network, want)
	}
	open := s.original
	if isDeep {
		open = s.deep
	}
	if err := open(t, args, bnEps); err != nil {
		return nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
	}
	return s, nil
}

// epsilon takes a given value or the training default, and says which.
func (s *source) epsilon(what string, given *float64, assumed float64) float64 {
	if given != nil {
		return *given
	}
	s.notes = append(s.notes, fmt.Sprintf("%s is not in the file: assumed %g, the training scripts' default (give --config if it differs)", what, assumed))
	return assumed
}

// finalEps is the epsilon of the last norm, whatever BN_eps says.
const finalEps = 1e-5

func (s *source) original(t shapes, args constructor, bnEps float64) error {
	c := biggan.Config{BNEps: bnEps, FinalBNEps: finalEps}
	c.NumClasses, c.ClassEmbedDim = t.dim("shared.weight", 0), t.dim("shared.weight", 1)
	c.Channels = []int{t.dim("blocks.0.0.conv1.weight", 1)}
	for i := 0; ; i++ {
		name := fmt.Sprintf("blocks.%d", i)
		out := t.dim(name+".0.conv1.weight", 0)
		if out == 0 {
			break
		}
		c.Channels = append(c.Channels, out)
		if _, ok := t[name+".1.gamma"]; ok {
			c.Attention = append(c.Attention, i)
		}
	}
	blocks := len(c.Channels) - 1
	side, err := bottom(t.dim("linear.weight", 0), c.Channels[0])
	if err != nil {
		return err
	}
	c.Resolution = side << min(blocks, 20)
	chunk := t.dim("linear.weight", 1)
	if chunk == 0 {
		return fmt.Errorf("linear.weight of shape %v takes no latent vector", t["linear.weight"])
	}
	c.ZDim = chunk
	if c.Hierarchical = t.dim("blocks.0.0.bn1.gain.weight", 1) > c.ClassEmbedDim; c.Hierarchical {
		c.ZDim = chunk * (blocks + 1)
	}
	if err := args.agree(c.Resolution, c.NumClasses, c.ClassEmbedDim, c.ZDim/chunk, chunk, c.Hierarchical); err != nil {
		return err
	}
	s.architecture = "biggan"
	if s.config, err = json.Marshal(c); err != nil {
		return err
	}
	s.graph, err = biggan.Generator("checkpoint", c)
	return err
}

func (s *source) deep(t shapes, args constructor, bnEps float64) error {
	c := deep.Config{Port: deep.BigGANPyTorch, AttentionLayerPosition: -1, Eps: bnEps, FinalEps: finalEps, OutputDim: 4}
	c.NumClasses, c.ClassEmbedDim = t.dim("shared.weight", 0), t.dim("shared.weight", 1)
	depth := args.Depth
	if depth == 0 {
		depth = 2
		s.notes = append(s.notes, "G_depth is not in the file: assumed 2 blocks a stage")
	}
	var positions []int
	for i := 0; ; i++ {
		name := fmt.Sprintf("blocks.%d", i)
		in, out := t.dim(name+".0.conv1.weight", 1), t.dim(name+".0.conv4.weight", 0)
		if in == 0 || out == 0 {
			if i%depth != 0 {
				return fmt.Errorf("%d blocks are no whole stages of %d: G_depth in --config says how many a stage has", i, depth)
			}
			break
		}
		up := i%depth == depth-1
		if up {
			c.OutputDim = min(2*c.OutputDim, 1<<20)
		}
		c.Layers = append(c.Layers, deep.Layer{Up: up, In: in, Out: out})
		if _, ok := t[name+".1.gamma"]; ok {
			positions = append(positions, i+1)
		}
	}
	if len(c.Layers) == 0 {
		return fmt.Errorf("no blocks")
	}
	if len(positions) > 0 {
		c.AttentionLayerPosition, c.MoreAttention = positions[0], positions[1:]
	}
	inUnits(&c)
	first := t.dim("linear.weight", 1)
	hier := t.dim("blocks.0.0.bn1.gain.weight", 1) == first
	c.ZOnlyAtInput, c.ZDim = !hier, first
	if hier {
		c.ZDim -= c.ClassEmbedDim
	}
	if err := args.agree(c.OutputDim, c.NumClasses, c.ClassEmbedDim, 1, c.ZDim, hier); err != nil {
		return err
	}
	s.architecture = "biggan-deep"
	var err error
	if s.config, err = json.Marshal(c); err != nil {
		return err
	}
	s.graph, err = deep.Generator("checkpoint", c)
	return err
}

// inUnits makes the channel width the largest common divisor of all channels.
func inUnits(c *deep.Config) {
	for _, l := range c.Layers {
		c.ChannelWidth = divisor(c.ChannelWidth, divisor(l.In, l.Out))
	}
	for i := range c.Layers {
		c.Layers[i].In /= c.ChannelWidth
		c.Layers[i].Out /= c.ChannelWidth
	}
}

// divisor is the greatest common divisor.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// bottom is the side of the first feature map.
func bottom(outputs, channels int) (int, error) {
	for side := 1; channels > 0 && side <= 64; side++ {
		if side*side*channels == outputs {
			return side, nil
		}
	}
	return 0, fmt.Errorf("the first layer's %d outputs are no square of %d channels", outputs, channels)
}

// agree compares the arguments that were given with what the shapes say. dim_z is rounded
// down to a whole number of chunks by the constructor.
func (a constructor) agree(resolution, classes, shared, chunks, chunk int, hier bool) error {
	if a.Shared != nil && !*a.Shared {
		return fmt.Errorf("argument G_shared is false: networks without a shared embedding are not supported")
	}
	if a.DimZ > 0 {
		a.DimZ = a.DimZ / chunks * chunks
	}
	for _, c := range []struct {
		name      string
		got, want int
	}{
		{"resolution", a.Resolution, resolution}, {"n_classes", a.Classes, classes},
		{"shared_dim", a.SharedDim, shared}, {"dim_z", a.DimZ, chunks * chunk},
	} {
		if c.got != 0 && c.got != c.want {
			return fmt.Errorf("the config says %s %d, the tensors %d", c.name, c.got, c.want)
		}
	}
	if a.Hier != nil && *a.Hier != hier {
		return fmt.Errorf("the config says hier %v, the tensors %v", *a.Hier, hier)
	}
	return nil
}
