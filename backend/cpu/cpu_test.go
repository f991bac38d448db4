package cpu_test

import (
	"errors"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/backendtest"
	"github.com/biggan-zoo/biggan/backend/cpu"
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/backend/reference"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// TestConformance runs the suite with every set of kernels that this processor has.
func TestConformance(t *testing.T) {
	for _, s := range kernel.Sets() {
		t.Run(s.Name, func(t *testing.T) {
			t.Setenv(cpu.Variable, s.Name)
			backendtest.Run(t, cpu.Compile, reference.Compile, 2e-5)
		})
	}
}

// TestVariable: an unknown set is a bad value, one that is not here is unavailable.
func TestVariable(t *testing.T) {
	b := graph.New("one")
	b.Output("out", b.At("tanh").Tanh(b.Input("z", 1)))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(cpu.Variable, "sse")
	if err := cpu.CheckVariable(); err == nil {
		t.Error("sse passes")
	}
	if _, err := cpu.Compile(g, weights.Memory{}, backend.Options{}); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("compile with sse: %v", err)
	}
	t.Setenv(cpu.Variable, "generic")
	if err := cpu.CheckVariable(); err != nil {
		t.Error(err)
	}
}
