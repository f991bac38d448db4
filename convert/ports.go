package convert

import (
	"encoding/json"
	"fmt"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
)

// spectral is how a port keeps the spectral norm of a layer.
type spectral uint8

const (
	unnormalised spectral = iota // the weight alone
	storedUV                     // torch.nn.utils.spectral_norm: weight_orig, weight_u, weight_v
	oneStep                      // BigGAN-PyTorch's SN: weight, u0, sv0
)

// spectralOf tells by the names of one layer how all are kept.
func spectralOf(t shapes, layer string) spectral {
	if t[layer+".weight_orig"] != nil {
		return storedUV
	}
	if t[layer+".u0"] != nil {
		return oneStep
	}
	return unnormalised
}

// weight is the name of a layer's weight.
func (k spectral) weight(layer string) string {
	if k == storedUV {
		return layer + ".weight_orig"
	}
	return layer + ".weight"
}

// rules are the names of a layer, but for its bias. v is the order of v's values.
func (k spectral) rules(from, to string, v layout) []rule {
	rules := []rule{{From: k.weight(from), To: to + ".weight"}}
	switch k {
	case storedUV:
		return append(rules, rule{From: from + ".weight_u", To: to + ".u"}, rule{From: from + ".weight_v", To: to + ".v", Layout: v})
	case oneStep:
		return append(rules, rule{From: from + ".u0", To: to + ".u"},
			rule{From: from + ".sv0", Drop: "training's last estimate of the singular value; sigma is computed from u0"})
	}
	return rules
}

// settle gives a source the formula of its spectral norms. snEps is that of one step.
func (s *source) settle(k spectral, snEps *float64) {
	switch k {
	case storedUV:
		s.sigma, s.needsV = storedVectors, true
	case oneStep:
		s.sigma = onePowerIteration(s.epsilon("sn_eps of spectral norm", snEps, 1e-6))
	case unnormalised:
		s.plain = true
		s.notes = append(s.notes, "no spectral norm in the file: weights are used as they are (sigma 1)")
	}
}

// runningStats are the buffers of torch.nn.BatchNorm2d.
func runningStats(from, mean, variance string) []rule {
	return []rule{
		{From: from + ".running_mean", To: mean},
		{From: from + ".running_var", To: variance},
		{From: from + ".num_batches_tracked", Drop: "how many batches the statistics are of"},
	}
}

// arguments are what the constructors of these ports take and their files do not say.
type arguments struct {
	Depth      int      `json:"g_depth"`     // StudioGAN
	BlockDepth int      `json:"block_depth"` // mmgeneration
	SNEps      *float64 `json:"sn_eps"`
	BGR        bool     `json:"bgr"` // the network makes blue, green, red
}

// parseArguments reads those of which a port knows the keys that count, and others.
func parseArguments(config []byte, count, others []string) (arguments, error) {
	var a arguments
	if config == nil {
		return a, nil
	}
	if err := json.Unmarshal(config, &a); err != nil {
		return a, fmt.Errorf("config: %w", err)
	}
	if err := checkKeys(config, count, others); err != nil {
		return a, err
	}
	if depth := max(a.Depth, a.BlockDepth); depth < 0 || depth > 64 || min(a.Depth, a.BlockDepth) < 0 {
		return a, fmt.Errorf("config: depth %d, want 1 to 64 blocks a stage", depth)
	}
	return a, nil
}

// stack is a list of modules in which attention layers stand among the blocks.
type stack struct {
	blocks    []int // their places in the list
	attention []int
	after     []int // the block that each attention follows
}

func readStack(isBlock, isAttention func(place int) bool) (stack, error) {
	var s stack
	for place := 0; ; place++ {
		switch {
		case len(s.blocks) > maxBlocks:
			return s, fmt.Errorf("more than %d blocks", maxBlocks)
		case isBlock(place):
			s.blocks = append(s.blocks, place)
		case isAttention(place) && len(s.blocks) > 0:
			s.attention = append(s.attention, place)
			s.after = append(s.after, len(s.blocks)-1)
		case len(s.blocks) == 0:
			return s, fmt.Errorf("no blocks")
		default:
			return s, nil
		}
	}
}

// originalBlocks sets the channels and the resolution of a BigGAN whose blocks all upsample.
func originalBlocks(c *biggan.Config, first int, outs []int, linear int) error {
	c.Channels = append([]int{first}, outs...)
	side, err := bottom(linear, first)
	c.Resolution = side << min(len(outs), 20)
	return err
}

// deepBlocks sets the layers and the resolution of a BigGAN-deep that upsamples in the last
// block of each stage; depth 0 = not given.
func (s *source) deepBlocks(c *deep.Config, ins, outs []int, depth int) error {
	if depth == 0 {
		depth = 2
		s.notes = append(s.notes, "the blocks a stage are not in the file: assumed 2 (give --config if they differ)")
	}
	if len(ins)%depth != 0 {
		return fmt.Errorf("%d blocks are no whole stages of %d: --config says how many a stage has", len(ins), depth)
	}
	c.OutputDim = 4
	for i, in := range ins {
		up := i%depth == depth-1
		if up {
			c.OutputDim = min(2*c.OutputDim, 1<<20)
		}
		c.Layers = append(c.Layers, deep.Layer{Up: up, In: in, Out: outs[i]})
	}
	inUnits(c)
	return nil
}

// attention sets where self-attention stands.
func attention(c *deep.Config, after []int) {
	c.AttentionLayerPosition = -1
	for i, block := range after {
		if i == 0 {
			c.AttentionLayerPosition = block + 1
			continue
		}
		c.MoreAttention = append(c.MoreAttention, block+1)
	}
}

// finishOriginal and finishDeep build the network of a config that was read.
func (s *source) finishOriginal(c biggan.Config) (err error) {
	s.architecture = "biggan"
	if s.config, err = json.Marshal(c); err != nil {
		return err
	}
	s.graph, err = biggan.Generator("checkpoint", c)
	return err
}

func (s *source) finishDeep(c deep.Config) (err error) {
	s.architecture = "biggan-deep"
	if s.config, err = json.Marshal(c); err != nil {
		return err
	}
	s.graph, err = deep.Generator("checkpoint", c)
	return err
}
