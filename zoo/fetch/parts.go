package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"
)

// attempt goes on from what is hashed until the file is whole or something fails.
func (d *download) attempt(ctx context.Context) error {
	if d.total > 0 && d.hashed == d.total {
		return nil
	}
	from := d.hashed
	to := from + d.options.Part
	if d.total > 0 {
		to = min(to, d.total)
	}
	response, err := d.do(ctx, d.file.URL, d.request(from, to))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return d.whole(ctx, response)
	}
	if d.wholly {
		return fmt.Errorf("%w: %s sends a part of the file unasked", ErrRefused, d.file.URL.Host)
	}
	s, err := d.check(response, from, to)
	if err != nil {
		return err
	}
	if d.hashed > 0 {
		if err := d.sameVersion(response, s); err != nil {
			return err
		}
	}
	if err := d.sized(d.file.URL.Host, s.total); err != nil {
		return err
	}
	d.etag = strongETag(response.Header)
	if d.etag == "" && !d.file.Digest.Known() && s.to+1 < s.total {
		// Later parts could be of another version and nothing would tell.
		response.Body.Close()
		d.wholly = true
		if err := d.drop(); err != nil {
			return err
		}
		return d.attempt(ctx)
	}
	return d.ranges(ctx, response, s)
}

// whole takes a response that carries the file from its start.
func (d *download) whole(ctx context.Context, response *http.Response) error {
	if d.hashed > 0 {
		d.note("%s: the file changed, or the server sends no parts: from the start", d.file.URL.Host)
		if err := d.drop(); err != nil {
			return err
		}
		d.resumed = false
	}
	chunked := len(response.TransferEncoding) > 0 || response.ProtoMajor > 1
	if response.ContentLength < 0 && d.total == 0 && !chunked && !d.file.Digest.Known() {
		return fmt.Errorf("%w: %w: %s does not say how long the file is", ErrNetwork, errPermanent, d.file.URL.Host)
	}
	if response.ContentLength >= 0 {
		if err := d.sized(d.file.URL.Host, response.ContentLength); err != nil {
			return err
		}
	}
	d.etag = strongETag(response.Header)
	w := newWindow(0, d.total, d.total, 1)
	p := w.take()
	err := d.follow(ctx, w, func(context.Context) error {
		return d.fill(response.Body, w, p)
	})
	if err != nil {
		return err
	}
	if d.total == 0 {
		return d.sized(d.file.URL.Host, d.hashed)
	}
	if d.hashed < d.total {
		return fmt.Errorf("%w: %d bytes of %d", io.ErrUnexpectedEOF, d.hashed, d.total)
	}
	return nil
}

// ranges takes the file in parts, the first of which has been answered.
func (d *download) ranges(ctx context.Context, first *http.Response, s span) error {
	workers := d.options.Parts
	if d.serial {
		workers = 1
	}
	w := newWindow(d.hashed, d.total, d.options.Part, 2*workers)
	w.renew = d.budget.renew // each byte is written once: all are progress
	return d.follow(ctx, w, func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		for i := range workers {
			p := w.take()
			if p == nil {
				break
			}
			var response *http.Response
			if i == 0 {
				response = first
			}
			group.Go(func() error {
				for ; p != nil; p = w.take() {
					if err := d.part(ctx, w, p, response, s); err != nil {
						w.stop()
						return err
					}
					response = nil
				}
				return nil
			})
		}
		return group.Wait()
	})
}

// part downloads one part, again and again from where it broke off while the budget lasts.
func (d *download) part(ctx context.Context, w *window, p *part, response *http.Response, s span) error {
	for p.at < p.end {
		err := d.piece(ctx, w, p, response, s)
		response = nil
		if err == nil {
			continue
		}
		var changed restart
		var disk storageError
		if errors.As(err, &changed) || errors.As(err, &disk) || errors.Is(err, ErrRefused) || errors.Is(err, errPermanent) {
			return err
		}
		if err := d.afterFailure(ctx, err); err != nil {
			return spent{err}
		}
	}
	return nil
}

// spent is the end of the budget.
type spent struct{ error }

func (s spent) Unwrap() []error { return []error{s.error, errPermanent} }

