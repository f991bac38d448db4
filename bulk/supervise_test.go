package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
)

// faultVariable says what happens when a file is written to faulty://: KIND:FOLDER. The folder
// notes what was written and whether the fault has happened.
const faultVariable = "BIGGAN_BULK_FAULT"

func init() {
	filesystem.Register("faulty", func(context.Context) filesystem.Interface { return faulty{} })
}

// faulty is the file system of this machine with a fault in it.
type faulty struct{}

func local(path string) string { return strings.TrimPrefix(path, "faulty://") }

func (faulty) Close() error { return nil }

func (faulty) List(_ context.Context, path string) ([]string, error) {
	return filepath.Glob(local(path))
}

func (faulty) OpenRead(_ context.Context, path string) (io.ReadCloser, error) {
	return os.Open(local(path))
}

func (faulty) Size(_ context.Context, path string) (int64, error) {
	info, err := os.Stat(local(path))
	return info.Size(), err
}

var writes atomic.Int64

// OpenWrite has its fault at the sixth file of a process: in the midst of a bundle.
func (faulty) OpenWrite(_ context.Context, path string) (io.WriteCloser, error) {
	kind, folder, _ := strings.Cut(os.Getenv(faultVariable), ":")
	if writes.Add(1) == 6 {
		if err := fault(kind, folder); err != nil {
			return nil, err
		}
	}
	return &written{path: local(path), log: filepath.Join(folder, "log")}, nil
}

// fault happens once, but for "always".
func fault(kind, folder string) error {
	if kind == "always" {
		return errors.New("the disk is always broken")
	}
	once, err := os.OpenFile(filepath.Join(folder, "happened"), os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil
	}
	if err := once.Close(); err != nil {
		return err
	}
	switch kind {
	case "error":
		return errors.New("the disk is broken")
	case "panic":
		panic("the worker's code is broken")
	case "kill":
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		if err := self.Kill(); err != nil {
			return err
		}
		select {}
	case "hang":
		select {}
	}
	return nil
}

// written is a file that is there, and noted, when it is closed.
type written struct {
	bytes.Buffer
	path, log string
}

func (w *written) Close() error {
	if err := os.WriteFile(w.path, w.Bytes(), 0o644); err != nil {
		return err
	}
	log, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(log, filepath.Base(w.path)); err != nil {
		return err
	}
	return log.Close()
}

// supervised is a supervisor of this program with a fault, which makes 23 pictures of the test's order.
func supervised(t *testing.T, kind, folder, out string) (*supervisor, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(faultVariable, kind+":"+folder)
	var stdout, stderr bytes.Buffer
	command := []string{
		self, "-backend", "cpu", "-c", "A", "-c", "B:0.5,C:0.5", "-c", "Q", "-seed", "3", "-n", "23", "-chunk", "2", "-o", "faulty://" + out,
	}
	return &supervisor{command, 3, time.Millisecond, &stdout, &stderr}, &stdout, &stderr
}

// TestSupervised: a bundle that fails, panics, or whose worker is killed is made again without
// anybody's help; the files are those of an undisturbed run, and none was written twice.
func TestSupervised(t *testing.T) {
	want := t.TempDir()
	plain(t, "png", want)
	for _, kind := range []string{"none", "error", "panic", "kill"} {
		t.Run(kind, func(t *testing.T) {
			folder, got := t.TempDir(), t.TempDir()
			s, stdout, stderr := supervised(t, kind, folder, got)
			if code, err := s.run(t.Context()); code != 0 || err != nil {
				t.Fatalf("exit code %d, %v: %s", code, err, stderr)
			}
			sameFiles(t, want, got)
			if n := strings.Count(stdout.String(), "\n"); n != 23 {
				t.Errorf("%d paths on stdout", n)
			}
			if again := strings.Count(stderr.String(), "bulk: attempt "); (again > 0) != (kind != "none") || again > 1 {
				t.Errorf("%d further attempts: %s", again, stderr)
			}
			log, err := os.ReadFile(filepath.Join(folder, "log"))
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for name := range strings.Lines(string(log)) {
				if seen[name] {
					t.Errorf("%s was written twice", strings.TrimSpace(name))
				}
				seen[name] = true
			}
			if len(seen) != 24 {
				t.Errorf("%d files were written, want 23 and the manifest", len(seen))
			}
		})
	}
}

// TestGivesUp: retries count while nothing is made, and an end is an end.
func TestGivesUp(t *testing.T) {
	folder, got := t.TempDir(), t.TempDir()
	s, _, stderr := supervised(t, "always", folder, got)
	s.retries = 1
	code, err := s.run(t.Context())
	if err != nil || code != 0 {
		t.Errorf("five files an attempt finish 23 in five attempts, whatever the retries: %d, %v, %s", code, err, stderr)
	}
	s, _, stderr = supervised(t, "none", folder, got)
	s.command = append(s.command, "-seed", "4")
	if code, err := s.run(t.Context()); code != exitFailure || err != nil || strings.Contains(stderr.String(), "attempt") {
		t.Errorf("another run in the same place: %d, %v, %s", code, err, stderr)
	}
	c := exec.Command(s.command[0], append(s.command[1:], "-seed", "4294967296")...)
	if err := c.Run(); c.ProcessState.ExitCode() != exitUsage {
		t.Errorf("a bad flag: %v", err)
	}
	stuck, _, stderr := supervised(t, "none", folder, t.TempDir())
	stuck.command = []string{"sh", "-c", "exit 7"}
	if code, err := stuck.run(t.Context()); code != exitUnfinished || err == nil || strings.Count(stderr.String(), "bulk: attempt ") != stuck.retries {
		t.Errorf("an attempt that never makes anything: %d, %v, %s", code, err, stderr)
	}
	stuck.command = []string{filepath.Join(folder, "nowhere")}
	if code, err := stuck.run(t.Context()); code != exitFailure || err == nil {
		t.Errorf("no program: %d, %v", code, err)
	}
}

// TestStopped: a signal ends a run, and the exit code says which.
func TestStopped(t *testing.T) {
	s, _, _ := supervised(t, "hang", t.TempDir(), t.TempDir())
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { cancel(stopped{syscall.SIGTERM}) })
	if code, err := s.run(ctx); code != 143 || err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("exit code %d, %v", code, err)
	}
}

// TestOrphan: the worker ends when its supervisor is killed.
func TestOrphan(t *testing.T) {
	folder := t.TempDir()
	s, _, _ := supervised(t, "hang", folder, t.TempDir())
	c := exec.Command(s.command[0], s.command[1:]...)
	stdout, err := c.StdoutPipe() // which the worker inherits
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(folder, "happened")); err == nil {
			break
		}
		if time.Since(start) > time.Minute {
			t.Fatal("the worker never came to its sixth file")
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, stdout)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the worker lives on")
	}
	_ = c.Wait() // killed
}
