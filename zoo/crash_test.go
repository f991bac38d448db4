package zoo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/biggan-zoo/biggan/zoo/fetch"
	"github.com/biggan-zoo/biggan/zoo/zootest"
)

// The test binary is also a program that pulls tiny: ZOO_PULL=STORE, ZOO_MIRROR=URL, and
// ZOO_NOLOCK for one whose locks do not lock.
func TestMain(m *testing.M) {
	if folder := os.Getenv("ZOO_PULL"); folder != "" {
		if err := pullTiny(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func pullTiny(folder string) error {
	s, err := OpenStore(folder, true)
	if err != nil {
		return err
	}
	defer s.Close()
	if os.Getenv("ZOO_NOLOCK") != "" {
		s.lock = noLock
	}
	mirrors, err := ParseMirrors(os.Getenv("ZOO_MIRROR"))
	if err != nil {
		return err
	}
	_, err = s.Pull(context.Background(), tiny(), PullOptions{
		Mirrors: mirrors, Network: quick, Converter: "test", Again: os.Getenv("ZOO_AGAIN") != "",
		Note: func(text string) { fmt.Fprintln(os.Stderr, text) },
	})
	return err
}

// noLock is a lock as some network file systems have it: everybody gets it.
func noLock(context.Context, string, bool) (func() error, error) {
	return func() error { return nil }, nil
}

// puller is a process that pulls tiny.
func puller(t testing.TB, s *Store, mirror string, environment ...string) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), append([]string{"ZOO_PULL=" + s.Folder(), "ZOO_MIRROR=" + mirror}, environment...)...)
	return c
}

// TestKill kills a pull at random moments, again and again, and lets one run to its end: it
// is right, and nothing is left after prune. BIGGAN_KILLS is the number (default 20).
func TestKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("kills as on unix")
	}
	kills := 20
	if text := os.Getenv("BIGGAN_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{Pace: time.Millisecond})
	s := newStore(t)
	start := time.Now()
	run(t, puller(t, s, server.URL))
	usual := time.Since(start)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("a pull takes %v; seed %d", usual, seed)
	interrupted, partials := 0, 0
	for i := range kills {
		environment := []string{"ZOO_AGAIN=1"}
		if i%3 == 0 { // from nothing, else over what is there
			if _, err := s.Remove(t.Context(), "tiny", false); err != nil && !errors.Is(err, ErrNotPulled) {
				t.Fatal(err)
			}
		}
		c := puller(t, s, server.URL, environment...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(r.Int64N(int64(usual) * 11 / 10)))
		c.Process.Kill()
		c.Wait()
		if c.ProcessState.ExitCode() == -1 {
			interrupted++
		}
		// Whatever the moment: what counts as pulled verifies.
		checked, err := s.Verify(t.Context(), nil, nil)
		if err != nil {
			t.Fatalf("kill %d: %v", i, err)
		}
		for _, f := range checked {
			if !f.OK && f.Got.Known() {
				t.Fatalf("kill %d: %+v", i, f)
			}
		}
		if h, err := s.Held("tiny"); err != nil {
			t.Fatal(err)
		} else {
			partials += len(h.Partials)
		}
		if i%5 == 4 {
			run(t, puller(t, s, server.URL))
			verified(t, s, 1)
		}
	}
	run(t, puller(t, s, server.URL))
	if _, _, err := s.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	whole(t, s)
	t.Logf("%d kills, %d of them before the end, %d partial files seen", kills, interrupted, partials)
}

