// Package gpu computes a network in float32 on a GPU, by Vulkan, Metal or Direct3D 12, with shaders in
// WGSL and without a C toolchain.
//
// Feature maps lie channels last. Compile lowers the graph to dispatches of a few shaders. Slices of
// channels, normalisation, ReLU and upsampling are not computed but kept as views (view.go) that the next
// shader applies while it reads; an upsampling before a 3x3 convolution becomes four 2x2 convolutions on
// the small map; bias, residual, gamma and tanh are applied where a convolution stores its result. Weights
// are uploaded once; a run is one submission that reads back what it returns and nothing else.
package gpu

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// program is a network on a device. After the device is lost it moves to a new one, once a run.
type program struct {
	graph   *graph.Graph
	w       weights.Source
	options backend.Options

	mu    sync.Mutex
	state *state
}

// state is a network on one opening of a device.
type state struct {
	g      *accelerator
	l      *lowering
	half   bool
	slots  []slot
	slotOf []int
	arenas []*device.Buffer

	mu    sync.Mutex
	freed *sync.Cond // a lane became idle
	idle  []*lane
	live  int // lanes, idle or not
	chunk int // samples of a lane at most
}

// Compile uploads a network to the GPU that o.Device names and measures, where it was not done before,
// which tiles suit it. Errors wrap backend.ErrUnavailable where there is no GPU, or too small a one.
func Compile(g *graph.Graph, w weights.Source, o backend.Options) (backend.Program, error) {
	switch o.Precision {
	case "", backend.F32, backend.F16:
	default:
		return nil, fmt.Errorf("%w: the gpu backend computes with weights in f32 or f16, not in %q", backend.ErrPrecision, o.Precision)
	}
	if err := backend.CheckKeep(g, o.Keep); err != nil {
		return nil, err
	}
	if err := backend.CheckWeights(g, w); err != nil {
		return nil, err
	}
	p := &program{graph: g, w: w, options: o}
	a, err := openNamed(o.Device)
	if err != nil {
		return nil, err
	}
	if p.state, err = p.build(a); errors.Is(err, device.ErrLost) {
		p.state, err = p.rebuild(a)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// rebuild opens a lost device anew and uploads the network again.
func (p *program) rebuild(lost *accelerator) (*state, error) {
	lost.forget()
	a, err := openNamed(p.options.Device)
	if err != nil {
		return nil, err
	}
	return p.build(a)
}

// build lowers the graph for a device, uploads the weights and makes the lane of one sample.
func (p *program) build(g *accelerator) (_ *state, err error) {
	half := p.options.Precision == backend.F16
	s := &state{g: g, half: half}
	s.freed = sync.NewCond(&s.mu)
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	s.l = newLowering(p.graph, finite{p.w}, p.options.Keep, int(g.Limits.Binding), half)
	if err := s.l.lower(); err != nil {
		return nil, err
	}
	s.slots, s.slotOf = planSlots(s.l.tensors)
	s.chunk = s.largest()
	if err := s.upload(); err != nil {
		return nil, s.tooSmall(err)
	}
	c, err := s.newLane(1)
	if err != nil {
		return nil, s.tooSmall(err)
	}
	s.idle, s.live = []*lane{c}, 1
	_ = g.tuning.save(g.Adapter) // a cache
	return s, nil
}

// upload places the constants and sends them to the device.
func (s *state) upload() error {
	sizes, err := placeConstants(s.l.constants, s.half, s.align(), s.g.Limits.Binding)
	if err != nil {
		return err
	}
	for _, size := range sizes {
		b, err := s.g.NewBuffer(device.Storage, size)
		if err != nil {
			return err
		}
		s.arenas = append(s.arenas, b)
	}
	return upload(s.g, s.l.constants, s.arenas, s.half)
}

// Run computes a batch, split where the device has no room for it at once.
func (p *program) Run(ctx context.Context, in backend.Inputs) (out map[string]backend.Tensor, err error) {
	err = p.try(in, func(s *state) error {
		out, err = s.run(ctx, in)
		return err
	})
	return out, err
}

// Draw computes a batch as Run does and reads bytes back instead of floats.
func (p *program) Draw(ctx context.Context, in backend.Inputs) (out backend.Pixels, err error) {
	err = p.try(in, func(s *state) error {
		out, err = s.draw(ctx, in)
		return err
	})
	return out, err
}

// try runs on the device, and on a newly opened one if it is lost.
func (p *program) try(in backend.Inputs, run func(s *state) error) error {
	if err := backend.CheckInputs(p.graph, in); err != nil {
		return err
	}
	s, err := p.current()
	if err != nil {
		return err
	}
	if err := run(s); !errors.Is(err, device.ErrLost) {
		return err
	}
	if s, err = p.replace(s); err != nil {
		return err
	}
	return run(s)
}

// current is the network on its device.
func (p *program) current() (*state, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == nil {
		return nil, errors.New("gpu: the program is closed")
	}
	return p.state, nil
}

// replace moves to a new opening of the device, unless another run has done so.
func (p *program) replace(lost *state) (*state, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != lost {
		if p.state == nil {
			return nil, errors.New("gpu: the program is closed")
		}
		return p.state, nil
	}
	lost.release()
	s, err := p.rebuild(lost.g)
	if err != nil {
		return nil, fmt.Errorf("gpu: after the device was lost: %w", err)
	}
	p.state = s
	return s, nil
}

func (s *state) run(ctx context.Context, in backend.Inputs) (map[string]backend.Tensor, error) {
	out := map[string]backend.Tensor{}
	for _, e := range s.l.exports {
		if !e.pixels {
			out[e.name] = backend.Tensor{Shape: append([]int{in.Batch}, e.shape...), Data: make([]float32, in.Batch*e.t.size)}
		}
	}
	err := s.each(ctx, in, false, func(c *lane, from int) error {
		c.read(out, from)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// draw is run for the bytes of the image. An adapter that makes them wrong has them made here.
func (s *state) draw(ctx context.Context, in backend.Inputs) (backend.Pixels, error) {
	at := s.l.pixels()
	if at < 0 || !s.g.tuning.passed(pixelCheck) {
		out, err := s.run(ctx, in)
		if err != nil {
			return backend.Pixels{}, err
		}
		return backend.PixelsOf(out[backend.Image])
	}
	return s.pixels(ctx, in, at)
}

// pixels is a run for the export of bytes.
func (s *state) pixels(ctx context.Context, in backend.Inputs, at int) (backend.Pixels, error) {
	_, h, w := shape(s.l.exports[at].shape)
	out := backend.Pixels{N: in.Batch, H: h, W: w, Data: make([]byte, 3*in.Batch*h*w)}
	err := s.each(ctx, in, true, func(c *lane, from int) error { return c.readPixels(out, at, from) })
	if err != nil {
		return backend.Pixels{}, err
	}
	return out, nil
}

// each computes a batch, a lane of samples at a time, for bytes or for floats, and hands each lane over with
// the number of its first sample.
func (s *state) each(ctx context.Context, in backend.Inputs, pixels bool, done func(c *lane, from int) error) error {
	blend := backend.Blend(s.l.graph.Grid, in.Truncation, in.Stats)
	for from := 0; from < in.Batch; {
		c, err := s.acquire(in.Batch - from)
		if err != nil {
			return err
		}
		c.write(in, blend, from)
		err = s.g.Run(ctx, func(r *device.Recorder) { c.record(r, pixels) })
		if err == nil {
			err = done(c, from)
		}
		s.giveBack(c)
		if err != nil {
			return err
		}
		from += c.batch
	}
	return nil
}

// Close frees the network's memory. The device stays open for other programs.
func (p *program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != nil {
		p.state.release()
	}
	p.state = nil
	return nil
}
