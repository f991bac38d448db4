package cpu

import (
	"fmt"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/graph"
)

// The cost model that chooses how to compute each convolution that Options.Methods says nothing
// about: the longer of arithmetic and of reading the weights, plus what transforms cost. It
// depends on the network alone, so that a network is computed the same way everywhere. Units: products.
const (
	productsOfByte = 4  // products in the time that a byte of weights takes from memory
	inputCost      = 14 // products in the time that a value of a transformed input takes
	outputCost     = 14 // and one before the transform back
	packedCost     = 4  // and one that is packed without a transform
)

// prices are how many products a byte of packed weights must save to be worth its memory: the
// first with which weights and maps take no more than the checkpoint and spareBytes, or the last.
var prices = []float64{4, 5.5, 7}

// spareBytes is what fast convolutions may take beside the checkpoint's size before they have
// to pay more for it.
const spareBytes = 90 << 20

// policy is what steers the choice beside shapes. The zero value is float32.
type policy struct {
	price float64 // of prices
	// Convolutions of at least so many output pixels a side are computed in bfloat16; 0 = none
	// are. Those of fewer pixels than the picture need some channels too.
	rounded1x1, rounded3x3, roundedChannels int
	picture                                 int // pixels a side
	// take, if not nil, picks methods for a shape, whatever they cost.
	take func(shape string, m method) bool
}

// choice is how a convolution is computed, and how it could be.
type choice struct {
	shape       string // as Options.Methods names it
	price       float64
	size, outs  int
	in          view
	half        bool
	methods     []method // one where there is nothing to choose
	taken, cost int      // of methods: what computes it, and what the cost model chooses
}

func (c *choice) method() method { return c.methods[c.taken] }

// bfloat16 rounds where the time goes, and where an error spreads least: late, and where
// products are so deep that they take more time than what surrounds them (bench/README.md).
// An error of a bottleneck's 3x3 convolution shows less than one that is added to what the
// block was given; and the more pixels a picture has, the further the worst is from the mean.
func bfloat16(g *graph.Graph) policy {
	p := policy{rounded1x1: 32, rounded3x3: 64, roundedChannels: 64}
	for _, o := range g.Outputs {
		if len(o.Node.Shape) == 3 {
			p.picture = o.Node.Shape[1]
		}
	}
	switch {
	case bottlenecks(g):
	case p.picture > 256:
		p.rounded3x3 = p.picture
	default:
		p.rounded3x3 = max(p.rounded3x3, p.picture/2)
	}
	return p
}

// bottlenecks reports whether no 3x3 convolution is added to anything.
func bottlenecks(g *graph.Graph) bool {
	for _, n := range g.Nodes {
		for _, x := range n.In {
			if n.Op == graph.Add && x.Op == graph.Conv && x.Weight.Shape[2] == 3 {
				return false
			}
		}
	}
	return true
}

// rounds reports whether a convolution is computed in bfloat16. A 1x1 before an upsampling is
// not: each error of it shows in four pixels.
func (p policy) rounds(size int, in view, upsampled bool) bool {
	h, w := in.size()
	side, channels := p.rounded3x3, p.roundedChannels
	if size == 1 {
		if in.up || upsampled {
			return false
		}
		side, channels = p.rounded1x1, 2*p.roundedChannels
	}
	if side == 0 || min(h, w) < side || in.c%2 != 0 {
		return false
	}
	return in.c >= channels || min(h, w) == p.picture
}

// upsampled reports whether values of a node, normalised, show in four pixels each.
func (l *lowering) upsampled(n *graph.Node) bool {
	return slices.ContainsFunc(l.Users(n), func(u *graph.Node) bool {
		return u.Op == graph.Upsample || (u.Op == graph.Norm || u.Op == graph.ReLU) && l.upsampled(u)
	})
}

