package gpu

import (
	"context"
	"time"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/backend/gpu/shader"
	"github.com/biggan-zoo/biggan/graph"
)

// Profile runs a batch step by step, each a submission of its own. A step's time so includes the way to the
// device and back, some tens of microseconds. A batch that does not fit at once is profiled as far as it does.
func (p *program) Profile(ctx context.Context, in backend.Inputs) ([]backend.Layer, error) {
	if err := backend.CheckInputs(p.graph, in); err != nil {
		return nil, err
	}
	s, err := p.current()
	if err != nil {
		return nil, err
	}
	c, err := s.acquire(in.Batch)
	if err != nil {
		return nil, err
	}
	defer s.giveBack(c)
	c.write(in, backend.Blend(s.l.graph.Grid, in.Truncation, in.Stats), 0)
	if err := s.g.Run(ctx, c.recordInputs); err != nil {
		return nil, err
	}
	var layers []backend.Layer
	for i, st := range s.l.steps {
		if st.export >= 0 && s.l.exports[st.export].pixels {
			continue
		}
		start := time.Now()
		if err := s.g.Run(ctx, func(r *device.Recorder) { c.recordStep(r, i) }); err != nil {
			return nil, err
		}
		layer := c.layer(i)
		layer.Time = time.Since(start)
		layers = append(layers, layer)
	}
	return layers, nil
}

// layer describes a step. Operations count for the whole batch, but for linear layers, where they count for a
// sample.
func (c *lane) layer(i int) backend.Layer {
	st := &c.state.l.steps[i]
	l := backend.Layer{Name: st.name, Kind: "other", Method: string(st.op)}
	for _, o := range st.bind {
		if o.constant != nil {
			l.Bytes += o.constant.bytes(c.state.half)
		}
	}
	s := st.conv
	if s == nil {
		if st.op == shader.Softmax || st.op == shader.Transpose {
			l.Kind = "attention"
		}
		return l
	}
	j := s.job(c.batch, c.state.half)
	l.Method, l.Done = c.jobs[i].tile, int64(j.flops())
	for _, n := range s.nodes {
		l.FLOPs += n.FLOPs() * int64(c.batch)
	}
	switch {
	case s.right != nil:
		l.Kind = "attention"
		l.FLOPs = 2 * int64(s.in.c) * int64(s.rows*c.batch) * int64(s.out.c)
	case s.nodes[0].Op != graph.Conv:
		l.Kind = "linear"
		l.FLOPs, l.Done = l.FLOPs/int64(c.batch), l.Done/int64(c.batch)
	case s.up:
		l.Kind = "upsampled conv 3x3"
	case s.taps == 1:
		l.Kind = "conv 1x1"
	default:
		l.Kind = "conv 3x3"
	}
	return l
}
