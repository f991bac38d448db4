package dataset

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/recipe"
)

func open(t *testing.T) *biggan.Model {
	t.Helper()
	m, err := biggan.Open(t.Context(), "letters")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func newRun(t *testing.T, m *biggan.Model, kind Kind, out string, n, perFile int) *Run {
	t.Helper()
	r := recipe.Recipe{
		Version: recipe.Version, Model: "letters", Backend: "cpu", Stats: "linear", Truncation: 0.5,
		Pictures: &recipe.Pictures{Seed: 3, Asked: []string{"A", "B:0.5,C:0.5", "Q"}},
	}
	run, err := New(m, Order{Recipe: r, Kind: kind, Out: out, N: n, PerFile: perFile, Metadata: true}, Local{})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// finish makes what is missing.
func finish(t *testing.T, run *Run) {
	t.Helper()
	if err := run.Begin(false); err != nil {
		t.Fatal(err)
	}
	if err := run.Clean(0, run.Files()); err != nil {
		t.Fatal(err)
	}
	missing, err := run.Missing(0, run.Files())
	if err != nil {
		t.Fatal(err)
	}
	drawn := 0
	err = run.Make(t.Context(), recipe.Kitchen{Backend: "cpu"}, missing, false, func(n int) { drawn = n })
	if err != nil || drawn != run.PicturesOf(missing) {
		t.Fatalf("%d of %d pictures, %v", drawn, run.PicturesOf(missing), err)
	}
}

// content is every file of a folder.
func content(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

// TestBrokenOff: a run that lost files and was left with scraps ends as an unbroken one.
func TestBrokenOff(t *testing.T) {
	m := open(t)
	for kind, name := range map[Kind]string{PNG: "", Tar: "x.tar", NPZ: "x.npz"} {
		whole, broken := t.TempDir(), t.TempDir()
		finish(t, newRun(t, m, kind, filepath.Join(whole, name), 11, 4))
		run := newRun(t, m, kind, filepath.Join(broken, name), 11, 4)
		if err := run.Begin(false); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := run.Make(ctx, recipe.Kitchen{Backend: "cpu"}, []int{1, 2}, false, func(n int) {
			if n == 6 {
				cancel()
			}
		})
		if kind != PNG && !errors.Is(err, context.Canceled) { // PNG files are two pictures: done by then
			t.Errorf("%s: a run that was broken off: %v", kind, err)
		}
		scrap := "." + filepath.Base(run.Path(0)) + "123456"
		if err := os.WriteFile(filepath.Join(broken, scrap), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		finish(t, run)
		want, got := content(t, whole), content(t, broken)
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s: %s differs", kind, name)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d files, want %d", kind, len(got), len(want))
		}
	}
}

func TestBegin(t *testing.T) {
	m := open(t)
	out := filepath.Join(t.TempDir(), "x.tar")
	finish(t, newRun(t, m, Tar, out, 5, 2))
	if err := newRun(t, m, Tar, out, 6, 2).Begin(false); !errors.Is(err, atomicfile.ErrExists) {
		t.Errorf("another plan: %v", err)
	}
	if err := newRun(t, m, Tar, out, 6, 2).Begin(true); err != nil {
		t.Errorf("another plan, overwriting: %v", err)
	}
	if err := os.Remove(out + ".manifest.json"); err != nil {
		t.Fatal(err)
	}
	if err := newRun(t, m, Tar, out, 5, 2).Begin(false); !errors.Is(err, atomicfile.ErrExists) {
		t.Errorf("files without a manifest: %v", err)
	}
	if _, err := os.Stat(out + ".manifest.json"); err == nil {
		t.Error("a refused run left a manifest")
	}
	r := recipe.Recipe{Stats: "linear", Pictures: &recipe.Pictures{Sweep: []float64{1}}}
	if _, err := New(m, Order{Recipe: r, Kind: PNG, Out: "x", N: 5}, Local{}); !errors.Is(err, ErrPlan) {
		t.Errorf("a sweep: %v", err)
	}
}

// TestShards: the parts are the whole, once.
func TestShards(t *testing.T) {
	run := &Run{plan: Plan{N: 101, PerFile: 10}}
	for k := 1; k < 15; k++ {
		next := 0
		for i := 1; i <= k; i++ {
			from, to := run.Shard(i, k)
			if from != next || to < from {
				t.Errorf("part %d of %d: %d to %d, want from %d", i, k, from, to, next)
			}
			next = to
		}
		if next != run.Files() {
			t.Errorf("%d parts end at %d", k, next)
		}
	}
}

func TestFormats(t *testing.T) {
	m := open(t)
	folder := t.TempDir()
	finish(t, newRun(t, m, Tar, filepath.Join(folder, "x.tar"), 3, 5))
	finish(t, newRun(t, m, NPZ, filepath.Join(folder, "x.npz"), 3, 5))
	files := content(t, folder)
	var names, classes []string
	r := tar.NewReader(strings.NewReader(files["x.tar"]))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if data, err := io.ReadAll(r); err != nil {
			t.Fatal(err)
		} else if strings.HasSuffix(h.Name, ".cls") {
			classes = append(classes, string(data))
		}
	}
	if !slices.Equal(names, []string{"000.png", "000.cls", "001.png", "001.cls", "002.png", "002.cls"}) || !slices.Equal(classes, []string{"0", "1:0.5,2:0.5", "16"}) {
		t.Error(names, classes)
	}
	z, err := zip.NewReader(strings.NewReader(files["x.npz"]), int64(len(files["x.npz"])))
	if err != nil || len(z.File) != 2 {
		t.Fatal(err)
	}
	want := map[string]string{
		"arr_0.npy": "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 32, 32, 3), }", "arr_1.npy": "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }",
	}
	for _, f := range z.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body) // checks the CRC
		if err != nil || !bytes.Contains(data, []byte(want[f.Name])) {
			t.Errorf("%s: %v, %.100q", f.Name, err, data)
		}
		if n := map[string]int{"arr_0.npy": 128 + 3*32*32*3, "arr_1.npy": 128 + 3*8}[f.Name]; len(data) != n {
			t.Errorf("%s: %d bytes, want %d", f.Name, len(data), n)
		}
	}
}
