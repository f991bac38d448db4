package cpu

import (
	"testing"

	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
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
