// Package fetch downloads one file over HTTP so that it is right or not there: by ranges,
// in parts, resumed where an earlier run left it, hashed as it is read back from disk. It
// knows nothing of models and of file names.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/url"
	"slices"
	"syscall"
	"time"

	"github.com/biggan-zoo/biggan/checksums"
)

var (
	// ErrNetwork means that a server could not be reached, or did not send the file.
	ErrNetwork = errors.New("network failure")
	// ErrRefused means that what a server sent, or where it pointed to, is not accepted.
	ErrRefused = errors.New("refused download")
)

// File is what is wanted.
type File struct {
	URL    *url.URL
	Bytes  int64            // 0 = not known
	Digest checksums.Digest // not Known = whatever comes
	Limit  int64            // more bytes are refused
}

// Storage is where the bytes go: an *os.File.
type Storage interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
}

// Partial is a file of which a part may be here already.
type Partial struct {
	Storage Storage
	State   State
	// Save keeps the state for the next run.
	Save func(State) error
}

// State is what is known of a partial file. It is worth what its marks say: bytes that do
// not hash to them are dropped.
type State struct {
	URL   string `json:"url"`
	ETag  string `json:"etag"`  // strong, or empty
	Bytes int64  `json:"bytes"` // of the whole file
	Marks []Mark `json:"marks"`
}

// Mark is a prefix of the file that was read back and hashed.
type Mark struct {
	Offset int64            `json:"offset"`
	SHA256 checksums.Digest `json:"sha256"`
}

// Verified is the length of the longest prefix that was hashed.
func (s State) Verified() int64 {
	if len(s.Marks) == 0 {
		return 0
	}
	return s.Marks[len(s.Marks)-1].Offset
}

// Options steer a Client; zero values are the defaults.
type Options struct {
	Stall    time.Duration // give a connection up that sends less than 1 KiB/s for so long; default 30 s
	Attempts int           // failures in a row without progress; default 5
	Backoff  time.Duration // wait after the first of them, doubled each time; default 250 ms
	Parts    int           // connections at a time, where the server allows; default 4
	Part     int64         // bytes that a request asks for; default 8 MiB
	Asked    []string      // host:port pairs that the user named: they may be on private addresses
	// Dial makes connections; nil = the system's. Addresses are checked before it is called only
	// as far as they are numbers.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Admit is asked once the size of the file is known and before it is downloaded.
	Admit func(bytes int64) error
	// Note tells the user what happened: a retry, a restart.
	Note func(text string)
}

// markEvery is the distance of marks, progressUnit what renews the budget of attempts.
const (
	markEvery    = 16 << 20
	markInterval = time.Second
	progressUnit = 64 << 10
	maxRestarts  = 2
)

// download is one run of Get.
type download struct {
	*Client
	file     File
	partial  *Partial
	progress func(done, total int64)

	total    int64  // 0 = not known yet
	etag     string // of what is here
	serial   bool   // one connection: the server changed its mind before
	wholly   bool   // no ranges: without a digest or an ETag parts could be of two versions
	admitted bool

	hash     hash.Hash
	hashed   int64 // prefix in hash
	best     int64 // longest that renewed the budget
	shown    int64 // longest that was reported
	marked   time.Time
	restarts int
	resumed  bool // begins with bytes of an earlier run
	budget   budget

	readBuffer []byte
}

// Get downloads a file into the partial, from where that ends. It returns the digest of the
// whole file as it was read back. After any failure the partial's state has been saved, and
// the next Get goes on from there. Failures wrap ErrNetwork, ErrRefused, the context's error
// or that of the storage.
func (c *Client) Get(ctx context.Context, file File, p *Partial, progress func(done, total int64)) (checksums.Digest, error) {
	d := &download{Client: c, file: file, partial: p, progress: progress, total: file.Bytes}
	d.budget = budget{left: c.options.Attempts, full: c.options.Attempts, backoff: c.options.Backoff}
	if err := d.resume(ctx); err != nil {
		return checksums.Digest{}, err
	}
	for {
		err := d.attempt(ctx)
		if err == nil {
			var digest checksums.Digest
			if digest, err = d.finish(); err == nil {
				return digest, nil
			}
		}
		if again := d.afterFailure(ctx, err); again != nil {
			return checksums.Digest{}, errors.Join(again, d.leave())
		}
	}
}

