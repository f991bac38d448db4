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
	methods map[string]string // that the cost model would not have chosen

	ones, zeros []float32 // as long as any map has channels

	mu     sync.Mutex
	arenas []*arena
}

// Compile lowers a graph, divides weights by their spectral norms and packs them.
func Compile(g *graph.Graph, w weights.Source, o backend.Options) (backend.Program, error) {
	return compile(g, w, o, policyOf(g, o))
}

// policyOf is the policy that options ask for.
func policyOf(g *graph.Graph, o backend.Options) policy {
	var p policy
	if o.Precision == backend.BF16 {
		p = bfloat16(g)
	}
	if len(o.Methods) > 0 {
		p.take = func(shape string, m method) bool { return o.Methods[shape] == m.String() }
	}
	return p
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
	threads := threadsOf(o)
	l, err := lowerWithin(spareBytes, g, w, set, o.Keep, steer)
	if err != nil {
		return nil, err
	}
	l.noteMethods(o)
	if err := l.pack(threads); err != nil {
		return nil, err
	}
	p := &program{
		graph: g, threads: threads, vectors: l.vectorSteps, norms: l.norms, maps: l.mapSteps, late: l.lateSteps, exports: l.exports, layout: l.plan(),
		kernels: set, methods: l.departures(), ones: make([]float32, l.width), zeros: make([]float32, l.width),
	}
	for i := range p.ones {
		p.ones[i] = 1
	}
	return p, nil
}

// lowerWithin lowers with the fastest convolutions that take no more memory than the weights
// and some bytes; with the smallest that there are if all take more. Methods that are asked for
// are passed over as a whole where they would take more than that and than those.
func lowerWithin(spare int64, g *graph.Graph, w weights.Source, set *kernel.Set, keep []string, steer policy) (l *lowering, err error) {
	most := spare
	for _, p := range g.Params() {
		most += 4 * int64(p.Elements())
	}
	take := steer.take
	steer.take = nil
	for _, steer.price = range prices {
		if l, err = lowered(g, w, set, keep, steer); err != nil {
			return nil, err
		}
		if l.bytes() <= most {
			break
		}
	}
	if take == nil {
		return l, nil
	}
	steer.take = take
	asked, err := lowered(g, w, set, keep, steer)
	if err == nil && asked.bytes() > max(most, l.bytes()) {
		l.refused = asked.bytes()
		return l, nil
	}
	return asked, err
}

func lowered(g *graph.Graph, w weights.Source, set *kernel.Set, keep []string, steer policy) (*lowering, error) {
	l := newLowering(g, w, set, keep)
	l.policy = steer
	return l, l.lower()
}

// bytes are those of packed weights and maps.
func (l *lowering) bytes() int64 { return l.packed + 4*int64(l.plan().total) }

// threadsOf is how many threads options ask for.
func threadsOf(o backend.Options) int {
	if o.Threads > 0 {
		return o.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// Methods are those of Options.Methods that the cost model would not have chosen.
func (p *program) Methods() map[string]string { return p.methods }

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
