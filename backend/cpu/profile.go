package cpu

import (
	"context"
	"time"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/graph"
)

// profile collects what steps take.
type profile struct{ layers []backend.Layer }

// Profile runs once and measures each step.
func (p *program) Profile(ctx context.Context, in backend.Inputs) ([]backend.Layer, error) {
	var all profile
	_, err := p.run(ctx, in, &all)
	return all.layers, err
}

// measure runs a step; what describes it if anybody wants to know.
func (p *profile) measure(step any, run func() error) error {
	if p == nil {
		return run()
	}
	start := time.Now()
	err := run()
	layer := backend.Layer{Kind: "other"}
	if d, ok := step.(described); ok {
		layer = d.describe()
	}
	layer.Time = time.Since(start)
	p.layers = append(p.layers, layer)
	return err
}

// described is a step that is worth its own row.
type described interface{ describe() backend.Layer }

func (s *convStep) describe() backend.Layer {
	l := backend.Layer{Name: s.nodes[0].Name, Kind: "conv 1x1", Method: s.method.String(), Done: s.method.flops(s.in), Bytes: s.method.bytes() + s.mapBytes()}
	switch {
	case s.size == 3 && s.in.up:
		l.Kind = "upsampled conv 3x3"
	case s.size == 3:
		l.Kind = "conv 3x3"
	}
	for _, n := range s.nodes {
		l.FLOPs += n.FLOPs()
	}
	if n, ok := s.method.(*narrow); ok && n.before != nil {
		before := n.before.describe()
		l.FLOPs, l.Done, l.Bytes, l.Method = l.FLOPs+before.FLOPs, l.Done+before.Done, l.Bytes+before.Bytes, l.Method+" after 1x1"
	}
	return l
}

// mapBytes is the size of the maps that a convolution reads and writes.
func (s *convStep) mapBytes() int64 {
	pixels := s.scale() * s.scale() * s.in.h * s.in.w
	values := s.in.c*s.in.h*s.in.w + s.outs*pixels
	if n, ok := s.method.(*narrow); ok && n.before != nil {
		values = s.outs * pixels // its input is never written
	}
	if s.out.size == 0 {
		values = s.in.c * s.in.h * s.in.w
	}
	if s.residual != nil {
		values += s.residual.c * s.residual.h * s.residual.w
	}
	return 4 * int64(values)
}

func (s *linearStep) describe() backend.Layer {
	l := backend.Layer{Name: s.nodes[0].Name, Kind: "linear", Method: "dots"}
	for _, n := range s.nodes {
		l.FLOPs += n.FLOPs()
		l.Bytes += 4 * int64(n.Weight.Elements())
	}
	l.Done = l.FLOPs
	return l
}

func (s *attentionStep) describe() backend.Layer {
	h, w := s.theta.size()
	done := 2 * int64(h*w) * int64(s.keys()) * int64(s.theta.c+s.g.c)
	return backend.Layer{Name: s.name, Kind: graph.Attention.String(), Method: "blocks", FLOPs: done, Done: done}
}

func (d *direct) flops(in view) int64 {
	return 2 * int64(len(d.phases)*d.depth()*d.outs) * int64(in.h*in.w)
}

func (f *fast) flops(view) int64 {
	down, across := f.grid()
	return 2 * int64(len(f.phases)*f.planes()*down*across) * int64(f.channels*f.outs)
}

func (n *narrow) flops(in view) int64 { return 2 * int64(in.h*in.w) * int64(n.channels*kernel.NR) }
