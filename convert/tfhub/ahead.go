package tfhub

import "io"

// ahead reads from another goroutine, a few chunks before they are asked for, so that
// decompression goes on while tensors are converted.
type ahead struct {
	full, empty chan []byte
	failed      chan error // why there are no more, after the last chunk
	stop        chan struct{}
	chunk       []byte // being read, and what is left of it
	rest        []byte
	err         error
}

const (
	chunkSize = 1 << 18
	chunks    = 4
)

// readAhead begins to read. close it before what it reads from.
func readAhead(r io.Reader) *ahead {
	a := &ahead{full: make(chan []byte, chunks), empty: make(chan []byte, chunks), failed: make(chan error, 1), stop: make(chan struct{})}
	for range chunks {
		a.empty <- make([]byte, chunkSize)
	}
	go a.run(r)
	return a
}

func (a *ahead) run(r io.Reader) {
	defer close(a.full)
	for {
		var chunk []byte
		select {
		case chunk = <-a.empty:
		case <-a.stop:
			return
		}
		var err error
		n := 0
		for n < chunkSize && err == nil {
			var more int
			more, err = r.Read(chunk[n:chunkSize])
			n += more
		}
		a.full <- chunk[:n] // never more chunks than it holds
		if err != nil {
			a.failed <- err
			return
		}
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.chunk != nil {
			a.empty <- a.chunk
		}
		var more bool
		if a.chunk, more = <-a.full; !more {
			a.err = <-a.failed
		}
		a.rest = a.chunk
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// close ends the reading and waits for it.
func (a *ahead) close() {
	close(a.stop)
	for range a.full {
	}
}
