package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/zoo/zootest"
)

// content is 3 MiB and a bit of noise, the same every time.
var content = func() []byte {
	b := make([]byte, 3<<20+4321)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}()

func digestOf(t testing.TB, data []byte) checksums.Digest {
	t.Helper()
	sum := sha256.Sum256(data)
	d, err := checksums.ParseDigest(hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// job is a download into a file of a test.
type job struct {
	t       testing.TB
	storage *os.File
	state   State
	shown   []int64
}

func newJob(t testing.TB) *job {
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &job{t: t, storage: f}
}

var quick = Options{Stall: 30 * time.Second, Attempts: 4, Backoff: time.Millisecond, Part: 256 << 10}

func (j *job) get(ctx context.Context, address string, f File, o Options) (checksums.Digest, error) {
	j.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		j.t.Fatal(err)
	}
	f.URL = u
	if f.Limit == 0 {
		f.Limit = 64 << 20
	}
	c := New(o)
	defer c.Close()
	p := &Partial{Storage: j.storage, State: j.state, Save: func(s State) error { j.state = s; return nil }}
	j.shown = nil
	return c.Get(ctx, f, p, func(done, total int64) { j.shown = append(j.shown, done) })
}

// right wants the whole content, and progress that never went back.
func (j *job) right(digest checksums.Digest, err error) {
	j.t.Helper()
	if err != nil {
		j.t.Fatal(err)
	}
	if want := digestOf(j.t, content); digest != want {
		j.t.Errorf("digest %s, want %s", digest, want)
	}
	got, err := os.ReadFile(j.storage.Name())
	if err != nil || !bytes.Equal(got, content) {
		j.t.Errorf("%d bytes, %v; want the %d of the file", len(got), err, len(content))
	}
	for i := 1; i < len(j.shown); i++ {
		if j.shown[i] < j.shown[i-1] {
			j.t.Errorf("progress went back from %d to %d", j.shown[i-1], j.shown[i])
		}
	}
}

func serve(t testing.TB, f zootest.Faults) *zootest.Server {
	return zootest.New(t, map[string][]byte{"f": content}, f)
}

// TestFaults: with whatever a server does wrong, the file is right or an error of a class
// says what; with a digest and without one.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name     string
		faults   zootest.Faults
		pinned   error // with a digest: nil = right
		unpinned error // without one; where it is right the file is what the server sent
	}{
		{"good", zootest.Faults{}, nil, nil},
		{"200 for 206", zootest.Faults{NoRanges: true}, nil, nil},
		{"no ETag", zootest.Faults{NoETag: true}, nil, nil},
		{"weak ETag", zootest.Faults{WeakETag: true}, nil, nil},
		{"416", zootest.Faults{RangeStatus: 416}, nil, nil},
		{"wrong range", zootest.Faults{Shift: 100}, ErrRefused, ErrRefused},
		{"wrong range header", zootest.Faults{RangeHeader: "bytes 0-262143/99999999"}, ErrRefused, ErrRefused},
		{"no range header", zootest.Faults{RangeHeader: "none"}, ErrRefused, ErrRefused},
		{"range of unknown total", zootest.Faults{RangeHeader: "bytes 0-262143/*"}, ErrRefused, ErrRefused},
		{"gzip", zootest.Faults{Gzip: true}, ErrRefused, ErrRefused},
		{"gzip, no ranges", zootest.Faults{Gzip: true, NoRanges: true}, ErrRefused, ErrRefused},
		{"one flipped bit", zootest.Faults{Flip: true}, ErrRefused, errWrong},
		{"one flipped bit, no ranges", zootest.Faults{Flip: true, NoRanges: true}, ErrRefused, errWrong},
		{"short bodies", zootest.Faults{Short: 1000}, ErrRefused, ErrRefused},
		{"short file", zootest.Faults{Short: 1000, NoRanges: true}, ErrRefused, errWrong},
		{"long file", zootest.Faults{Long: 1000, NoRanges: true}, ErrRefused, errWrong},
		{"breaks each time", zootest.Faults{Drop: 100_000}, nil, nil},
		{"breaks at times", zootest.Faults{Drop: 100_000, Drops: 5}, nil, nil},
		{"breaks, no ranges", zootest.Faults{Drop: 2 << 20, NoRanges: true}, ErrNetwork, ErrNetwork},
		{"breaks, then no ranges", zootest.Faults{Drop: 2 << 20, Drops: 2, NoRanges: true}, nil, nil},
		{"stalls", zootest.Faults{Stall: 1000}, ErrNetwork, ErrNetwork},
		{"busy at first", zootest.Faults{Status: []int{503, 429, 500}}, nil, nil},
		{"busy in between", zootest.Faults{Status: []int{0, 0, 503, 0, 429}, RetryAfter: "0"}, nil, nil},
		{"not found", zootest.Faults{Status: []int{404, 404, 404}}, ErrNetwork, ErrNetwork},
		{"changes on the way", zootest.Faults{Changes: 3}, ErrRefused, errWrong}, // the other version, whole
		{"chunked", zootest.Faults{Chunked: true}, nil, nil},
		{"chunked, no ranges", zootest.Faults{Chunked: true, NoRanges: true}, nil, nil},
		{"no length", zootest.Faults{HTTP10: true}, nil, ErrNetwork},
		{"no length and short", zootest.Faults{HTTP10: true, Short: 10}, ErrRefused, ErrNetwork},
		{"endless", zootest.Faults{Endless: true, NoRanges: true}, ErrRefused, ErrRefused},
		{"endless parts", zootest.Faults{Endless: true}, ErrRefused, errWrong},
		{"a name that is a path", zootest.Faults{Header: http.Header{"Content-Disposition": {`attachment; filename="../../x"`}}}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, pinned := range []bool{true, false} {
				s := serve(t, c.faults)
				var f File
				want := c.unpinned
				if pinned {
					f.Digest, want = digestOf(t, content), c.pinned
				}
				j, o := newJob(t), quick
				if c.faults.Stall > 0 {
					o.Stall = 300 * time.Millisecond
				}
				digest, err := j.get(t.Context(), s.URL+"/f", f, o)
				switch {
				case want == nil:
					j.right(digest, err)
				case errors.Is(want, errWrong):
					if got, _ := os.ReadFile(j.storage.Name()); err != nil || digest == digestOf(t, content) || digest != digestOf(t, got) {
						t.Errorf("pinned %v: %v, %v: want the digest of what was sent", pinned, digest, err)
					}
				case !errors.Is(err, want):
					t.Errorf("pinned %v: %v, want %v", pinned, err, want)
				}
			}
		})
	}
}

