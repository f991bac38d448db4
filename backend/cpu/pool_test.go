package cpu

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestPanicReachesCaller: a panic on any thread is one on the caller's, where it can be recovered.
func TestPanicReachesCaller(t *testing.T) {
	for threads := 1; threads <= 4; threads++ {
		var got any
		func() {
			defer func() { got = recover() }()
			_ = new(pool).parallel(context.Background(), threads, 100, false, func(_, i int) {
				if i == 57 {
					panic("out of range")
				}
			})
		}()
		if text := fmt.Sprint(got); !strings.HasPrefix(text, "out of range") || !strings.Contains(text, "pool_test.go") {
			t.Errorf("%d threads: %v", threads, got)
		}
	}
}

// TestEachItemOnce: every item is done once, and no two goroutines have the same number at
// the same time, though several callers share the workers.
func TestEachItemOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	p := new(pool)
	var callers sync.WaitGroup
	for caller := range 6 {
		callers.Go(func() {
			threads := caller%4 + 1
			for n := range 60 {
				done, busy := make([]atomic.Int32, n), make([]atomic.Bool, threads)
				err := p.parallel(context.Background(), threads, n, false, func(worker, i int) {
					if !busy[worker].CompareAndSwap(false, true) {
						t.Errorf("two goroutines are worker %d", worker)
					}
					done[i].Add(1)
					if i%7 == 0 {
						runtime.Gosched()
					}
					busy[worker].Store(false)
				})
				for i := range done {
					if got := done[i].Load(); err != nil || got != 1 {
						t.Errorf("%d threads: item %d of %d was done %d times: %v", threads, i, n, got, err)
					}
				}
			}
		})
	}
	callers.Wait()
}

// TestHelpersComeAndGo: workers help a caller whether they spin or have to be made, never more
// than the scheduler has threads, and end when nothing comes.
func TestHelpersComeAndGo(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	p := new(pool)
	for i := range 6 {
		p.runs.Store(int64(i % 2)) // of a run under way workers stay awake
		var here atomic.Int32
		met := make(chan struct{})
		_ = p.parallel(context.Background(), 8, 8, false, func(worker, _ int) {
			if worker > 2 {
				t.Errorf("worker %d of 3 threads", worker)
			}
			if here.Add(1) == 3 {
				close(met)
			}
			select {
			case <-met:
			case <-time.After(10 * time.Second):
				t.Error("nobody came to help")
			}
		})
		time.Sleep(3 * awake)
	}
	p.runs.Store(0)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(awake) {
		p.mu.Lock()
		left := p.workers + p.callers + p.helping + len(p.jobs)
		p.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d workers, %d callers, %d at work, %d jobs; want none", p.workers, p.callers, p.helping, len(p.jobs))
		}
	}
}

// TestStopsWithContext: items that have not begun when the context ends never do.
func TestStopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var done atomic.Int32
	err := new(pool).parallel(ctx, 2, 1000, false, func(_, _ int) {
		if done.Add(1) == 10 {
			cancel()
		}
	})
	if n := done.Load(); !errors.Is(err, context.Canceled) || n > 20 {
		t.Errorf("%d items, %v", n, err)
	}
}
