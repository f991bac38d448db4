package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// slowest is the rate, in bytes a second, below which a connection has stalled.
const slowest = 1 << 10

// stalled is the cause of a request that the watchdog ended.
type stalled struct{ after time.Duration }

func (s stalled) Error() string { return fmt.Sprintf("no data for %v", s.after) }

// watchdog ends a request that is too slow, from its beginning: connecting counts.
type watchdog struct {
	cancel context.CancelCauseFunc
	stall  time.Duration

	mu    sync.Mutex
	bytes int64 // since the last look
	timer *time.Timer
	done  bool
}

func watch(cancel context.CancelCauseFunc, stall time.Duration) *watchdog {
	w := &watchdog{cancel: cancel, stall: stall}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(stall, w.look)
	return w
}

func (w *watchdog) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return
	}
	if float64(w.bytes) < slowest*w.stall.Seconds() {
		w.done = true
		w.cancel(stalled{w.stall})
		return
	}
	w.bytes = 0
	w.timer.Reset(w.stall)
}

func (w *watchdog) read(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes += int64(n)
}

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	w.timer.Stop()
}

// watched is a body under watch.
type watched struct {
	io.ReadCloser
	dog    *watchdog
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.dog.read(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = plain(err, context.Cause(w.ctx))
	}
	return n, err
}

func (w *watched) Close() error {
	w.dog.stop()
	err := w.ReadCloser.Close()
	w.cancel(nil)
	return err
}