// errWrong stands for content that is not the file's, and whose digest says so.
var errWrong = errors.New("other content")

// TestResume: a run that breaks off is gone on with, wherever it was, and only as far as
// what is on disk is right.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, j *job)
		faults zootest.Faults // of the second run
		pinned bool
		from   bool // begins where the first run ended
	}{
		{"as it was", func(*testing.T, *job) {}, zootest.Faults{}, false, true},
		{"pinned", func(*testing.T, *job) {}, zootest.Faults{NoETag: true}, true, true},
		{"no ranges any more", func(*testing.T, *job) {}, zootest.Faults{NoRanges: true}, false, false},
		{"416", func(*testing.T, *job) {}, zootest.Faults{RangeStatus: 416}, true, false},
		{"one bit of the partial", flipFirst, zootest.Faults{}, false, false},
		{"partial cut", func(t *testing.T, j *job) { j.storage.Truncate(100) }, zootest.Faults{}, false, false},
		{"partial gone", func(t *testing.T, j *job) { j.storage.Truncate(0) }, zootest.Faults{}, false, false},
		{"longer than its marks", func(t *testing.T, j *job) { j.storage.WriteAt([]byte("x"), 5<<20) }, zootest.Faults{}, false, true},
		{"marks of another size", func(t *testing.T, j *job) { j.state.Bytes++ }, zootest.Faults{}, true, false},
		{"marks that lie", func(t *testing.T, j *job) { j.state.Marks[0].Offset += 7 }, zootest.Faults{}, true, false},
		{"marks out of order", func(t *testing.T, j *job) { j.state.Marks = append(j.state.Marks, Mark{Offset: 1}) }, zootest.Faults{}, true, true},
		{"another ETag", func(t *testing.T, j *job) { j.state.ETag = `"other"` }, zootest.Faults{}, false, false},
		{"negative", func(t *testing.T, j *job) { j.state.Marks[0].Offset = -5; j.state.Bytes = -7 }, zootest.Faults{}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, zootest.Faults{Drop: 1 << 20, Status: []int{0, 404, 404, 404, 404, 404}})
			var f File
			if c.pinned {
				f.Digest = digestOf(t, content)
			}
			o := quick
			o.Parts, o.Part = 1, 2<<20
			j := newJob(t)
			if _, err := j.get(t.Context(), s.URL+"/f", f, o); !errors.Is(err, ErrNetwork) {
				t.Fatalf("first run: %v", err)
			}
			left := j.state.Verified()
			if left != 1<<20 {
				t.Fatalf("%d bytes verified, want 1 MiB", left)
			}
			c.damage(t, j)
			s.Set(c.faults)
			before, asked := s.Sent(), len(s.Requests())
			j.right(j.get(t.Context(), s.URL+"/f", f, o))
			if begun := s.Requests()[asked].Range; c.from && !strings.HasPrefix(begun, "bytes=1048576-") {
				t.Errorf("began with %q", begun)
			}
			want := int64(len(content))
			if c.from {
				want -= left
			}
			if sent := s.Sent() - before; c.from && sent > want || sent < want {
				t.Errorf("sent %d bytes, want %d", sent, want)
			}
		})
	}
}

