package cpu

import (
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/graph"
)

// The cost model that chooses how to compute each convolution: the longer of arithmetic and
// of reading the weights, plus what transforms cost. It depends on shapes alone, so that a
// network is computed the same way everywhere. Units: products.
const (
	productsOfByte = 4  // products in the time that a byte of weights takes from memory
	inputCost      = 14 // products in the time that a value of a transformed input takes
	outputCost     = 14 // and one before the transform back
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
	// Convolutions of at least so many output pixels a side are computed in bfloat16; 0 = none are.
	rounded1x1, rounded3x3 int
	// prefer, if not nil, names methods that are taken whatever they cost.
	prefer func(m method) bool
}

// bfloat16 rounds where the time goes, and where an error spreads least: late. 3x3
// convolutions are rounded at the last two resolutions.
func bfloat16(g *graph.Graph) policy {
	p := policy{rounded1x1: 32, rounded3x3: 64}
	for _, o := range g.Outputs {
		if len(o.Node.Shape) == 3 {
			p.rounded3x3 = max(p.rounded3x3, o.Node.Shape[1]/2)
		}
	}
	return p
}

// rounds reports whether a convolution is computed in bfloat16. A 1x1 before an upsampling,
// a shortcut, is not: it is small, and each error of it shows in four pixels.
func (p policy) rounds(size int, in view) bool {
	h, w := in.size()
	side := p.rounded1x1
	if size == 3 {
		side = p.rounded3x3
	} else if in.up {
		return false
	}
	return side > 0 && in.c%2 == 0 && min(h, w) >= side
}

// method picks the cheapest way to compute a convolution of a view.
func (p policy) method(size int, in view, outs int) method {
	if size == 3 && !in.up && outs <= narrowOuts {
		return newNarrow(in, outs)
	}
	up, half := size == 3 && in.up, p.rounds(size, in)
	var best method = newDirect(size, in.c, outs, up, half)
	if size == 1 {
		return best
	}
	cost := directCost(in, outs)*speed(half) + p.price*float64(best.bytes())
	for _, w := range kernel.Winograds {
		if (w.R == 2) != up {
			continue
		}
		f := newFast(w, in, outs, half)
		if p.prefer != nil && p.prefer(f) {
			return f
		}
		if c := f.cost() + p.price*float64(f.bytes()); c < cost {
			best, cost = f, c
		}
	}
	return best
}

// speed is the time of a product.
func speed(half bool) float64 {
	if half {
		return 0.5
	}
	return 1
}

func padded(outs int) float64 { return float64(kernel.Panels(outs, kernel.NR) * kernel.NR) }

func directCost(in view, outs int) float64 {
	taps, phases := 9.0, 1.0
	if in.up {
		taps, phases = 4, 4
	}
	weights := taps * phases * float64(in.c) * padded(outs)
	return max(weights*float64(in.h*in.w), 4*weights*productsOfByte)
}

func (f *fast) cost() float64 {
	down, across := f.grid()
	values := float64(len(f.phases) * f.planes() * down * across) // of all planes, a channel
	products := values * float64(f.channels) * padded(f.outs)
	return max(products*speed(f.half), float64(f.bytes())*productsOfByte) + values*(inputCost*float64(f.channels)+outputCost*padded(f.outs))
}
