// Package cpu computes a network in float32 on all cores, in plain Go.
//
// Feature maps lie channels last, so that a convolution is a matrix product of pixels by
// channels. Compile lowers the graph to steps. Slices of channels, normalisation, ReLU and
// upsampling are not computed but kept as views (view.go) that the next step applies while
// it reads; an upsampling before a 3x3 convolution becomes four 2x2 convolutions on the
// small map; bias, residual and gamma are added where a convolution stores its result.
package cpu

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// program is a compiled network. Everything but the pool of arenas is read-only.
type program struct {
	graph   *graph.Graph
	threads int
	vectors []vectorStep // once a run, for the whole batch
	norms   []*norm      // once a sample, before maps
	maps    []mapStep    // once a sample
	late    []vectorStep // once a run, after the maps of all samples
	exports []export
	layout  layout
	kernels *kernel.Set

	ones, zeros []float32 // as long as any map has channels

	mu     sync.Mutex
	arenas []*arena
}

// vectorStep computes vectors of the whole batch.
type vectorStep interface {
	run(e *env, batch int) error
}

// mapStep computes feature maps of one sample.
type mapStep interface {
	run(e *env) error
}

// env is what a step works with: the state of one run.
type env struct {
	*arena
	program *program
	ctx     context.Context
	in      backend.Inputs
	blend   backend.StatsBlend
	sample  int
	out     map[string]backend.Tensor
	profile *profile // nil = nobody asks
}

// Compile lowers a graph, divides weights by their spectral norms and packs them.
func Compile(g *graph.Graph, w weights.Source, o backend.Options) (backend.Program, error) {
	if o.Precision == backend.BF16 {
		return compile(g, w, o, bfloat16(g))
	}
	return compile(g, w, o, policy{})
}

func compile(g *graph.Graph, w weights.Source, o backend.Options, steer policy) (backend.Program, error) {
	set, err := Kernels()
	if err != nil {
		return nil, err
	}
	if err := checkPrecision(o.Precision, set); err != nil {
		return nil, err
	}
	if err := backend.CheckKeep(g, o.Keep); err != nil {
		return nil, err
	}
	if err := backend.CheckWeights(g, w); err != nil {
		return nil, err
	}
	threads := o.Threads
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	l := newLowering(g, w, set, o.Keep)
	l.policy = steer
	if err := l.lower(); err != nil {
		return nil, err
	}
	if err := l.pack(threads); err != nil {
		return nil, err
	}
	p := &program{
		graph: g, threads: threads, vectors: l.vectorSteps, norms: l.norms, maps: l.mapSteps, late: l.lateSteps, exports: l.exports, layout: l.plan(),
		kernels: set, ones: make([]float32, l.width), zeros: make([]float32, l.width),
	}
	for i := range p.ones {
		p.ones[i] = 1
	}
	return p, nil
}

// checkPrecision refuses arithmetic that the kernels lack.
func checkPrecision(p backend.Precision, set *kernel.Set) error {
	switch {
	case p == "" || p == backend.F32 || p == backend.BF16 && set.HasBF16():
		return nil
	case p == backend.BF16:
		return fmt.Errorf("%w: the cpu backend computes in bf16 with AVX512_BF16, which %s kernels on this processor lack; use f32", backend.ErrPrecision, set.Name)
	}
	return fmt.Errorf("%w: the cpu backend computes in f32 and bf16, not in %q", backend.ErrPrecision, p)
}

// Run computes the vectors of the batch together and the maps sample by sample.
func (p *program) Run(ctx context.Context, in backend.Inputs) (map[string]backend.Tensor, error) {
	return p.run(ctx, in, nil)
}

func (p *program) run(ctx context.Context, in backend.Inputs, profile *profile) (map[string]backend.Tensor, error) {
	if err := backend.CheckInputs(p.graph, in); err != nil {
		return nil, err
	}
	e := &env{
		arena: p.acquire(in.Batch), program: p, ctx: ctx, in: in,
		blend: backend.Blend(p.graph.Grid, in.Truncation, in.Stats), out: map[string]backend.Tensor{}, profile: profile,
	}
	defer p.release(e.arena)
	for _, x := range p.exports {
		e.out[x.name] = backend.Tensor{Shape: append([]int{in.Batch}, x.shape...), Data: make([]float32, in.Batch*x.elements)}
	}
	if err := e.runVectors(p.vectors); err != nil {
		return nil, err
	}
	for e.sample = range in.Batch {
		for _, n := range p.norms {
			n.prepare(e)
		}
		for _, s := range p.maps {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if err := profile.measure(s, func() error { return s.run(e) }); err != nil {
				return nil, err
			}
		}
	}
	if err := e.runVectors(p.late); err != nil {
		return nil, err
	}
	return e.out, nil
}

func (e *env) runVectors(steps []vectorStep) error {
	for _, s := range steps {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		if err := e.profile.measure(s, func() error { return s.run(e, e.in.Batch) }); err != nil {
			return err
		}
	}
	return nil
}

// Close drops the idle buffers.
func (p *program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arenas = nil
	return nil
}

// parallel calls f for 0 .. n-1 on the program's threads; worker tells the threads apart.
// It stops early when the context ends.
func (e *env) parallel(n int, f func(worker, i int)) error {
	return workers.parallel(e.ctx, e.program.threads, n, f)
}
