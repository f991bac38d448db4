package cpu

import (
	"cmp"
	"context"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

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
	*space
	vectors [][]float32 // of the whole batch
	program *program
	ctx     context.Context
	threads int
	nested  bool // in a job of the pool
	in      backend.Inputs
	blend   backend.StatsBlend
	sample  int
	out     map[string]backend.Tensor
	profile *profile // nil = nobody asks
}

// Run computes the vectors of the batch together, and the maps sample by sample: as many
// samples at the same time as there are threads and memory, because samples need not wait for
// one another as the threads of one do.
func (p *program) Run(ctx context.Context, in backend.Inputs) (map[string]backend.Tensor, error) {
	return p.run(ctx, in, nil)
}

func (p *program) run(ctx context.Context, in backend.Inputs, profile *profile) (map[string]backend.Tensor, error) {
	if err := backend.CheckInputs(p.graph, in); err != nil {
		return nil, err
	}
	teams := 1
	if profile == nil {
		teams = p.teams(in.Batch)
	}
	a := p.acquire(in.Batch, teams)
	defer p.release(a)
	workers.runs.Add(1)
	defer workers.runs.Add(-1)
	e := &env{
		space: a.spaces[0], vectors: a.vectors, program: p, ctx: ctx, threads: p.threads, in: in,
		blend: backend.Blend(p.graph.Grid, in.Truncation, in.Stats), out: map[string]backend.Tensor{}, profile: profile,
	}
	for _, x := range p.exports {
		e.out[x.name] = backend.Tensor{Shape: append([]int{in.Batch}, x.shape...), Data: make([]float32, in.Batch*x.elements)}
	}
	if err := e.runVectors(p.vectors); err != nil {
		return nil, err
	}
	if err := e.runSamples(a, teams); err != nil {
		return nil, err
	}
	if err := e.runVectors(p.late); err != nil {
		return nil, err
	}
	return e.out, nil
}

// teamBytes bounds the maps of the samples that are computed at the same time.
const teamBytes = 512 << 20

// teams is how many samples of a batch are computed at the same time, each by as many threads.
func (p *program) teams(batch int) int {
	most := max(1, min(batch, p.threads, teamBytes/(4*max(1, p.layout.total))))
	return p.threads / kernel.Panels(p.threads, most)
}

// runSamples computes the maps of all samples. Those that are left when every team has had as
// many are computed by all threads one after the other.
func (e *env) runSamples(a *arena, teams int) error {
	whole := 0
	if teams > 1 {
		whole = e.in.Batch / teams * teams
		members := make([]env, teams)
		for i := range members {
			members[i] = *e
			members[i].space, members[i].threads, members[i].nested = a.spaces[i], e.threads/teams, true
		}
		errs := make([]error, teams)
		err := workers.parallel(e.ctx, teams, whole, false, func(worker, sample int) {
			if errs[worker] == nil {
				errs[worker] = members[worker].runMaps(sample)
			}
		})
		if err := cmp.Or(append(errs, err)...); err != nil {
			return err
		}
	}
	for sample := whole; sample < e.in.Batch; sample++ {
		if err := e.runMaps(sample); err != nil {
			return err
		}
	}
	return nil
}

// runMaps computes the maps of a sample.
func (e *env) runMaps(sample int) error {
	e.sample = sample
	if err := e.parallel(len(e.program.norms), func(_, i int) { e.program.norms[i].prepare(e) }); err != nil {
		return err
	}
	for _, s := range e.program.maps {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		if err := e.profile.measure(s, func() error { return s.run(e) }); err != nil {
			return err
		}
	}
	return nil
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

// parallel calls f for 0 .. n-1 on the threads of the run; worker tells the threads apart.
// It stops early when the context ends.
func (e *env) parallel(n int, f func(worker, i int)) error {
	return workers.parallel(e.ctx, e.threads, n, e.nested, f)
}
