package cpu

import (
	"testing"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// TestMemory bounds what biggan-deep-256 takes beside its mapped weights: 224 MB + 120 MB,
// of which Go's own memory and the kernels' scratch leave 325.
func TestMemory(t *testing.T) {
	const bound = 325e6
	g, err := deep.Generator("deep-256", deep.Deep256)
	if err != nil {
		t.Fatal(err)
	}
	w := weights.Memory{}
	for _, p := range g.Params() {
		w[p.Name] = weights.Tensor{Shape: p.Shape, Data: make([]float32, p.Elements())}
	}
	l, err := lowerWithin(spareBytes, g, w, kernel.Generic, nil, policy{})
	if err != nil {
		t.Fatal(err)
	}
	total := l.packed + 4*int64(l.plan().total)
	if total > bound {
		t.Errorf("%d bytes of packed weights and maps, want at most %g", total, bound)
	}
}

// TestBFloat16 says which convolutions --precision bf16 rounds, and which it may not, lest a
// pixel differ by 2/255.
func TestBFloat16(t *testing.T) {
	networks := map[string]func() (*graph.Graph, error){
		"biggan-128": func() (*graph.Graph, error) { return biggan.Generator("", biggan.BigGAN128) },
		"biggan-512": func() (*graph.Graph, error) { return biggan.Generator("", biggan.BigGAN512) },
		"deep-128":   func() (*graph.Graph, error) { return deep.Generator("", deep.Deep128) },
		"deep-512":   func() (*graph.Graph, error) { return deep.Generator("", deep.Deep512) },
	}
	for _, c := range []struct {
		network              string
		size, channels, side int
		upsampled, want      bool
	}{
		{"biggan-128", 3, 192, 64, false, true},
		{"biggan-128", 3, 384, 32, false, false},
		{"biggan-512", 3, 64, 512, false, true},
		{"biggan-512", 3, 64, 256, false, false}, // its error is added to the block's input
		{"biggan-512", 1, 512, 64, false, true},
		{"deep-128", 3, 64, 64, false, true},
		{"deep-128", 3, 128, 32, false, false},
		{"deep-512", 3, 64, 64, false, true},
		{"deep-512", 3, 32, 256, false, false}, // shallow
		{"deep-512", 3, 32, 512, false, true},
		{"deep-512", 3, 33, 512, false, false}, // no pairs
		{"deep-512", 1, 128, 32, false, true},
		{"deep-512", 1, 128, 16, false, false},
		{"deep-512", 1, 64, 256, false, false},
		{"deep-512", 1, 32, 512, false, true},
		{"deep-512", 1, 256, 64, true, false},
	} {
		g, err := networks[c.network]()
		if err != nil {
			t.Fatal(err)
		}
		p := bfloat16(g)
		if got := p.rounds(c.size, view{c: c.channels, h: c.side, w: c.side}, c.upsampled); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
		if (policy{}).rounds(c.size, view{c: c.channels, h: c.side, w: c.side}, c.upsampled) {
			t.Errorf("%+v: rounded in float32", c)
		}
	}
}
