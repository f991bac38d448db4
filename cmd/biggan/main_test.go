package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/zoo/mirror"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"biggan": main})
}

// TestScripts runs the command as a user does. $GOLDEN is testdata/golden.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("GOLDEN", goldentest.Path(t, "."))
			e.Setenv("BIGGAN_PYTHON", os.Getenv("BIGGAN_PYTHON"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "ci" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return os.Getenv("BIGGAN_CI") != "", nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"code": exits, "holds": holds, "serve": serves, "port": ported, "replays": replays},
	})
}

// exits runs biggan and wants an exit code: code N ARGS... Its output is for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: code N ARGS...")
	}
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec("biggan", args[1:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// serves serves a folder as a mirror, to the end of the script: serve FOLDER VARIABLE, which
// gets the URL.
func serves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serve FOLDER VARIABLE")
	}
	m, err := mirror.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	server := httptest.NewServer(m)
	ts.Defer(func() {
		server.Close()
		m.Close()
	})
	ts.Setenv(args[1], server.URL)
}

// holds wants a folder to hold these files and no others, hidden ones included: holds FOLDER NAMES...
func holds(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var names []string
	for _, e := range entries {
		if e.Name() != ".tmp" { // testscript's own
			names = append(names, e.Name())
		}
	}
	if got, want := strings.Join(names, " "), strings.Join(args[1:], " "); (got == want) == neg {
		ts.Fatalf("%s holds %q, want %q", args[0], got, want)
	}
}

// replays wants pictures to be made again byte for byte: replays PICTURES...
func replays(ts *testscript.TestScript, neg bool, args []string) {
	for i, path := range args {
		again := ts.MkAbs(fmt.Sprintf("replay-%d%s", i, filepath.Ext(path)))
		ts.Check(ts.Exec("biggan", "replay", path, "-o", again))
		if (ts.ReadFile(path) == ts.ReadFile(again)) == neg {
			ts.Fatalf("%s is not made again byte for byte", path)
		}
	}
}

// command runs a command line in this process.
func command(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return code, out.String(), err.String()
}

// bounded runs a command and reports a run that takes more than 2 s or 64 MiB.
func bounded(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	code, _, stderr = command(args...)
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("took %v", d)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("allocated %d bytes", n)
	}
	return code, stderr
}

// TestEvilFiles opens every hostile or odd file: exit code 4 and a message that names the
// file, or a listing where the manifest allows it.
func TestEvilFiles(t *testing.T) {
	folder := t.TempDir()
	for i, e := range goldentest.Manifest(t, ".bin", ".pth", ".safetensors", ".npz") {
		t.Run(e.Name(), func(t *testing.T) {
			path := filepath.Join(folder, strconv.Itoa(i)+".file")
			if err := os.WriteFile(path, e.Content(t), 0o644); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(folder, "out.safetensors")
			for _, args := range [][]string{{"info", path, "--tensors"}, {"convert", path, "-o", out, "--force"}} {
				code, stderr := bounded(t, args...)
				var err error
				if code != exitOK {
					err = errors.New(stderr)
				}
				if args[0] == "info" && filepath.Ext(e.Name()) != ".npz" { // those are no models
					e.Judge(t, err)
				}
				if code != exitOK && (code != exitCorrupt || !strings.Contains(stderr, filepath.Base(path))) {
					t.Errorf("%s: exit code %d, %s", args[0], code, stderr)
				}
			}
			for _, f := range []string{path, out} {
				if err := os.RemoveAll(f); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob("/tmp/EVIL_*"); len(left) > 0 {
		t.Errorf("code was run: %v", left)
	}
}

// TestEvilConfigs gives a good checkpoint configs that do not describe it.
func TestEvilConfigs(t *testing.T) {
	folder := t.TempDir()
	for _, e := range goldentest.Manifest(t, ".json") {
		t.Run(e.Name(), func(t *testing.T) {
			code, stderr := bounded(t, "convert", goldentest.Path(t, "letters/pytorch_model.bin"),
				"--config", goldentest.Path(t, "evil/"+e.File), "-o", filepath.Join(folder, "out.safetensors"))
			var err error
			if code != exitOK {
				err = errors.New(stderr)
			}
			e.Judge(t, err)
			if code != exitOK && code != exitCorrupt {
				t.Errorf("exit code %d, %s", code, stderr)
			}
			if err := os.RemoveAll(filepath.Join(folder, "out.safetensors")); err != nil {
				t.Fatal(err)
			}
		})
	}
	if left, _ := os.ReadDir(folder); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