func run(t testing.TB, c *exec.Cmd) {
	t.Helper()
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestTogether: 8 processes pull one model at the same time, with locks and with locks that
// do not lock, from a good server and from one that breaks off.
func TestTogether(t *testing.T) {
	for name, c := range map[string]struct {
		environment []string
		faults      zootest.Faults
	}{
		"locked":               {nil, zootest.Faults{}},
		"locks that don't":     {[]string{"ZOO_NOLOCK=1"}, zootest.Faults{}},
		"locks that don't (2)": {[]string{"ZOO_NOLOCK=1"}, zootest.Faults{Drop: 600_000, Pace: time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			server := zootest.New(t, zootest.Manifest(golden(t)), c.faults)
			s := newStore(t)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if out, err := puller(t, s, server.URL, c.environment...).CombinedOutput(); err != nil {
						t.Errorf("%v\n%s", err, out)
					}
				})
			}
			all.Wait()
			verified(t, s, 1)
			if _, _, err := s.Prune(t.Context()); err != nil {
				t.Error(err)
			}
			whole(t, s)
			size := len(golden(t)["tiny/pytorch_model.bin"]) + len(golden(t)["tiny/config.json"])
			if c.environment == nil && server.Sent() != int64(size) {
				t.Errorf("%d bytes sent, want the %d of one download", server.Sent(), size)
			}
		})
	}
}

// TestTogetherInside: the same with 8 goroutines of one process, which shares its locks.
func TestTogetherInside(t *testing.T) {
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{})
	for _, lock := range []func(context.Context, string, bool) (func() error, error){fileLock, noLock} {
		s := newStore(t)
		s.lock = lock
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := s.Pull(t.Context(), tiny(), from(t, server.URL)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		verified(t, s, 1)
	}
}

// TestWaiting: who waits for another process can be interrupted.
func TestWaiting(t *testing.T) {
	s := newStore(t)
	if err := os.Mkdir(s.path("tiny"), 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := fileLock(t.Context(), s.path("tiny", lockName), false)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Pull(ctx, tiny(), PullOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := s.Remove(t.Context(), "tiny", true); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	if _, busy, err := s.Prune(t.Context()); err != nil || len(busy) != 1 {
		t.Error(busy, err)
	}
}

// TestDiskFull: on a small file system that fills up on the way, the error is ENOSPC, what
// was downloaded is kept, and the next run goes on with it.
func TestDiskFull(t *testing.T) {
	folder := t.TempDir()
	missing := t.Skipf
	if os.Getenv("BIGGAN_CI") != "" {
		missing = t.Fatalf
	}
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		missing("needs linux and root, to mount a tmpfs")
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder).CombinedOutput(); err != nil {
		missing("cannot mount a tmpfs: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", folder).Run() })
	s, err := OpenStore(filepath.Join(folder, "models"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{Pace: 20 * time.Millisecond})
	ballast := filepath.Join(folder, "ballast")
	o := from(t, server.URL)
	o.Network.Parts, o.Network.Part = 1, 64<<20
	var once sync.Once
	o.Progress = func(_ Stage, done, _ int64) {
		if done > 1<<20 {
			once.Do(func() { os.WriteFile(ballast, make([]byte, 16<<20), 0o600) }) // as much as there is room for
		}
	}
	var unfinished *Unfinished
	_, err = s.Pull(t.Context(), tiny(), o)
	if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &unfinished) || errors.Is(err, ErrNetwork) {
		t.Fatal(err)
	}
	if h, err := s.Held("tiny"); err != nil || len(h.Partials) != 1 || h.Partials[0].Verified < 1<<19 {
		t.Errorf("%+v, %v", h, err)
	}
	// Still full: told before anything is downloaded.
	server.Set(zootest.Faults{})
	before := len(server.Requests())
	if _, err := s.Pull(t.Context(), tiny(), o); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("still full: %v", err)
	}
	if n := len(server.Requests()) - before; n > 1 { // the manifest
		t.Errorf("%d requests with a full disk", n)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	sent := server.Sent()
	if _, err := s.Pull(t.Context(), tiny(), o); err != nil {
		t.Fatal(err)
	}
	if sent = server.Sent() - sent; sent > int64(len(golden(t)["tiny/pytorch_model.bin"]))-1<<19 {
		t.Errorf("%d bytes sent again", sent)
	}
	whole(t, s)
}

// faulty is a disk whose operation number n fails.
type faulty struct {
	disk
	mu  sync.Mutex
	n   int
	err error
	at  string
}