func flipFirst(t *testing.T, j *job) {
	t.Helper()
	if _, err := j.storage.WriteAt([]byte{content[10] ^ 1}, 10); err != nil {
		t.Fatal(err)
	}
}

// TestMarks: of a long partial only what lies behind the last mark before the damage is dropped.
// Marks are markEvery apart, but for the first, which a slow machine sets by the clock, and the last.
func TestMarks(t *testing.T) {
	long := bytes.Repeat(content, 12) // 36 MiB
	s := zootest.New(t, map[string][]byte{"f": long}, zootest.Faults{})
	j := newJob(t)
	if _, err := j.get(t.Context(), s.URL+"/f", File{}, quick); err != nil {
		t.Fatal(err)
	}
	const damage = 30 << 20
	proven := int64(0)
	for i, m := range j.state.Marks {
		if i > 0 && i < len(j.state.Marks)-1 && m.Offset-j.state.Marks[i-1].Offset < markEvery {
			t.Errorf("marks %v", j.state.Marks)
		}
		if m.Offset <= damage {
			proven = m.Offset
		}
	}
	if n := len(j.state.Marks); n < 2 || n > 4 || proven == 0 {
		t.Fatalf("marks %v", j.state.Marks)
	}
	if _, err := j.storage.WriteAt([]byte{long[damage] ^ 1}, damage); err != nil {
		t.Fatal(err)
	}
	before := s.Sent()
	digest, err := j.get(t.Context(), s.URL+"/f", File{}, quick)
	if err != nil || digest != digestOf(t, long) {
		t.Fatal(digest, err)
	}
	if sent := s.Sent() - before; sent != int64(len(long))-proven {
		t.Errorf("sent %d bytes again, want the %d after the mark at %d", sent, int64(len(long))-proven, proven)
	}
}