// piece takes one response for the rest of a part.
func (d *download) piece(ctx context.Context, w *window, p *part, response *http.Response, s span) error {
	if response == nil {
		var err error
		if response, err = d.do(ctx, d.file.URL, d.request(p.at, p.end)); err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusPartialContent {
			return restart{"the server sends the whole file where a part was asked for"}
		}
		if s, err = d.check(response, p.at, p.end); err != nil {
			return err
		}
		if err := d.sameVersion(response, s); err != nil {
			return err
		}
	}
	return d.fill(io.LimitReader(response.Body, s.to+1-s.from), w, &part{at: p.at, end: s.to + 1, of: p})
}

// fill writes a body into a part. A body that is short is an error; so is one that is long.
func (d *download) fill(body io.Reader, w *window, p *part) error {
	buf := w.buffer()
	defer w.release(buf)
	for {
		n, err := body.Read(buf)
		if p.end > 0 && int64(n) > p.end-p.at || d.file.Limit > 0 && p.at+int64(n) > d.file.Limit {
			return fmt.Errorf("%w: %s sends more than it said, or than %d bytes", ErrRefused, d.file.URL.Host, d.file.Limit)
		}
		if n > 0 {
			if _, err := d.partial.Storage.WriteAt(buf[:n], p.at); err != nil {
				return storageError{err}
			}
			w.wrote(p, int64(n))
		}
		switch {
		case errors.Is(err, io.EOF) && p.end > 0 && p.at < p.end:
			return io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// follow runs the writers of a window and hashes what they have written meanwhile.
func (d *download) follow(ctx context.Context, w *window, write func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	written := make(chan error, 1)
	go func() {
		err := write(ctx)
		w.stop()
		written <- err
	}()
	for {
		frontier, more := w.wait(d.hashed)
		// What is on disk is hashed even after a signal: so much less is lost.
		if err := d.advance(context.WithoutCancel(ctx), frontier); err != nil {
			cancel()
			w.stop()
			<-written
			return err
		}
		if !more {
			return <-written
		}
	}
}

// part is a range of the file: [start, end) of which what lies before at is written.
type part struct {
	at, end int64 // end = 0: unknown
	of      *part // that this one is a piece of
}

// window hands out parts in order, a bounded number ahead of the frontier: the end of what
// is written without a gap.
type window struct {
	mu             sync.Mutex
	changed        *sync.Cond
	next, end, per int64
	ahead          int
	parts          []*part // handed out, from the frontier on
	frontier       int64
	stopped        bool
	renew          func() // called each progressUnit written; may be nil
	unit           int64  // written since the last call
	buffers        sync.Pool
}

func newWindow(from, end, per int64, ahead int) *window {
	w := &window{next: from, end: end, per: per, ahead: ahead, frontier: from}
	w.changed = sync.NewCond(&w.mu)
	w.buffers.New = func() any { b := make([]byte, 256<<10); return &b }
	return w
}

func (w *window) buffer() []byte     { return *w.buffers.Get().(*[]byte) }
func (w *window) release(buf []byte) { w.buffers.Put(&buf) }

// take hands out the next part; nil if there is none or the download stops.
func (w *window) take() *part {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.parts) >= w.ahead && !w.stopped {
		w.changed.Wait()
	}
	if w.stopped || w.end > 0 && w.next >= w.end {
		return nil
	}
	p := &part{at: w.next}
	if w.end > 0 {
		p.end = min(w.next+w.per, w.end)
		w.next = p.end
	}
	w.parts = append(w.parts, p)
	return p
}

// wrote counts bytes of a part.
func (w *window) wrote(p *part, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.at += n
	if p.of != nil {
		p.of.at += n
	}
	if w.unit += n; w.unit >= progressUnit && w.renew != nil {
		w.unit = 0
		w.renew()
	}
	for len(w.parts) > 0 {
		w.frontier = w.parts[0].at
		if w.parts[0].end == 0 || w.parts[0].at < w.parts[0].end {
			break
		}
		w.parts = w.parts[1:]
	}
	w.changed.Broadcast()
}

// stop ends the handing out.
func (w *window) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.changed.Broadcast()
}

// wait waits until the frontier has passed an offset or all writers have ended.
func (w *window) wait(hashed int64) (frontier int64, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.frontier <= hashed && !w.stopped {
		w.changed.Wait()
	}
	return w.frontier, !w.stopped || w.frontier > hashed
}
