package cpu

import (
	"github.com/biggan-zoo/biggan/graph"
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