// finish compares the digest. What an earlier run left may be of another version: then the
// file is downloaded once more from its start.
func (d *download) finish() (checksums.Digest, error) {
	digest, err := checksums.Of(d.hash)
	if err != nil {
		return digest, err
	}
	if want := d.file.Digest; want.Known() && digest != want {
		if d.resumed {
			return digest, restart{"what was downloaded earlier does not belong to this file"}
		}
		size := d.hashed
		if err := d.drop(); err != nil {
			return digest, err
		}
		return digest, fmt.Errorf("%w: %s: sha256 got %s, want %s, after %d bytes", ErrRefused, d.file.URL.Redacted(), digest, want, size)
	}
	return digest, d.save()
}

// restart says that what is here does not go together with what the server has now.
type restart struct{ reason string }

func (r restart) Error() string { return r.reason }

// storageError is a failure of the disk, not of the network.
type storageError struct{ error }

func (e storageError) Unwrap() error { return e.error }

// afterFailure decides: nil = try again, else the error to give up with.
func (d *download) afterFailure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", d.file.URL.Host, ctx.Err())
	}
	var disk storageError
	var changed restart
	var wait *busy
	switch {
	case errors.As(err, &disk):
		return err
	case errors.As(err, &changed):
		if d.restarts++; d.restarts > maxRestarts {
			return fmt.Errorf("%w: %s: %w, %d times", ErrNetwork, d.file.URL.Host, err, d.restarts)
		}
		d.note("%s: %s: from the start", d.file.URL.Host, changed.reason)
		d.serial, d.resumed = true, false
		d.wholly = d.restarts == maxRestarts // its ranges lead nowhere
		return d.drop()
	case errors.Is(err, ErrRefused), errors.Is(err, errPermanent):
		return err
	case errors.As(err, &wait):
		return d.retry(ctx, err, wait.after)
	}
	return d.retry(ctx, err, 0)
}

// retry waits, while attempts are left.
func (d *download) retry(ctx context.Context, err error, after time.Duration) error {
	wait, ok := d.budget.spend()
	if !ok {
		return fmt.Errorf("%w: %s: %w (%d attempts without progress)", ErrNetwork, d.file.URL.Host, err, d.options.Attempts)
	}
	d.note("%s: %v: trying again", d.file.URL.Host, err)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(max(wait, after)):
		return nil
	}
}

func (d *download) note(format string, args ...any) {
	if d.options.Note != nil {
		d.options.Note(fmt.Sprintf(format, args...))
	}
}

// drop forgets what is here.
func (d *download) drop() error {
	d.hash, d.hashed, d.etag = newHash(), 0, ""
	d.total = d.file.Bytes
	d.partial.State = State{}
	if err := d.partial.Storage.Truncate(0); err != nil {
		return storageError{err}
	}
	return d.save()
}

// leave keeps what was hashed for the next run, and gives the space of the rest back. On a
// full disk the end of the file makes room for its state.
func (d *download) leave() error {
	if err := d.partial.Storage.Truncate(d.hashed); err != nil {
		return storageError{err}
	}
	err := d.mark()
	if !errors.Is(err, syscall.ENOSPC) || d.hashed < stateRoom {
		return err
	}
	kept := d.hashed - stateRoom
	d.hash, d.hashed = newHash(), 0
	s := &d.partial.State
	s.Marks = slices.DeleteFunc(s.Marks, func(m Mark) bool { return m.Offset > kept })
	if err := d.hashTo(context.Background(), kept); err != nil {
		return err
	}
	if err := d.partial.Storage.Truncate(kept); err != nil {
		return storageError{err}
	}
	return d.mark()
}

// stateRoom is more than a state takes on any file system.
const stateRoom = 256 << 10

// save keeps the state.
func (d *download) save() error {
	if err := d.partial.Save(d.partial.State); err != nil {
		return storageError{fmt.Errorf("keeping the state of the download: %w", err)}
	}
	return nil
}

// mark notes what is hashed.
func (d *download) mark() error {
	d.marked = time.Now()
	s := &d.partial.State
	s.URL, s.ETag, s.Bytes = d.file.URL.Redacted(), d.etag, d.total
	if d.total > 0 && d.hashed > s.Verified() {
		digest, err := checksums.Of(d.hash)
		if err != nil {
			return err
		}
		// Marks stay markEvery apart: the last one moves.
		if n := len(s.Marks); n > 1 && s.Marks[n-1].Offset-s.Marks[n-2].Offset < markEvery {
			s.Marks = s.Marks[:n-1]
		}
		s.Marks = append(s.Marks, Mark{d.hashed, digest})
	}
	return d.save()
}