func (f *faulty) fails(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 {
		f.at = op + " " + name
		return &os.PathError{Op: op, Path: name, Err: f.err}
	}
	return nil
}

func (f *faulty) OpenFile(name string, flag int, perm os.FileMode) (*os.File, error) {
	if err := f.fails("open", name); err != nil {
		return nil, err
	}
	return f.disk.OpenFile(name, flag, perm)
}

func (f *faulty) ReadFile(name string) ([]byte, error) {
	if err := f.fails("read", name); err != nil {
		return nil, err
	}
	return f.disk.ReadFile(name)
}

func (f *faulty) ReadDir(name string) ([]os.DirEntry, error) {
	if err := f.fails("list", name); err != nil {
		return nil, err
	}
	return f.disk.ReadDir(name)
}

func (f *faulty) Lstat(name string) (os.FileInfo, error) {
	if err := f.fails("stat", name); err != nil {
		return nil, err
	}
	return f.disk.Lstat(name)
}

func (f *faulty) Mkdir(name string) error {
	if err := f.fails("mkdir", name); err != nil {
		return err
	}
	return f.disk.Mkdir(name)
}

func (f *faulty) Rename(from, to string) error {
	if err := f.fails("rename", to); err != nil {
		return err
	}
	return f.disk.Rename(from, to)
}

func (f *faulty) Link(from, to string) error {
	if err := f.fails("link", to); err != nil {
		return err
	}
	return f.disk.Link(from, to)
}

func (f *faulty) Remove(name string) error {
	if err := f.fails("remove", name); err != nil {
		return err
	}
	return f.disk.Remove(name)
}

func (f *faulty) RemoveAll(name string) error {
	if err := f.fails("removeall", name); err != nil {
		return err
	}
	return f.disk.RemoveAll(name)
}

func (f *faulty) Sync(file *os.File) error {
	if err := f.fails("sync", file.Name()); err != nil {
		return err
	}
	return f.disk.Sync(file)
}

func (f *faulty) SyncFolder(name string) error {
	if err := f.fails("syncfolder", name); err != nil {
		return err
	}
	return f.disk.SyncFolder(name)
}

// TestDiskFails: each operation on the store's folder fails once, over nothing and over a
// model that is there. Afterwards the store verifies, and the next pull is right.
func TestDiskFails(t *testing.T) {
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{})
	for _, over := range []bool{false, true} {
		s := newStore(t)
		real := s.disk
		o := from(t, server.URL)
		o.KeepSource = true
		o.Network = fetch.Options{Attempts: 1, Backoff: time.Millisecond}
		for n := 1; ; n++ {
			s.disk = real
			if over {
				o.Again = false
				if _, err := s.Pull(t.Context(), tiny(), o); err != nil {
					t.Fatal(err)
				}
			} else if _, err := s.Remove(t.Context(), "tiny", true); err != nil && !errors.Is(err, ErrNotPulled) {
				t.Fatal(err)
			}
			f := &faulty{disk: real, n: n, err: syscall.EIO}
			s.disk = f
			o.Again = over
			_, err := s.Pull(t.Context(), tiny(), o)
			s.disk = real
			if f.n > 0 {
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("over %v: %d operations", over, n-1)
				break
			}
			if err != nil && !errors.Is(err, syscall.EIO) {
				t.Errorf("over %v, %s: %v", over, f.at, err)
			}
			checked, verifyErr := s.Verify(t.Context(), nil, nil)
			for _, c := range checked {
				if !c.OK && (over || c.Got.Known()) {
					t.Errorf("over %v, after %s: %+v", over, f.at, c)
				}
			}
			if verifyErr != nil || over && len(checked) != 3 {
				t.Errorf("over %v, after %s: %d files, %v", over, f.at, len(checked), verifyErr)
			}
		}
		if _, _, err := s.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		holds(t, s, "tiny", "config.json", recordName, provenanceName, "pytorch_model.bin", "tiny.safetensors")
		verified(t, s, 3)
	}
}
