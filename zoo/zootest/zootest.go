// Package zootest is a hostile HTTP server: it serves files as a good one does, or breaks
// each promise of HTTP that a download relies on, one at a time. For tests.
package zootest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Faults are what a server does wrong. The zero value is a good server.
type Faults struct {
	Status     []int // of the first requests, in turn; 0 = as it should be
	RetryAfter string
	Redirect   string // where every request is sent
	Header     http.Header

	NoRanges    bool   // 200 for 206
	RangeStatus int    // answers every request for a range
	RangeHeader string // Content-Range, whatever was asked
	Shift       int64  // Content-Range and body are of a place so much further
	NoETag      bool
	WeakETag    bool
	Changes     int // after so many requests the file is another, of the same size

	Gzip    bool          // Content-Encoding: gzip
	Flip    bool          // one bit is another in every response that has the middle of the file
	Short   int64         // bytes missing at the end of a body, with a Content-Length that fits
	Drop    int64         // the connection breaks after so many bytes of each response
	Drops   int           // only of so many responses; 0 = all
	Stall   int64         // nothing comes after so many bytes
	Pace    time.Duration // between pieces of 64 KiB
	Long    int64         // bytes more than there are, with a Content-Length that fits
	Chunked bool          // no Content-Length
	HTTP10  bool          // neither Content-Length nor chunks: the end of the connection is that of the file
	Endless bool          // a chunked body without an end
}

// Request is what was asked of a server.
type Request struct{ Path, Range, IfRange, AcceptEncoding string }

// Server is a running server.
type Server struct {
	URL string

	mu       sync.Mutex
	files    map[string][]byte
	faults   Faults
	requests []Request
	bytes    int64
	drops    int
	tags     map[string]string
	closed   chan struct{}
}

// New starts a server of files by path, without the first slash. It ends with the test.
func New(t testing.TB, files map[string][]byte, f Faults) *Server {
	s := &Server{files: files, faults: f, tags: map[string]string{}, closed: make(chan struct{})}
	h := httptest.NewServer(s)
	s.URL = h.URL
	t.Cleanup(func() {
		close(s.closed)
		h.CloseClientConnections()
		h.Close()
	})
	return s
}

// Manifest adds SHA256SUMS, as a mirror has it, of all files.
func Manifest(files map[string][]byte) map[string][]byte {
	var list bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(files[name]), name)
	}
	files = maps.Clone(files)
	files["SHA256SUMS"] = list.Bytes()
	return files
}

// Set changes what the server does from now on.
func (s *Server) Set(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Requests are those so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Sent is the number of bytes of bodies so far.
func (s *Server) Sent() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// ServeHTTP answers, well or badly.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, Request{r.URL.Path, r.Header.Get("Range"), r.Header.Get("If-Range"), r.Header.Get("Accept-Encoding")})
	number, f := len(s.requests), s.faults
	data, ok := s.files[strings.TrimPrefix(r.URL.Path, "/")]
	drop := f.Drop > 0 && (f.Drops == 0 || s.drops < f.Drops)
	if drop {
		s.drops++
	}
	s.mu.Unlock()
	if !drop {
		f.Drop = 0
	}
	maps.Copy(w.Header(), f.Header)
	switch {
	case number <= len(f.Status) && f.Status[number-1] != 0:
		w.Header().Set("Retry-After", f.RetryAfter)
		http.Error(w, "as told", f.Status[number-1])
	case f.Redirect != "":
		w.Header().Set("Location", f.Redirect)
		w.WriteHeader(http.StatusFound)
	case !ok:
		http.NotFound(w, r)
	case strings.HasSuffix(r.URL.Path, "SHA256SUMS"):
		w.Write(data)
	default:
		s.file(w, r, f, data, number)
	}
}

