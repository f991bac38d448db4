package convert

import (
	"encoding/json"
	"fmt"
	"math/bits"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/weights"
)

// openDiscriminator prepares the conversion of a discriminator of BigGAN-PyTorch.
func openDiscriminator(t shapes, o Options) (*source, error) {
	s := &source{format: "biggan-pytorch", rules: bgptDiscriminatorRules, grid: "a discriminator has no statistics"}
	var args constructor
	if o.Config != nil {
		var err error
		if args, _, err = parseConstructor(o.Config, "discriminator", "D"); err != nil {
			return nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
		}
	}
	s.sigma = onePowerIteration(s.epsilon("SN_eps of spectral norm", args.SNEps, 1e-6))
	open := s.originalD
	if _, isDeep := t["input_conv.weight"]; isDeep {
		open = s.deepD
	}
	if err := open(t, args); err != nil {
		return nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
	}
	return s, nil
}

// resolution settles how often a discriminator halves its picture. Its weights do not say:
// with the resolution given, all ends at 4 pixels; at 32 pixels the repository's networks
// end at 8.
func (s *source) resolution(args constructor, stages, usual int, small bool) (resolution, pools int, err error) {
	if args.Resolution == 0 {
		if small {
			usual = 2
		}
		last := 4
		if small {
			last = 8
		}
		s.notes = append(s.notes, fmt.Sprintf("resolution is not in the file: assumed %d (give --config if it differs)", last<<usual))
		return last << usual, usual, nil
	}
	pools = bits.Len(uint(args.Resolution)) - 3
	if args.Resolution == 32 {
		pools = 2
	}
	if args.Resolution < 8 || args.Resolution&(args.Resolution-1) != 0 || pools > stages {
		return 0, 0, fmt.Errorf("the config says resolution %d, the tensors have %d stages", args.Resolution, stages)
	}
	return args.Resolution, pools, nil
}

func (s *source) originalD(t shapes, args constructor) error {
	c := biggan.DiscriminatorConfig{Channels: []int{3}, NumClasses: t.dim("embed.weight", 0)}
	for i := 0; ; i++ {
		name := fmt.Sprintf("blocks.%d", i)
		out := t.dim(name+".0.conv2.weight", 0)
		if out == 0 {
			break
		}
		c.Channels = append(c.Channels, out)
		if _, ok := t[name+".1.gamma"]; ok {
			c.Attention = append(c.Attention, i)
		}
	}
	blocks := len(c.Channels) - 1
	if blocks < 1 {
		return fmt.Errorf("no blocks")
	}
	small := blocks == 4 && c.Channels[1] == c.Channels[blocks]
	var err error
	if c.Resolution, c.Pools, err = s.resolution(args, blocks, blocks-1, small); err != nil {
		return err
	}
	if args.Classes != 0 && args.Classes != c.NumClasses {
		return fmt.Errorf("the config says n_classes %d, the tensors %d", args.Classes, c.NumClasses)
	}
	s.architecture = "biggan-discriminator"
	if s.config, err = json.Marshal(c); err != nil {
		return err
	}
	s.graph, err = biggan.Discriminator("checkpoint", c)
	return err
}

func (s *source) deepD(t shapes, args constructor) error {
	c := deep.DiscriminatorConfig{InputChannels: t.dim("input_conv.weight", 0), NumClasses: t.dim("embed.weight", 0)}
	for i := 0; ; i++ {
		depth := 0
		for t.dim(fmt.Sprintf("blocks.%d.%d.conv4.weight", i, depth), 0) != 0 {
			depth++
		}
		if depth == 0 {
			break
		}
		if c.Depth != 0 && c.Depth != depth {
			return fmt.Errorf("stages of %d and of %d blocks", c.Depth, depth)
		}
		c.Depth = depth
		c.Stages = append(c.Stages, t.dim(fmt.Sprintf("blocks.%d.0.conv4.weight", i), 0))
		if _, ok := t[fmt.Sprintf("blocks.%d.%d.gamma", i, depth)]; ok {
			c.Attention = append(c.Attention, i)
		}
	}
	if len(c.Stages) == 0 {
		return fmt.Errorf("no blocks")
	}
	small := len(c.Stages) == 3 && c.Stages[0] == c.Stages[2]
	var err error
	if c.Resolution, c.Pools, err = s.resolution(args, len(c.Stages), len(c.Stages), small); err != nil {
		return err
	}
	s.architecture = "biggan-deep-discriminator"
	if s.config, err = json.Marshal(c); err != nil {
		return err
	}
	s.graph, err = deep.Discriminator("checkpoint", c)
	return err
}
