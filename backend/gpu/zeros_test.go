package gpu

import (
	"os"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// zeros is a source of weights for graphs whose values do not matter: variances of one.
type zeros struct{ g *graph.Graph }

func (z zeros) param(name string) *graph.Param {
	i := slices.IndexFunc(z.g.Params(), func(p *graph.Param) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return z.g.Params()[i]
}

func (z zeros) Info(name string) (weights.Info, bool) {
	p := z.param(name)
	if p == nil {
		return weights.Info{}, false
	}
	return weights.Info{Name: name, DType: weights.F32, Shape: p.Shape}, true
}

func (z zeros) Float32s(dst []float32, name string) error {
	for i := range dst {
		dst[i] = 0
		if r := z.param(name).Role; r == graph.Var || r == graph.Sigma {
			dst[i] = 1
		}
	}
	return nil
}

func (z zeros) Float64s(dst []float64, name string) error {
	for i := range dst {
		dst[i] = 1
	}
	return nil
}

func precision() backend.Precision { return backend.Precision(os.Getenv("BIGGAN_PRECISION")) }
