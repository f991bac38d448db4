package cpu

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pool is the workers of the process. Every step of a run is a job: the goroutine that calls
// for it does its items, and idle workers help. There are never more of both than the
// scheduler has threads (GOMAXPROCS, which follows affinity and cgroups), however many
// programs run. Between jobs a worker spins as long as any run is under way, because the next
// step is microseconds away and waking a thread takes a tenth of a millisecond; it ends when
// nothing comes.
type pool struct {
	mu      sync.Mutex // held for moments only: see lock
	jobs    []*job     // open to helpers
	callers int        // goroutines that are in parallel
	workers int        // goroutines that are in help
	helping int        // workers that are at a job
	posted  atomic.Int64
	runs    atomic.Int64
}

// workers serves all programs.
var workers pool

// awake is how long one spins at most.
const awake = time.Millisecond

// job is a call of f for 0 .. n-1.
type job struct {
	ctx      context.Context
	f        func(worker, i int)
	n        int64
	next     atomic.Int64
	most     int // goroutines at work, the caller included
	joined   int // so far; guarded by the pool
	callers  int // that are not counted yet: 0 if the caller is at another job, else 1
	working  atomic.Int64
	left     sync.WaitGroup
	panicked atomic.Pointer[string]
}

// parallel calls f for 0 .. n-1 on up to threads goroutines; worker, below threads, tells
// them apart. It stops early when the context ends. A panic in f is one of the caller. nested
// says that the caller is itself at a job.
func (p *pool) parallel(ctx context.Context, threads, n int, nested bool, f func(worker, i int)) error {
	j := &job{ctx: ctx, f: f, n: int64(n), most: min(threads, n), joined: 1, callers: 1}
	if nested {
		j.callers = 0
	}
	if j.most > 1 {
		p.post(j)
		j.run(0)
		p.close(j)
		j.wait()
	} else {
		j.run(0)
	}
	if text := j.panicked.Load(); text != nil {
		panic(*text) // where the caller can recover: a server outlives it
	}
	return ctx.Err()
}

// run does items until none is left.
func (j *job) run(worker int) {
	defer func() {
		if p := recover(); p != nil {
			text := fmt.Sprintf("%v\n%s", p, debug.Stack())
			j.panicked.CompareAndSwap(nil, &text)
			j.next.Store(j.n) // the others stop
		}
	}()
	for j.ctx.Err() == nil {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.f(worker, int(i))
	}
}

// wait returns when no helper is at the job any more.
func (j *job) wait() {
	spin(func() bool { return j.working.Load() == 0 })
	j.left.Wait()
}

// post opens a job to helpers.
func (p *pool) post(j *job) {
	p.lock()
	defer p.mu.Unlock()
	p.callers += j.callers
	p.jobs = append(p.jobs, j)
	p.posted.Add(1)
	p.call(j.most - 1)
}

// close lets no more helpers in, and makes room for one at another job.
func (p *pool) close(j *job) {
	p.lock()
	defer p.mu.Unlock()
	p.callers -= j.callers
	p.jobs = slices.DeleteFunc(p.jobs, func(other *job) bool { return other == j })
	p.call(min(1, len(p.jobs)))
}

// call makes idle workers until there are n, or as many as may be.
func (p *pool) call(n int) {
	for most := runtime.GOMAXPROCS(0) - p.callers; p.workers < most && p.workers-p.helping < n; p.workers++ {
		go p.help()
	}
}

// help is the life of a worker.
func (p *pool) help() {
	for rested := false; ; {
		p.lock()
		j, worker := p.join()
		if j == nil && rested {
			p.workers--
			p.mu.Unlock()
			return
		}
		seen := p.posted.Load()
		p.mu.Unlock()
		if j == nil {
			spin(func() bool { return p.posted.Load() != seen || p.runs.Load() == 0 })
			rested = p.posted.Load() == seen
			continue
		}
		j.run(worker)
		p.leave(j)
	}
}

func (p *pool) leave(j *job) {
	p.lock()
	p.helping--
	p.mu.Unlock()
	j.left.Done() // before the caller looks for it
	j.working.Add(-1)
}

// join takes a place at the job that has the fewest helpers, or gives nil.
func (p *pool) join() (best *job, worker int) {
	if p.callers+p.helping >= runtime.GOMAXPROCS(0) {
		return nil, 0
	}
	for _, j := range p.jobs {
		if j.joined < j.most && j.next.Load() < j.n && (best == nil || j.joined < best.joined) {
			best = j
		}
	}
	if best == nil {
		return nil, 0
	}
	p.helping++
	worker = best.joined
	best.joined++
	best.working.Add(1)
	best.left.Add(1)
	return best, worker
}

// spin looks for something again and again until it is there, for a moment. In between it
// lets other goroutines run.
func spin(there func() bool) {
	const looks = 200
	for start := time.Now(); time.Since(start) < awake; runtime.Gosched() {
		for range looks {
			if there() {
				return
			}
		}
	}
}

// lock takes the lock without going to sleep for it.
func (p *pool) lock() {
	const looks = 200
	for i := 1; !p.mu.TryLock(); i++ {
		if i%looks == 0 {
			runtime.Gosched()
		}
	}
}
