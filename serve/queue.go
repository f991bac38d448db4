package serve

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errBusy means that as many drawings run and wait as may.
var errBusy = errors.New("serve: all places are taken")

// queue lets a number of drawings run at once and a number of further ones wait.
type queue struct {
	admitted chan struct{} // running or waiting
	slots    chan struct{} // running
	gone     chan struct{} // encodings of clients that left

	mu   sync.Mutex
	mean time.Duration // of a drawing, the last ones counting most
}

func newQueue(parallel, waiting int) *queue {
	return &queue{
		admitted: make(chan struct{}, parallel+waiting), slots: make(chan struct{}, parallel), gone: make(chan struct{}, parallel+waiting),
	}
}

// do calls draw in a slot, then encode outside it. It fails at once with errBusy where even
// the waiting places are taken, and with the context's error where that ends before draw.
// A context that ends while encode runs, which nothing can stop, gives the place back all the
// same, unless as many such encodings run as there are places.
func (q *queue) do(ctx context.Context, draw, encode func() error) error {
	select {
	case q.admitted <- struct{}{}:
	default:
		return errBusy
	}
	leave := sync.OnceFunc(func() { <-q.admitted })
	defer leave()
	if err := q.inSlot(ctx, draw); err != nil {
		return err
	}
	defer q.leaveEarly(ctx, leave)()
	return encode()
}

// leaveEarly calls leave when the context ends, if not too many did before; done ends that.
func (q *queue) leaveEarly(ctx context.Context, leave func()) (done func()) {
	over := make(chan bool, 1)
	stop := context.AfterFunc(ctx, func() {
		select {
		case q.gone <- struct{}{}:
			leave()
			over <- true
		default:
			over <- false
		}
	})
	return func() {
		if !stop() && <-over {
			<-q.gone
		}
	}
}

func (q *queue) inSlot(ctx context.Context, draw func() error) error {
	select {
	case q.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-q.slots }()
	if err := ctx.Err(); err != nil {
		return err
	}
	start := time.Now()
	err := draw()
	if err == nil {
		q.took(time.Since(start))
	}
	return err
}

func (q *queue) took(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mean += (d - q.mean) / 4
}

func (q *queue) running() int { return len(q.slots) }
func (q *queue) waiting() int { return max(len(q.admitted)-len(q.slots), 0) }

// retryAfter is when a place should be free, in whole seconds, 1 to 60.
func (q *queue) retryAfter() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	rounds := (cap(q.admitted) + cap(q.slots) - 1) / cap(q.slots)
	return int(min(max(time.Duration(rounds)*q.mean/time.Second+1, 1), 60))
}
