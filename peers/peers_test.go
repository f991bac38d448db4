//go:build unix

package peers

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fake is a Python that is a shell script.
func fake(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	if p, err := Find("hf"); err != nil || p.Name != "hf" {
		t.Errorf("%v, %v", p, err)
	}
	if _, err := Find("onnxruntim"); err == nil || !strings.Contains(err.Error(), `hf, tfhub, onnxruntime; did you mean "onnxruntime"?`) {
		t.Errorf("error %v", err)
	}
	var missing *MissingError
	if _, err := FindPython("/nowhere/python"); !errors.As(err, &missing) || !strings.Contains(missing.Hint(), "BIGGAN_PYTHON") {
		t.Errorf("error %v", err)
	}
}

// TestMissing tells what a script cannot import, and how to install it.
func TestMissing(t *testing.T) {
	python := fake(t, `echo "a warning" >&2; echo "torch: No module named 'torch'" >&2; exit 77`)
	err := All[0].Run(t.Context(), python, t.TempDir(), Job{})
	var missing *MissingError
	if !errors.As(err, &missing) || !errors.Is(err, ErrUnavailable) {
		t.Fatalf("error %v", err)
	}
	if !strings.HasSuffix(err.Error(), "torch: No module named 'torch'") || missing.Hint() != python+" -m pip install torch pytorch-pretrained-biggan" {
		t.Errorf("error %q, hint %q", err, missing.Hint())
	}
}

// TestFailure carries the end of what a script wrote, however much that is.
func TestFailure(t *testing.T) {
	python := fake(t, `i=0; while [ $i -lt 3000 ]; do echo "line $i of the traceback" >&2; i=$((i+1)); done; exit 3`)
	err := All[1].Run(t.Context(), python, t.TempDir(), Job{})
	if err == nil || errors.Is(err, ErrUnavailable) || !strings.HasSuffix(err.Error(), "line 2999 of the traceback") || len(err.Error()) > 1<<10 {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
}

// TestJob gives a script its job and the module that it imports.
func TestJob(t *testing.T) {
	python, folder := fake(t, `test "$1" = -B && test -f "$2" && test -f "$(dirname "$2")/recording.py" && cat "$3" > job-seen`), t.TempDir()
	if err := All[2].Run(t.Context(), python, folder, Job{Model: "m", Keep: []string{"a"}, Sums: []string{"b"}, Truncation: 0.437}); err != nil {
		t.Fatal(err)
	}
	seen, err := os.ReadFile(filepath.Join(folder, "job-seen"))
	if err != nil || !strings.Contains(string(seen), `"keep":["a"],"sums":["b"],"truncation":0.437`) {
		t.Errorf("%s, %v", seen, err)
	}
}

// TestCancel kills a script and what it started, at once.
func TestCancel(t *testing.T) {
	python, folder := fake(t, `sleep 600 & echo $! > child; wait`), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- All[0].Run(ctx, python, folder, Job{}) }()
	var child int
	for deadline := time.Now().Add(10 * time.Second); child == 0; time.Sleep(time.Millisecond) {
		text, _ := os.ReadFile(filepath.Join(folder, "child"))
		child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		if time.Now().After(deadline) {
			t.Fatal("the script does not start")
		}
	}
	start := time.Now()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || time.Since(start) > time.Second {
		t.Errorf("error %v after %v", err, time.Since(start))
	}
	for deadline := time.Now().Add(10 * time.Second); alive(child); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the script's child lives on")
		}
	}
}

// alive reports whether a process runs: one that ended and waits for its parent does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestProbe(t *testing.T) {
	s, err := Probe(t.Context(), fake(t, `echo '{"python": "3.9.1", "modules": {"numpy": "2.0", "torch": null}}'`))
	if err != nil || s.Python != "3.9.1" {
		t.Fatalf("%v, %v", s, err)
	}
	if got := strings.Join(s.Missing(All[0]), " "); got != "torch pytorch_pretrained_biggan" {
		t.Errorf("missing %q", got)
	}
	if _, err := Probe(t.Context(), fake(t, `echo hello`)); err == nil || !strings.Contains(err.Error(), `is no Python: it prints "hello"`) {
		t.Errorf("error %v", err)
	}
	if _, err := Probe(t.Context(), fake(t, `echo broken >&2; exit 1`)); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("error %v", err)
	}
}
