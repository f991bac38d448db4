package gpu

import (
	"errors"
	"fmt"
	"sync"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/backend/gpu/shader"
)

// accelerator is an open device with the shaders compiled for it so far. It stays open until
// the process ends, or until it is lost.
type accelerator struct {
	*device.Device
	tuning *tuning

	mu        sync.Mutex
	pipelines map[string]*device.Pipeline
}

var open struct {
	mu  sync.Mutex
	all map[int]*accelerator // by index of the adapter
}

// Adapters lists the GPUs of this machine.
func Adapters() ([]device.Adapter, error) { return device.Adapters() }

// openNamed gives the accelerator that a name means, as Options.Device explains.
func openNamed(name string) (*accelerator, error) {
	if name == "" && !device.MayHaveHardware() {
		return nil, fmt.Errorf("%w: gpu: %w: %s; a software adapter must be named by --device", backend.ErrNoDevice, device.ErrNone, device.Install)
	}
	all, err := device.Adapters()
	if err != nil {
		return nil, fmt.Errorf("%w: gpu: %w", backend.ErrUnavailable, err)
	}
	a, err := device.Pick(all, name)
	if err != nil {
		return nil, fmt.Errorf("%w: gpu: %w", backend.ErrNoDevice, err)
	}
	open.mu.Lock()
	defer open.mu.Unlock()
	if g := open.all[a.Index]; g != nil {
		return g, nil
	}
	g, err := openAdapter(a)
	if err != nil {
		return nil, fmt.Errorf("%w: gpu: %w", backend.ErrUnavailable, err)
	}
	if open.all == nil {
		open.all = map[int]*accelerator{}
	}
	open.all[a.Index] = g
	return g, nil
}

// openAdapter opens an adapter and makes sure that it computes right.
func openAdapter(a device.Adapter) (*accelerator, error) {
	d, err := device.Open(a)
	if err != nil {
		return nil, err
	}
	g := &accelerator{Device: d, tuning: loadTuning(a), pipelines: map[string]*device.Pipeline{}}
	if err := g.check(); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// forget drops a lost accelerator: the next program opens its adapter anew. The lost device is not closed:
// other programs may be about to write to its memory, and find out that it is lost.
func (g *accelerator) forget() {
	open.mu.Lock()
	defer open.mu.Unlock()
	if open.all[g.Adapter.Index] == g {
		delete(open.all, g.Adapter.Index)
	}
}

// pipeline compiles a shader, or gives what was compiled before.
func (g *accelerator) pipeline(op shader.Op, v shader.Variant) (*device.Pipeline, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := string(op)
	if op == shader.Conv {
		name = fmt.Sprintf("%s %s norm=%s half=%t", op, v.Tile, v.Norm, v.Half)
	}
	if p := g.pipelines[name]; p != nil {
		return p, nil
	}
	source, err := shader.Source(op, v)
	if err != nil {
		return nil, err
	}
	p, err := g.NewPipeline(name, source, shader.Bindings[op])
	if err != nil {
		return nil, err
	}
	g.pipelines[name] = p
	return p, nil
}
