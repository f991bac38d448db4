// Package backend is the contract between a network and what computes it.
package backend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// ErrUnavailable means that a backend cannot run here: not compiled in, or no device.
// The error that wraps it says why and what to install.
var ErrUnavailable = errors.New("backend unavailable")

// ErrNoDevice means that a machine lacks the hardware of a backend. It wraps ErrUnavailable.
var ErrNoDevice = fmt.Errorf("%w: no device", ErrUnavailable)

// ErrPrecision means that a backend lacks the arithmetic asked for. It wraps ErrUnavailable.
var ErrPrecision = fmt.Errorf("%w: precision", ErrUnavailable)

// Precision is the arithmetic of a program.
type Precision string

// The precisions of the command line. A backend refuses those that it lacks with ErrPrecision.
const (
	F32  Precision = "f32"
	BF16 Precision = "bf16"
	F16  Precision = "f16"
)

// Options steer compilation. The zero value is float32 on all cores, outputs only.
type Options struct {
	Threads   int       // 0 = one a core
	Precision Precision // "" = f32
	Keep      []string  // names of nodes to return beside the outputs; fusion stops at them
	Device    string    // the GPU, by its index or a part of its name; "" = the first that is no software
	// Methods says how to compute a convolution of a shape, both in the backend's own words, instead of
	// what the backend would choose; backend/cpu/tuning keeps such tables. Sums are rounded otherwise by
	// another method. A shape that the network lacks is passed over, a method that does not exist is noted.
	Methods map[string]string
	// Note is told why the choice "auto" passes over a device that is there, and which methods do not
	// exist; nil = nobody is.
	Note func(text string)
}

// Inputs of a run. Tensors maps an input's name to Batch·n values, sample after sample.
type Inputs struct {
	Batch      int
	Tensors    map[string][]float32
	Truncation float64
	Stats      StatsMode // how to go between rows of the statistics tables
}

// Tensor is a result: Shape is [batch, ...], Data in C order.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Program is a compiled network. It is safe for concurrent Runs. Run stops within one
// layer of the context's cancellation and returns its error. The result holds the graph's
// outputs by their names and the kept nodes by theirs.
type Program interface {
	Run(ctx context.Context, in Inputs) (map[string]Tensor, error)
	Close() error
}

// Chooser is a Program that can tell by which of Options.Methods it differs from one that was
// compiled without: given these alone, it is compiled again the same.
type Chooser interface {
	Program
	Methods() map[string]string // nil = by none
}

// Compile is what a backend provides. The source must stay open as long as the program:
// weights may be read from it where they lie.
type Compile func(g *graph.Graph, w weights.Source, o Options) (Program, error)

// CheckInputs reports the first input that does not fit the graph or holds a value that is no finite number.
func CheckInputs(g *graph.Graph, in Inputs) error {
	if in.Batch < 1 {
		return fmt.Errorf("backend: batch of %d samples, want at least 1", in.Batch)
	}
	for _, n := range g.Nodes {
		if n.Op != graph.Input {
			continue
		}
		got, ok := in.Tensors[n.Name]
		if want := in.Batch * n.Elements(); !ok || len(got) != want {
			return fmt.Errorf("backend: input %q has %d values, want %d (batch %d of %v)", n.Name, len(got), want, in.Batch, n.Shape)
		}
		if i := slices.IndexFunc(got, func(v float32) bool { return v-v != 0 }); i >= 0 {
			return fmt.Errorf("backend: input %q holds %v as value %d, want a finite number", n.Name, got[i], i)
		}
	}
	if !(in.Truncation >= 0 && in.Truncation <= 1e6) {
		return fmt.Errorf("backend: truncation %v, want a number from 0", in.Truncation)
	}
	return nil
}

// CheckKeep reports the first name in Options.Keep that is no node of the graph.
func CheckKeep(g *graph.Graph, keep []string) error {
	for _, name := range keep {
		if _, ok := g.Node(name); !ok {
			return fmt.Errorf("backend: %s has no node %q", g.Name, name)
		}
	}
	return nil
}

// CheckWeights reports the first parameter that the source lacks or holds in another shape.
func CheckWeights(g *graph.Graph, w weights.Source) error {
	for _, p := range g.Params() {
		info, ok := w.Info(p.Name)
		if !ok {
			if p.Role.Optional() {
				continue
			}
			return fmt.Errorf("backend: weights lack %q %v", p.Name, p.Shape)
		}
		if fmt.Sprint(info.Shape) != fmt.Sprint(p.Shape) {
			return fmt.Errorf("backend: weights hold %q as %v, want %v", p.Name, info.Shape, p.Shape)
		}
	}
	return nil
}
