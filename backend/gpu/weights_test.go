package gpu

import (
	"hash/fnv"
	"math"
	"os"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// ramp is a source of weights that keep activations near one, made as they are read: the same for a name
// everywhere.
type ramp struct{ g *graph.Graph }

func (r ramp) param(name string) *graph.Param {
	i := slices.IndexFunc(r.g.Params(), func(p *graph.Param) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return r.g.Params()[i]
}

// Info describes a parameter.
func (r ramp) Info(name string) (weights.Info, bool) {
	p := r.param(name)
	if p == nil {
		return weights.Info{}, false
	}
	return weights.Info{Name: name, DType: weights.F32, Shape: p.Shape}, true
}

// Float32s fills dst.
func (r ramp) Float32s(dst []float32, name string) error {
	p := r.param(name)
	h := fnv.New32a()
	h.Write([]byte(name))
	seed := uint64(h.Sum32())
	scale, offset := 0.3, 0.0
	switch p.Role {
	case graph.Weight:
		scale = math.Sqrt(3 / float64(p.Elements()/p.Shape[0]))
	case graph.Var, graph.Sigma, graph.Gain:
		offset = 1
	}
	for i := range dst {
		seed = seed*6364136223846793005 + 1442695040888963407
		dst[i] = float32(offset + scale*(float64(seed>>40)/(1<<23)-1))
	}
	return nil
}

// Float64s fills dst with the same values.
func (r ramp) Float64s(dst []float64, name string) error {
	values := make([]float32, len(dst))
	if err := r.Float32s(values, name); err != nil {
		return err
	}
	for i, v := range values {
		dst[i] = float64(v)
	}
	return nil
}

// precision is that of the benchmark.
func precision() backend.Precision { return backend.Precision(os.Getenv("BIGGAN_PRECISION")) }
