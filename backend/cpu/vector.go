package cpu

import (
	"fmt"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// vector is a batch of vectors inside a batch buffer: columns [at, at+n) of rows of width.
type vector struct {
	id, width, at, n int
}

// of is the current sample's vector.
func (v *vector) of(e *env) []float32 { return v.row(e, e.sample) }

func (v *vector) row(e *env, sample int) []float32 {
	at := sample*v.width + v.at
	return e.vectors[v.id][at : at+v.n : at+v.n]
}

// inputStep copies an input of the run.
type inputStep struct {
	name string
	to   *vector
}

func (s *inputStep) run(e *env, batch int) error {
	values := e.in.Tensors[s.name]
	for sample := range batch {
		copy(s.to.row(e, sample), values[sample*s.to.n:])
	}
	return nil
}

// concatVectors joins vectors.
type concatVectors struct {
	from []*vector
	to   *vector
}

func (s *concatVectors) run(e *env, batch int) error {
	for sample := range batch {
		at := 0
		for _, f := range s.from {
			at += copy(s.to.row(e, sample)[at:], f.row(e, sample))
		}
	}
	return nil
}

// pointwiseVectors applies ReLU, Tanh, Add or AddScaled.
type pointwiseVectors struct {
	op     graph.Op
	from   []*vector
	factor float32
	to     *vector
}

func (s *pointwiseVectors) run(e *env, batch int) error {
	for sample := range batch {
		to, x := s.to.row(e, sample), s.from[0].row(e, sample)
		switch s.op {
		case graph.ReLU:
			for i, v := range x {
				to[i] = max(v, 0)
			}
		case graph.Tanh:
			copy(to, x)
			e.program.kernels.Tanh(to)
		default:
			for i, v := range s.from[1].row(e, sample) {
				to[i] = x[i] + v*s.factor
			}
		}
	}
	return nil
}

// dotStep is the inner product of two vectors.
type dotStep struct{ a, b, to *vector }

func (s *dotStep) run(e *env, batch int) error {
	for sample := range batch {
		var sum float32
		other := s.b.row(e, sample)
		for i, v := range s.a.row(e, sample) {
			sum += v * other[i]
		}
		s.to.row(e, sample)[0] = sum
	}
	return nil
}

// linearStep computes every linear layer of one input vector as one matrix product.
type linearStep struct {
	nodes  []*graph.Node
	from   *vector
	to     *vector // all outputs side by side
	starts []int   // column of each node's outputs
	packed []float32
	bias   []float32
}

// columns is how many outputs a work item computes.
const columns = 256

func (s *linearStep) run(e *env, batch int) error {
	k, kernels := s.from.n, e.program.kernels
	a, c := e.vectors[s.from.id][s.from.at:], e.vectors[s.to.id]
	return e.parallel(kernel.Panels(s.to.n, columns), func(_, item int) {
		from := item * columns
		n := min(columns, s.to.n-from)
		kernels.AddRows(c[from:], s.to.width, s.bias[from:], 0, batch, n, e.program.zeros)
		kernels.Gemm(batch, n, k, a, s.from.width, s.packed[from*k:], k*kernel.NR, c[from:], s.to.width, true)
	})
}

// pack reads the weights of all layers into panels of output columns.
func (s *linearStep) pack(w weights.Source) error {
	k := s.from.n
	s.packed = make([]float32, kernel.Panels(s.to.n, kernel.NR)*kernel.NR*k)
	s.bias = make([]float32, s.to.n)
	for i, n := range s.nodes {
		values, err := normalised(w, n, 1)
		if err != nil {
			return err
		}
		outs := n.Shape[0]
		outStride, inStride := k, 1
		if n.Op == graph.Embed { // [in, out]
			outStride, inStride = 1, outs
		}
		for o := 0; o < outs; {
			col := s.starts[i] + o
			count := min(outs-o, kernel.NR-col%kernel.NR)
			panel := s.packed[col/kernel.NR*k*kernel.NR+col%kernel.NR:]
			for l := range k {
				row, from := panel[l*kernel.NR:][:count], values[o*outStride+l*inStride:]
				for j := range row {
					row[j] = from[j*outStride]
				}
			}
			o += count
		}
		if n.Bias != nil {
			if err := w.Float32s(s.bias[s.starts[i]:s.starts[i]+outs], n.Bias.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// normalised reads a node's weight times factor, divided by its spectral norm.
func normalised(w weights.Source, n *graph.Node, factor float64) ([]float32, error) {
	values := make([]float32, n.Weight.Elements())
	if err := w.Float32s(values, n.Weight.Name); err != nil {
		return nil, err
	}
	if n.Sigma != nil {
		var sigma [1]float64
		if err := w.Float64s(sigma[:], n.Sigma.Name); err != nil {
			return nil, err
		}
		if sigma[0] == 0 {
			return nil, fmt.Errorf("cpu: %s is zero", n.Sigma.Name)
		}
		factor /= sigma[0]
	}
	if factor != 1 {
		for i, v := range values {
			values[i] = float32(float64(v) * factor)
		}
	}
	return values, nil
}
