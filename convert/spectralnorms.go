package convert

import (
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// Formula is a way in which implementations compute spectral norms from the vectors that
// they keep.
type Formula struct {
	Format string  // of the source: "hf", "tfhub", "biggan-pytorch"
	Text   string  // what it is
	Eps    float64 // of the last two
}

// Formulas are those of the known implementations, with the epsilons that they are used with.
var Formulas = []Formula{
	{"hf", "PyTorch's, u·(W v) of the stored vectors", 0},
	{"tfhub", "TensorFlow's, one power iteration normalising with rsqrt(sum + 1e-4)", 1e-4},
	{"biggan-pytorch", "PyTorch's, one power iteration normalising with max(norm, 1e-6)", 1e-6},
	{"biggan-pytorch", "PyTorch's, one power iteration normalising with max(norm, 1e-4)", 1e-4},
}

// sigma is the formula.
func (f Formula) sigma(w matrix, u, v []float64) (float64, error) {
	switch f.Format {
	case "hf":
		return storedVectors(w, u, v), nil
	case "tfhub":
		return tensorFlow(f.Eps)(w, u, nil), nil
	case "biggan-pytorch":
		return onePowerIteration(f.Eps)(w, u, nil), nil
	}
	return 0, fmt.Errorf("convert: no formula of the spectral norm of %q", f.Format)
}

// SpectralNorms computes the spectral norms of a converted model by a formula, under the
// names of its sigma parameters. ok is false if the model lacks the vectors that it takes.
func SpectralNorms(file *weights.File, g *graph.Graph, f Formula) (norms weights.Memory, ok bool, err error) {
	norms = weights.Memory{}
	ok = true
	var group errgroup.Group
	group.SetLimit(4)
	for _, p := range g.Params() {
		if p.Role != graph.Sigma {
			continue
		}
		layer := strings.TrimSuffix(p.Name, ".sigma")
		info, _ := file.Info(layer + ".weight")
		data, _ := file.Bytes(layer + ".weight")
		w, err := newMatrix(info, data, false)
		if err != nil {
			return nil, false, err
		}
		u, hasU := storedVector(file, layer+".u", w.out)
		v, hasV := storedVector(file, layer+".v", w.fan)
		if !hasU || f.Format == "hf" && !hasV {
			ok = false
			break
		}
		norm := make([]float32, 1)
		norms[p.Name] = weights.Tensor{Shape: []int{1}, Data: norm}
		group.Go(func() error {
			sigma, err := f.sigma(w, u, v)
			norm[0] = float32(sigma)
			return err
		})
	}
	if err := group.Wait(); err != nil || !ok {
		return nil, false, err
	}
	return norms, true, nil
}

// storedVector reads a vector of n values of a converted model.
func storedVector(file *weights.File, name string, n int) ([]float64, bool) {
	if info, ok := file.Info(name); !ok || info.Elements() != n {
		return nil, false
	}
	values := make([]float64, n)
	return values, file.Float64s(values, name) == nil
}