// TestInterrupt: a cancelled download keeps what it has.
func TestInterrupt(t *testing.T) {
	s := serve(t, zootest.Faults{Pace: 5 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	j := newJob(t)
	var start time.Time
	go func() {
		for s.Sent() < 1<<20 {
			time.Sleep(time.Millisecond)
		}
		start = time.Now()
		cancel()
	}()
	if _, err := j.get(ctx, s.URL+"/f", File{}, quick); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if d := time.Since(start); d > 10*time.Second { // at once, but on a busy machine
		t.Errorf("took %v to stop", d)
	}
	if info, err := j.storage.Stat(); err != nil || info.Size() != j.state.Verified() || info.Size() == 0 {
		t.Errorf("%v bytes on disk, %d verified", info.Size(), j.state.Verified())
	}
	s.Set(zootest.Faults{})
	j.right(j.get(t.Context(), s.URL+"/f", File{}, quick))
}

// TestParts: a good server is asked for parts at the same time, each byte once.
func TestParts(t *testing.T) {
	s := serve(t, zootest.Faults{})
	j := newJob(t)
	j.right(j.get(t.Context(), s.URL+"/f", File{}, quick))
	if n := len(s.Requests()); n != 13 || s.Sent() != int64(len(content)) {
		t.Errorf("%d requests, %d bytes; want 13 and %d", n, s.Sent(), len(content))
	}
	for _, r := range s.Requests() {
		if r.AcceptEncoding != "identity" {
			t.Errorf("accepts %q", r.AcceptEncoding)
		}
	}
}

// TestBudget: progress renews the attempts, and their lack ends the download.
func TestBudget(t *testing.T) {
	s := serve(t, zootest.Faults{Stall: 100})
	o := quick
	o.Stall = 50 * time.Millisecond
	_, err := newJob(t).get(t.Context(), s.URL+"/f", File{}, o)
	if !errors.Is(err, ErrNetwork) || !strings.Contains(err.Error(), "no data for 50ms") || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("error %v, want the host and the cause", err)
	}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	if _, err := newJob(t).get(t.Context(), "http://"+dead.Addr().String(), File{}, quick); !errors.Is(err, ErrNetwork) || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}

// TestSizes: what is known of the size is checked before a byte is written.
func TestSizes(t *testing.T) {
	s := serve(t, zootest.Faults{})
	for _, f := range []File{{Bytes: 17}, {Limit: 1 << 20}} {
		j := newJob(t)
		if _, err := j.get(t.Context(), s.URL+"/f", f, quick); !errors.Is(err, ErrRefused) {
			t.Errorf("%+v: %v", f, err)
		}
		if info, err := j.storage.Stat(); err != nil || info.Size() != 0 {
			t.Errorf("%d bytes written", info.Size())
		}
	}
	o := quick
	o.Admit = func(n int64) error {
		if n != int64(len(content)) {
			t.Errorf("admit %d", n)
		}
		return syscall.ENOSPC
	}
	if _, err := newJob(t).get(t.Context(), s.URL+"/f", File{}, o); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrNetwork) {
		t.Error(err)
	}
}

// TestRedirects: a server leads nobody to private addresses, nor from https to http.
func TestRedirects(t *testing.T) {
	inner := serve(t, zootest.Faults{})
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(inner.URL, "http://"))
	for _, to := range []string{
		inner.URL + "/f", "http://localhost:" + port + "/f", "http://[::1]:" + port + "/f", "http://169.254.169.254/latest", "http://10.0.0.1/f",
		"http://192.168.1.1/f", "http://[fe80::1]/f", "http://[::ffff:127.0.0.1]:" + port + "/f", "http://0.0.0.0:" + port + "/f",
		"http://0177.0.0.1:" + port + "/f", "http://2130706433:" + port + "/f",
		"file:///etc/passwd", "ftp://127.0.0.1/f", "http://user:pass@example.com/f", "//127.0.0.1:" + port + "/f",
	} {
		s := serve(t, zootest.Faults{Redirect: to})
		_, err := newJob(t).get(t.Context(), s.URL+"/f", File{}, quick)
		if !errors.Is(err, ErrRefused) && !errors.Is(err, ErrNetwork) {
			t.Errorf("%s: %v", to, err)
		}
		if strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: shows a password: %v", to, err)
		}
	}
	if n := len(inner.Requests()); n != 0 {
		t.Errorf("%d requests came through", n)
	}
	s := serve(t, zootest.Faults{Redirect: inner.URL + "/f"})
	o := quick
	o.Asked = []string{strings.TrimPrefix(inner.URL, "http://")}
	j := newJob(t)
	j.right(j.get(t.Context(), s.URL+"/f", File{}, o))
	s.Set(zootest.Faults{Redirect: s.URL + "/f"})
	if _, err := newJob(t).get(t.Context(), s.URL+"/f", File{}, quick); !errors.Is(err, ErrRefused) {
		t.Errorf("a circle: %v", err)
	}
	from, _ := http.NewRequest("GET", "https://example.com/a", nil)
	down, _ := http.NewRequest("GET", "http://example.com/a", nil)
	if err := New(quick).checkRedirect(down, []*http.Request{from}); !errors.Is(err, ErrRefused) {
		t.Errorf("https to http: %v", err)
	}
}

