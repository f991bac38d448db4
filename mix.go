package biggan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/sample"
)

// Mix gives some blocks of the network a latent vector, a class, or both of their own.
// Early blocks settle the layout, late ones colours and textures.
type Mix struct {
	// From and To are the first and the last block, from 0. Block 0 takes the linear layer
	// before it along; To = Last is the last block there is.
	From, To int
	// Input means the linear layer before block 0 alone; From and To are of no account.
	Input bool
	// Seed draws the latent vector, picture by picture; nil = that of the picture.
	Seed *uint32
	// Class is a query as in Request.Classes; "" = the class of the picture.
	Class string
	// Keep, 0 to 1, is how much of the picture's own latent vector and class is kept: 0 =
	// none; in between both move linearly, as in an interpolation at 1 - Keep.
	Keep float64
}

// Last stands for the last block in Mix.To.
const Last = -1

// ParseMix reads "BLOCKS=seed:SEED,class:CLASS,keep:SHARE", seed or class at least. BLOCKS is
// "3", "0-3", "4-" (to the last), "all", or "input" (the layer before block 0 alone). The class
// may itself be a mix: "2-=class:tiger:0.6,lion:0.4". Errors wrap ErrRequest.
func ParseMix(text string) (Mix, error) {
	blocks, what, ok := strings.Cut(text, "=")
	bad := func(format string, args ...any) (Mix, error) {
		return Mix{}, fmt.Errorf("%w: mix %q: %s; want BLOCKS=seed:SEED,class:CLASS,keep:SHARE, as in 0-3=seed:7,class:tiger",
			ErrRequest, text, fmt.Sprintf(format, args...))
	}
	if !ok {
		return bad("no =")
	}
	var m Mix
	from, to, span := strings.Cut(blocks, "-")
	var err error
	switch {
	case blocks == "input":
		m.Input = true
	case blocks == "all":
		m.To = Last
	default:
		if m.From, err = parseBlock(from); err != nil {
			return bad("block %q is no number", from)
		}
		m.To = m.From
		if span && to == "" {
			m.To = Last
		} else if span {
			if m.To, err = parseBlock(to); err != nil || m.To < m.From {
				return bad("blocks %q are no range", blocks)
			}
		}
	}
	var keys []string
	values := map[string]string{}
	for part := range strings.SplitSeq(what, ",") {
		key, value, ok := strings.Cut(part, ":")
		switch key = strings.TrimSpace(key); {
		case ok && (key == "seed" || key == "class" || key == "keep"):
			if _, twice := values[key]; twice {
				return bad("%s stands twice", key)
			}
			keys, values[key] = append(keys, key), value
		case len(keys) > 0 && keys[len(keys)-1] == "class":
			values["class"] += "," + part // a mix of classes
		default:
			return bad("%q is none of seed:, class:, keep:", part)
		}
	}
	if seed, ok := values["seed"]; ok {
		n, err := strconv.ParseUint(strings.TrimSpace(seed), 10, 32)
		if err != nil {
			return bad("seed %q is none of 0 to 4294967295", seed)
		}
		s := uint32(n)
		m.Seed = &s
	}
	if keep, ok := values["keep"]; ok {
		if m.Keep, err = strconv.ParseFloat(strings.TrimSpace(keep), 64); err != nil || !(m.Keep >= 0 && m.Keep <= 1) {
			return bad("keep %q is none of 0 to 1", keep)
		}
	}
	if m.Class, ok = values["class"]; ok && strings.TrimSpace(m.Class) == "" {
		return bad("the class is empty")
	}
	return m, nil
}

func parseBlock(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err
}

// plannedMix is a mix whose sources are open.
type plannedMix struct {
	from, to int // places of a sampled
	z        func() []float32
	class    chooser
	keep     float64
}

// apply conditions the places for the picture of an index: called for all in order.
func (p plannedMix) apply(s sampled, index int) {
	var z []float32
	if p.z != nil {
		z = p.z()
	}
	for place := p.from; place <= p.to; place++ {
		if p.z != nil {
			s[place].z = sample.Linear.Between(s[place].z, z, 1-p.keep)
		}
		if p.class != nil {
			s[place].class = labels.Between(s[place].class, p.class(index), 1-p.keep)
		}
	}
}

// Blocks is the number of blocks that Mix can condition; 0 for a discriminator.
func (m *Model) Blocks() int {
	g, err := registry.PerBlock(m.Meta.Architecture, m.Meta.Config)
	if err != nil {
		return 0
	}
	return blocksOf(g)
}

func blocksOf(g *graph.Graph) int {
	n := 0
	for {
		if _, ok := g.Input(graph.BlockInput("y", n)); !ok {
			return n
		}
		n++
	}
}

// planMixes opens the sources of a request's mixes.
func (m *Model) planMixes(r Request, n int) (blocks int, planned []plannedMix, err error) {
	blocks = m.Blocks()
	for i, mix := range r.Mix {
		last := mix.To
		if last == Last {
			last = blocks - 1
		}
		if mix.From < 0 || last < mix.From || last >= blocks {
			return 0, nil, fmt.Errorf("%w: mix of blocks %d to %d, but %s has the blocks 0 to %d", ErrRequest, mix.From, last, m.Name, blocks-1)
		}
		if !(mix.Keep >= 0 && mix.Keep <= 1) {
			return 0, nil, fmt.Errorf("%w: mix %d keeps %v of the picture, want 0 to 1", ErrRequest, i, mix.Keep)
		}
		if mix.Seed == nil && mix.Class == "" {
			return 0, nil, fmt.Errorf("%w: mix %d has neither a seed nor a class", ErrRequest, i)
		}
		p := plannedMix{from: mix.From + 1, to: last + 1, keep: mix.Keep}
		if mix.From == 0 {
			p.from = 0
		}
		if mix.Input {
			p.from, p.to = 0, 0
		}
		seed := r.Seed
		if mix.Seed != nil {
			seed = *mix.Seed
			other := r
			other.Seed, other.Latents = seed, nil
			if p.z, err = m.latents(other, n); err != nil {
				return 0, nil, err
			}
		}
		if mix.Class != "" {
			if p.class, err = m.chooser(mix.Class, seed, 0, r.First+n+1); err != nil {
				return 0, nil, err
			}
		}
		planned = append(planned, p)
	}
	return blocks, planned, nil
}