// choose picks the method for a convolution of a view: the one that is asked for, or the cheapest.
func (p policy) choose(size int, in view, outs int, half bool) *choice {
	c := &choice{price: p.price, size: size, in: in, outs: outs, half: half}
	if size == 3 && !in.up && outs <= narrowOuts {
		c.methods = []method{newNarrow(in, outs)}
		return c
	}
	up := size == 3 && in.up
	c.methods = []method{newDirect(size, in.c, outs, up, c.half)}
	if size == 1 {
		return c
	}
	c.shape = fmt.Sprintf("conv 3x3 %d to %d of %dx%d", in.c, outs, in.h, in.w)
	if up {
		c.shape = "upsampled " + c.shape
	}
	if c.half {
		c.shape += suffix(c.half)
	}
	for _, w := range kernel.Winograds {
		if (w.R == 2) == up {
			c.methods = append(c.methods, newFast(w, in, outs, c.half))
		}
	}
	for i, m := range c.methods {
		if c.costOf(m) < c.costOf(c.methods[c.cost]) {
			c.cost = i
		}
	}
	c.taken = c.cost
	if p.take != nil {
		if i := slices.IndexFunc(c.methods, func(m method) bool { return p.take(c.shape, m) }); i >= 0 {
			c.taken = i
		}
	}
	return c
}

// choose settles how a convolution is computed.
func (l *lowering) choose(s *convStep) {
	half := l.policy.rounds(s.size, s.in, slices.ContainsFunc(s.nodes, l.upsampled))
	c := l.policy.choose(s.size, s.in, s.outs, half)
	if len(c.methods) > 1 {
		l.choices = append(l.choices, c)
	}
	s.method = c.method()
	l.needScratch(s.method.scratch())
}

// departures are the choices that differ from the cost model's, as Options.Methods has them.
func (l *lowering) departures() map[string]string {
	var all map[string]string
	for _, c := range l.choices {
		if c.taken != c.cost {
			if all == nil {
				all = map[string]string{}
			}
			all[c.shape] = c.method().String()
		}
	}
	return all
}

// noteMethods tells of methods that were asked for and are none, or are too large.
func (l *lowering) noteMethods(o backend.Options) {
	if o.Note == nil {
		return
	}
	if l.refused > 0 {
		o.Note(fmt.Sprintf("cpu: the methods that a table has for %s take %d bytes instead of %d: it is computed without", l.graph.Name, l.refused, l.bytes()))
		return
	}
	told := map[string]bool{}
	for _, c := range l.choices {
		name, asked := o.Methods[c.shape]
		if asked && name != c.method().String() && !told[c.shape] {
			o.Note(fmt.Sprintf("cpu: %s: no method %.40q, computed by %s", c.shape, name, c.method()))
		}
		told[c.shape] = true
	}
}

// costOf is what the cost model says of a method, the price of its weights included.
func (c *choice) costOf(m method) float64 {
	cost := c.price * float64(m.bytes())
	if f, ok := m.(*fast); ok {
		return cost + f.cost()
	}
	return cost + directCost(c.in, c.outs, c.half)
}

// speed is the time of a product.
func speed(half bool) float64 {
	if half {
		return 0.5
	}
	return 1
}

func padded(outs int) float64 { return float64(kernel.Panels(outs, kernel.NR) * kernel.NR) }

func directCost(in view, outs int, half bool) float64 {
	taps, phases := 9.0, 1.0
	if in.up {
		taps, phases = 4, 4
	}
	values := taps * phases * float64(in.c)
	weights, pixels := values*padded(outs), float64(in.h*in.w)
	return max(weights*pixels*speed(half), float64(valueBytes(half))*weights*productsOfByte) + values*pixels*packedCost
}

func (f *fast) cost() float64 {
	down, across := f.grid()
	values := float64(len(f.phases) * f.planes() * down * across) // of all planes, a channel
	products := values * float64(f.channels) * padded(f.outs)
	return max(products*speed(f.half), float64(f.bytes())*productsOfByte) + values*(inputCost*float64(f.channels)+outputCost*padded(f.outs))
}