// TestResolved: a name that resolves to a private address is no way around.
func TestResolved(t *testing.T) {
	for _, c := range []struct {
		address string
		ok      bool
	}{
		{"93.184.216.34:443", true}, {"[2606:2800:220:1::1]:443", true}, {"127.0.0.1:80", false}, {"10.1.2.3:80", false}, {"172.16.0.1:80", false},
		{"169.254.169.254:80", false}, {"100.64.1.1:80", false}, {"0.0.0.0:80", false}, {"[::1]:80", false}, {"[::]:80", false}, {"[fe80::1%1]:80", false},
		{"[fd00::1]:80", false}, {"[::ffff:10.0.0.1]:80", false}, {"[64:ff9b::a00:1]:80", false}, {"224.0.0.1:80", false}, {"255.255.255.255:80", false},
	} {
		if err := checkAddress("host:80", c.address); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.address, err)
		}
	}
	if _, err := netip.ParseAddr("0177.0.0.1"); err == nil {
		t.Error("octal addresses are addresses now: look at checkRedirect again")
	}
}

// failing is storage whose operation number n fails.
type failing struct {
	*os.File
	n   atomic.Int64
	err error
}

func (f *failing) fails() error {
	if f.n.Add(-1) == 0 {
		return f.err
	}
	return nil
}

func (f *failing) WriteAt(p []byte, at int64) (int, error) {
	if err := f.fails(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, at)
}

func (f *failing) ReadAt(p []byte, at int64) (int, error) {
	if err := f.fails(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, at)
}

func (f *failing) Truncate(n int64) error {
	if err := f.fails(); err != nil {
		return err
	}
	return f.File.Truncate(n)
}

// TestStorageFails: every operation on the disk fails once; the error says so, and the next
// run is right.
func TestStorageFails(t *testing.T) {
	s := serve(t, zootest.Faults{})
	u, _ := url.Parse(s.URL + "/f")
	for n := int64(1); ; n++ {
		j := newJob(t)
		storage := &failing{File: j.storage, err: syscall.ENOSPC}
		storage.n.Store(n)
		o := quick
		o.Parts = 1
		c := New(o)
		p := &Partial{Storage: storage, Save: func(s State) error { j.state = s; return storage.fails() }}
		_, err := c.Get(t.Context(), File{URL: u, Limit: 1 << 30}, p, nil)
		c.Close()
		if storage.n.Load() > 0 {
			if err != nil {
				t.Fatal(err)
			}
			if n < 20 {
				t.Errorf("only %d operations", n)
			}
			return
		}
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrNetwork) {
			t.Errorf("operation %d: %v", n, err)
		}
		j.right(j.get(t.Context(), s.URL+"/f", File{}, quick))
	}
}

func TestSmall(t *testing.T) {
	s := serve(t, zootest.Faults{Status: []int{503}})
	u, _ := url.Parse(s.URL + "/f")
	c := New(quick)
	defer c.Close()
	if data, err := c.Small(t.Context(), u, 4<<20); err != nil || !bytes.Equal(data, content) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := c.Small(t.Context(), u, 1<<20); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	u, _ = url.Parse(s.URL + "/none")
	if _, err := c.Small(t.Context(), u, 1<<20); !errors.Is(err, ErrNetwork) {
		t.Error(err)
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 0-9/10")
	f.Add("bytes 0-9/*")
	f.Add("bytes -1-99999999999999999999/1")
	f.Fuzz(func(t *testing.T, h string) {
		if s, err := parseContentRange(h); err == nil && (s.from < 0 || s.to < s.from || s.total <= s.to) {
			t.Errorf("%q: %+v", h, s)
		}
	})
}
