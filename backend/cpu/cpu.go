// Package cpu computes a network in float32 on all cores, in plain Go.
//
// Feature maps lie channels last, so that a convolution is a matrix product of pixels by
// channels. Compile lowers the graph to steps. Slices of channels, normalisation, ReLU and
// upsampling are not computed but kept as views (view.go) that the next step applies while
// it reads; an upsampling before a 3x3 convolution becomes four 2x2 convolutions on the
// small map; bias, residual and gamma are added where a convolution stores its result.
package cpu

import (
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
	l, err := lowerWithin(spareBytes, g, w, set, o.Keep, steer)
	if err != nil {
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

// lowerWithin lowers with the fastest convolutions that take no more memory than the weights
// and some bytes; with the smallest that there are if all take more.
func lowerWithin(spare int64, g *graph.Graph, w weights.Source, set *kernel.Set, keep []string, steer policy) (l *lowering, err error) {
	most := spare
	for _, p := range g.Params() {
		most += 4 * int64(p.Elements())
	}
	for _, steer.price = range prices {
		l = newLowering(g, w, set, keep)
		l.policy = steer
		if err := l.lower(); err != nil {
			return nil, err
		}
		if l.packed+4*int64(l.plan().total) <= most {
			break
		}
	}
	return l, nil
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

// Close drops the idle buffers.
func (p *program) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arenas = nil
	return nil
}
