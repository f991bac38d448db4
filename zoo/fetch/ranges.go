package fetch

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// span is the answer to a request for a range.
type span struct{ from, to, total int64 } // to is the last byte

// parseContentRange reads "bytes FROM-TO/TOTAL". A total of * is refused: the size must be known.
func parseContentRange(h string) (span, error) {
	bad := fmt.Errorf("Content-Range %.80q, want bytes FROM-TO/TOTAL", h)
	rest, ok := strings.CutPrefix(h, "bytes ")
	if !ok {
		return span{}, bad
	}
	ends, total, ok := strings.Cut(rest, "/")
	if !ok {
		return span{}, bad
	}
	from, to, ok := strings.Cut(ends, "-")
	if !ok {
		return span{}, bad
	}
	var s span
	for _, f := range []struct {
		to   *int64
		text string
	}{{&s.from, from}, {&s.to, to}, {&s.total, total}} {
		n, err := strconv.ParseUint(f.text, 10, 63)
		if err != nil {
			return span{}, bad
		}
		*f.to = int64(n)
	}
	if s.from > s.to || s.to >= s.total {
		return span{}, bad
	}
	return s, nil
}

// strongETag is the ETag if it tells every change of content, else empty.
func strongETag(h http.Header) string {
	tag := h.Get("ETag")
	if len(tag) < 2 || len(tag) > 1<<10 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return ""
	}
	return tag
}

// request asks for [from, to); to = 0 asks for the rest.
func (d *download) request(from, to int64) http.Header {
	h := http.Header{}
	if d.wholly {
		return h
	}
	last := ""
	if to > 0 {
		last = strconv.FormatInt(to-1, 10)
	}
	h.Set("Range", fmt.Sprintf("bytes=%d-%s", from, last))
	if d.etag != "" {
		h.Set("If-Range", d.etag)
	}
	return h
}

// check compares a partial response with what was asked, and learns from the first one.
func (d *download) check(r *http.Response, from, to int64) (span, error) {
	s, err := parseContentRange(r.Header.Get("Content-Range"))
	switch {
	case err != nil:
		return s, fmt.Errorf("%w: %s: %w", ErrRefused, r.Request.URL.Host, err)
	case s.from != from || s.to >= to:
		return s, fmt.Errorf("%w: %s: Content-Range %.80q for bytes %d-%d", ErrRefused, r.Request.URL.Host, r.Header.Get("Content-Range"), from, to-1)
	case r.ContentLength >= 0 && r.ContentLength != s.to-s.from+1:
		return s, fmt.Errorf("%w: %s: Content-Length %d for Content-Range %.80q", ErrRefused, r.Request.URL.Host, r.ContentLength, r.Header.Get("Content-Range"))
	}
	return s, nil
}

// sameVersion compares a partial response with those before.
func (d *download) sameVersion(r *http.Response, s span) error {
	if d.total > 0 && s.total != d.total {
		return restart{fmt.Sprintf("the file's size changed from %d to %d bytes", d.total, s.total)}
	}
	// Where the digest is known, it tells what a missing ETag does not.
	if tag := strongETag(r.Header); d.etag != "" && tag != d.etag && (tag != "" || !d.file.Digest.Known()) {
		return restart{fmt.Sprintf("the file changed: ETag %.80q, was %.80q", tag, d.etag)}
	}
	return nil
}

// sized checks the size of the file when it becomes known.
func (d *download) sized(host string, total int64) error {
	if want := d.file.Bytes; want > 0 && total != want {
		return fmt.Errorf("%w: %s: %d bytes, want %d", ErrRefused, host, total, want)
	}
	if total > d.file.Limit && d.file.Limit > 0 {
		return fmt.Errorf("%w: %s: %d bytes, more than the %d that are accepted", ErrRefused, host, total, d.file.Limit)
	}
	d.total = total
	if d.admitted || d.options.Admit == nil {
		return nil
	}
	d.admitted = true
	if err := d.options.Admit(total); err != nil {
		return storageError{err}
	}
	return nil
}
