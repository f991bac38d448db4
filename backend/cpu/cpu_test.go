package cpu_test

import (
	"errors"
	"strings"
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

// TestConformanceMethods runs the suite with each of Winograd's convolutions wherever its
// shape is, for the networks of the suite are so small that few would be chosen.
func TestConformanceMethods(t *testing.T) {
	for _, names := range [][]string{{"F(2,3)", "F(2,2)"}, {"F(4,3)", "F(3,2)"}, {"F(4,3)", "F(5,2)"}} {
		t.Run(strings.Join(names, " "), func(t *testing.T) {
			backendtest.Run(t, cpu.CompilePreferring(names), reference.Compile, 2e-5)
		})
	}
}

// TestConformanceTuned runs the suite with a table of methods that the cost model would not
// choose. The program says which it followed, and is compiled again the same by these alone.
func TestConformanceTuned(t *testing.T) {
	followed := map[string]bool{}
	compile := func(g *graph.Graph, w weights.Source, o backend.Options) (backend.Program, error) {
		odd, err := cpu.Odd(g, w, o)
		if err != nil {
			return nil, err
		}
		o.Methods = odd
		p, err := cpu.Compile(g, w, o)
		if err != nil {
			return nil, err
		}
		o.Methods = p.(backend.Chooser).Methods()
		for shape, method := range o.Methods {
			if odd[shape] != method {
				t.Errorf("%s: computed by %s, the table says %s", shape, method, odd[shape])
			}
			followed[method] = true
		}
		return cpu.Compile(g, w, o)
	}
	backendtest.Run(t, compile, reference.Compile, 2e-5)
	if len(followed) < 2 {
		t.Errorf("only %v was followed", followed)
	}
}

// TestConformanceBF16 runs the suite with every product in bfloat16, of 8 bits, and with the
// fast convolutions that are used with it.
func TestConformanceBF16(t *testing.T) {
	if s, err := cpu.Kernels(); err != nil || !s.HasBF16() {
		t.Skip("this processor has no AVX512_BF16")
	}
	for _, names := range [][]string{{"direct"}, {"F(4,3) bf16", "F(5,2) bf16"}} {
		t.Run(strings.Join(names, " "), func(t *testing.T) {
			backendtest.RunPrecision(t, cpu.CompileRounding(names), reference.Compile, backend.BF16, 0.06)
		})
	}
}

// TestPrecisions: what kernels lack is unavailable, with the reason.
func TestPrecisions(t *testing.T) {
	t.Setenv(cpu.Variable, "generic")
	for _, p := range []backend.Precision{backend.BF16, backend.F16} {
		if _, err := cpu.Compile(one(t), weights.Memory{}, backend.Options{Precision: p}); !errors.Is(err, backend.ErrUnavailable) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

func one(t *testing.T) *graph.Graph {
	t.Helper()
	b := graph.New("one")
	b.Output("out", b.At("tanh").Tanh(b.Input("z", 1)))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestVariable: an unknown set is a bad value, one that is not here is unavailable.
func TestVariable(t *testing.T) {
	g := one(t)
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
