package onnxgraph

import (
	"context"
	"io"
	"slices"

	"github.com/biggan-zoo/biggan/convert/onnx"
	"github.com/biggan-zoo/biggan/convert/onnx/onnxpb"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// tensor adds an initializer whose values are made when it is written.
func (l *lowering) tensor(name string, shape []int, values func() ([]float32, error)) string {
	dims := make([]int64, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	l.tensors = append(l.tensors, onnx.Tensor{Name: l.claim(name), Dims: dims, Write: func(w io.Writer) error {
		v, err := values()
		if err != nil {
			return err
		}
		return weights.Encode(w, weights.F32, v)
	}})
	return name
}

// watched makes the tensors stop at the context's end and tell the bytes written.
func (l *lowering) watched(ctx context.Context, progress func(done, total int64)) []onnx.Tensor {
	var done, total int64
	out := slices.Clone(l.tensors)
	for i, t := range out {
		size := int64(4)
		for _, d := range t.Dims {
			size *= d
		}
		total += size
		out[i].Write = func(w io.Writer) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := t.Write(w); err != nil {
				return err
			}
			if done += size; progress != nil {
				progress(done, total)
			}
			return nil
		}
	}
	return out
}

// weight is some rows of a node's weight, divided by its spectral norm in float64.
func (l *lowering) weight(n *graph.Node, from, count int) string {
	shape := slices.Clone(n.Weight.Shape)
	shape[0] = count
	return l.tensor(n.Weight.Name, shape, func() ([]float32, error) {
		values, err := l.float32s(n.Weight)
		if err != nil {
			return nil, err
		}
		fan := len(values) / n.Weight.Shape[0]
		values = values[from*fan : (from+count)*fan]
		if n.Sigma == nil {
			return values, nil
		}
		sigma := make([]float64, 1)
		if err := l.source.Float64s(sigma, n.Sigma.Name); err != nil {
			return nil, err
		}
		for i, v := range values {
			values[i] = float32(float64(v) / sigma[0])
		}
		return values, nil
	})
}

// bias is some entries of a node's bias.
func (l *lowering) bias(n *graph.Node, from, count int) string {
	return l.tensor(n.Bias.Name, []int{count}, func() ([]float32, error) {
		values, err := l.float32s(n.Bias)
		if err != nil {
			return nil, err
		}
		return values[from : from+count], nil
	})
}

// param is a parameter as it is, under a shape of as many elements.
func (l *lowering) param(p *graph.Param, shape ...int) string {
	return l.tensor(p.Name, shape, func() ([]float32, error) { return l.float32s(p) })
}

// float32s reads a parameter into the one buffer: valid until the next is read.
func (l *lowering) float32s(p *graph.Param) ([]float32, error) {
	n := p.Elements()
	l.buffer = slices.Grow(l.buffer[:0], n)[:n]
	return l.buffer, l.source.Float32s(l.buffer, p.Name)
}

// firstRow reads a vector, or the first row of a table.
func (l *lowering) firstRow(p *graph.Param) ([]float64, error) {
	values := make([]float64, p.Elements())
	if err := l.source.Float64s(values, p.Name); err != nil {
		return nil, err
	}
	return values[:p.Shape[len(p.Shape)-1]], nil
}

// ints is a constant vector of integers. One name always has the same values.
func (l *lowering) ints(name string, values ...int64) string {
	return l.constant(onnx.Int64s(name, []int64{int64(len(values))}, values...))
}

// floats is a constant vector. One name always has the same values.
func (l *lowering) floats(name string, values ...float32) string {
	return l.constant(onnx.Floats(name, []int64{int64(len(values))}, values...))
}

// scalar is a constant. One name always has the same value.
func (l *lowering) scalar(name string, value float64) string {
	return l.constant(onnx.Floats(name, nil, float32(value)))
}

// constant adds a small initializer once.
func (l *lowering) constant(t *onnxpb.Tensor) string {
	if !l.shared[t.Name] {
		l.shared[l.claim(t.Name)] = true
		l.out.Initializers = append(l.out.Initializers, t)
	}
	return t.Name
}
