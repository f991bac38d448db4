package fetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/biggan-zoo/biggan/checksums"
)

func newHash() hash.Hash { return sha256.New() }

// resume reads what an earlier run left, and keeps as much as its marks prove.
func (d *download) resume(ctx context.Context) error {
	d.hash, d.marked = newHash(), time.Now()
	s := d.partial.State
	if !d.resumable(s) {
		return d.drop()
	}
	good, proven := newHash(), int64(0)
	var kept []Mark
	for _, m := range s.Marks {
		if m.Offset <= d.hashed || m.Offset > s.Bytes {
			break
		}
		if err := d.hashTo(ctx, m.Offset); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			break // the file is shorter than its marks, or cannot be read there
		}
		if digest, err := checksums.Of(d.hash); err != nil || digest != m.SHA256 {
			d.note("%s: the partial file was damaged after %d bytes: going on from there", d.file.URL.Host, proven)
			break
		}
		clone, err := cloned(d.hash)
		if err != nil {
			return err
		}
		good, proven, kept = clone, m.Offset, append(kept, m)
	}
	d.hash, d.hashed, d.best = good, proven, proven
	d.total, d.etag, d.resumed = s.Bytes, s.ETag, proven > 0
	if s.URL != d.file.URL.Redacted() {
		d.etag = "" // another server's
	}
	d.partial.State.Marks = kept
	if err := d.partial.Storage.Truncate(proven); err != nil {
		return storageError{err}
	}
	d.report()
	return nil
}

// resumable reports whether a state can belong to the file: the same size, and a digest or
// a strong ETag that will tell if it does not.
func (d *download) resumable(s State) bool {
	sameSize := s.Bytes > 0 && (d.file.Bytes == 0 || d.file.Bytes == s.Bytes)
	sameVersion := d.file.Digest.Known() || s.ETag != "" && s.URL == d.file.URL.Redacted()
	return sameSize && sameVersion && len(s.Marks) > 0
}

func cloned(h hash.Hash) (hash.Hash, error) {
	c, ok := h.(hash.Cloner)
	if !ok {
		return nil, errors.New("fetch: this build's SHA-256 cannot be cloned")
	}
	return c.Clone()
}

// hashTo hashes the file up to an offset, as it stands in storage.
func (d *download) hashTo(ctx context.Context, offset int64) error {
	if d.readBuffer == nil {
		d.readBuffer = make([]byte, 512<<10)
	}
	for d.hashed < offset {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf := d.readBuffer[:min(int64(len(d.readBuffer)), offset-d.hashed)]
		n, err := d.partial.Storage.ReadAt(buf, d.hashed)
		if n < len(buf) {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return storageError{err}
		}
		d.hash.Write(buf) // never fails
		d.hashed += int64(n)
	}
	return nil
}

// advance hashes up to an offset, reports it, renews the budget and sets marks.
func (d *download) advance(ctx context.Context, offset int64) error {
	for d.hashed < offset {
		if err := d.hashTo(ctx, min(offset, d.hashed+4<<20)); err != nil {
			return err
		}
		if d.hashed >= d.best+progressUnit || d.hashed == d.total && d.hashed > d.best {
			d.best = d.hashed
			d.budget.renew()
		}
		d.report()
		if d.total > 0 && (d.hashed-d.partial.State.Verified() >= markEvery || time.Since(d.marked) >= markInterval) {
			if err := d.mark(); err != nil {
				return err
			}
		}
	}
	return nil
}

// report tells the verified bytes. They never go back, even if a download starts again.
func (d *download) report() {
	d.shown = max(d.shown, d.hashed)
	if d.progress != nil && d.total > 0 {
		d.progress(min(d.shown, d.total), d.total)
	}
}