// file answers for a file.
func (s *Server) file(w http.ResponseWriter, r *http.Request, f Faults, data []byte, number int) {
	version := 1
	if f.Changes > 0 && number > f.Changes {
		version = 2
		data = bytes.Clone(data)
		for i := range data {
			data[i] ^= 0x55
		}
	}
	etag := s.tag(r.URL.Path, version, data)
	switch {
	case f.WeakETag:
		w.Header().Set("ETag", "W/"+etag)
	case !f.NoETag:
		w.Header().Set("ETag", etag)
	}
	from, to := int64(0), int64(len(data))
	asked := r.Header.Get("Range")
	if since := r.Header.Get("If-Range"); since != "" && since != etag {
		asked = ""
	}
	status := http.StatusOK
	if asked != "" && !f.NoRanges && !f.HTTP10 {
		var ok bool
		if from, to, ok = parseRange(asked, int64(len(data))); !ok || f.RangeStatus != 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", len(data)))
			w.WriteHeader(max(f.RangeStatus, http.StatusRequestedRangeNotSatisfiable))
			return
		}
		from, to = min(from+f.Shift, int64(len(data))), min(to+f.Shift, int64(len(data)))
		status = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(data)))
		if f.RangeHeader != "" {
			w.Header().Set("Content-Range", f.RangeHeader)
		}
	}
	if middle := int64(len(data) / 2); f.Flip && from <= middle && middle < to {
		data = bytes.Clone(data)
		data[middle] ^= 4
	}
	s.body(w, f, status, data[from:to])
}

// tag is the ETag of a version of a file. It is computed once: a busy machine takes seconds to
// hash a long file for each of its parts, and its client would give the server up.
func (s *Server) tag(path string, version int, data []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprintf("%s %d", path, version)
	if s.tags[key] == "" {
		s.tags[key] = fmt.Sprintf(`"%x-%d"`, sha256.Sum256(data), version)
	}
	return s.tags[key]
}

func parseRange(h string, size int64) (from, to int64, ok bool) {
	a, b, _ := strings.Cut(strings.TrimPrefix(h, "bytes="), "-")
	from, err := strconv.ParseInt(a, 10, 64)
	if err != nil || from >= size {
		return 0, 0, false
	}
	to = size
	if last, err := strconv.ParseInt(b, 10, 64); err == nil {
		to = min(last+1, size)
	}
	return from, to, true
}

// body sends content.
func (s *Server) body(w http.ResponseWriter, f Faults, status int, content []byte) {
	if f.Gzip {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(content)
		z.Close()
		content = b.Bytes()
		w.Header().Set("Content-Encoding", "gzip")
	}
	content = content[:max(int64(len(content))-f.Short, 0)]
	content = append(content[:len(content):len(content)], make([]byte, f.Long)...)
	if f.HTTP10 {
		s.closeDelimited(w, content)
		return
	}
	if !f.Chunked && !f.Endless {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	}
	w.WriteHeader(status)
	out := &counter{ResponseWriter: w, server: s}
	if f.Chunked || f.Endless {
		out.flush()
	}
	switch {
	case f.Endless:
		for piece := make([]byte, 64<<10); ; {
			if _, err := out.Write(piece); err != nil {
				return
			}
		}
	case f.Drop > 0 && f.Drop < int64(len(content)):
		out.Write(content[:f.Drop])
		out.flush()
		panic(http.ErrAbortHandler)
	case f.Stall > 0 && f.Stall < int64(len(content)):
		out.Write(content[:f.Stall])
		out.flush()
		<-s.closed
		panic(http.ErrAbortHandler)
	case f.Pace > 0:
		for len(content) > 0 {
			n := min(len(content), 64<<10)
			if _, err := out.Write(content[:n]); err != nil {
				return
			}
			out.flush()
			time.Sleep(f.Pace)
			content = content[n:]
		}
	default:
		out.Write(content)
	}
}

func (s *Server) closeDelimited(w http.ResponseWriter, content []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n")
	conn.Write(content)
}

// counter counts what is sent.
type counter struct {
	http.ResponseWriter
	server *Server
}

// Write counts before it writes: whoever has received bytes finds them counted.
func (c *counter) Write(p []byte) (int, error) {
	c.add(len(p))
	n, err := c.ResponseWriter.Write(p)
	c.add(n - len(p))
	return n, err
}

func (c *counter) add(n int) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.server.bytes += int64(n)
}

func (c *counter) flush() { http.NewResponseController(c.ResponseWriter).Flush() }
