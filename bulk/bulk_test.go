package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/memfs"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"

	"github.com/biggan-zoo/biggan/dataset"
	"github.com/biggan-zoo/biggan/recipe"
)

// TestMain is the program itself where a test of supervision starts it.
func TestMain(m *testing.M) {
	if os.Getenv(faultVariable) != "" {
		main()
	}
	ptest.MainWithDefault(m, "prism")
}

// order is a job of pictures into a place.
func order(t *testing.T, kind dataset.Kind, out string) options {
	t.Helper()
	o := options{job: job{Model: "letters", Backend: "cpu", Threads: 1}, classes: list{"A", "B:0.5,C:0.5", "Q"}, seed: 3}
	o.Order = dataset.Order{N: 23, PerFile: 5, Out: out}
	o.Order.Recipe.Truncation, o.Order.Recipe.Noise = 0.5, "truncated"
	if err := o.finish(); err != nil {
		t.Fatal(err)
	}
	if o.Order.Kind != kind {
		t.Fatalf("%s is of kind %s", out, o.Order.Kind)
	}
	return o
}

// begun opens a job and begins its run.
func begun(t *testing.T, o *options) *dataset.Run {
	t.Helper()
	w, err := open(t.Context(), &o.job, storeFor(t.Context(), o.Order.Out))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run.Begin(false); err != nil {
		t.Fatal(err)
	}
	return w.run
}

// plain makes a run as the command line does.
func plain(t *testing.T, kind dataset.Kind, out string) {
	t.Helper()
	o := order(t, kind, out)
	run := begun(t, &o)
	missing, err := run.Missing(0, run.Files())
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Make(t.Context(), recipe.Kitchen{Backend: "cpu"}, missing, false, func(int) {}); err != nil {
		t.Fatal(err)
	}
}

// sameFiles wants two folders to hold the same files with the same bytes.
func sameFiles(t *testing.T, want, got string) {
	t.Helper()
	a, err := os.ReadDir(want)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadDir(got)
	if err != nil {
		t.Fatal(err)
	}
	if len(a) != len(b) {
		t.Errorf("%d files, want %d", len(b), len(a))
	}
	for _, e := range a {
		x, err := os.ReadFile(filepath.Join(want, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if y, err := os.ReadFile(filepath.Join(got, e.Name())); err != nil || string(x) != string(y) {
			t.Errorf("%s differs, %v", e.Name(), err)
		}
	}
}

// TestPipeline: the same files as the command line's, whatever the parallelism.
func TestPipeline(t *testing.T) {
	for kind, name := range map[dataset.Kind]string{dataset.PNG: "many", dataset.NPZ: "many.npz"} {
		want := t.TempDir()
		plain(t, kind, filepath.Join(want, name))
		for _, chunk := range []int{1, 4, 100} {
			got := t.TempDir()
			o := order(t, kind, filepath.Join(got, name))
			o.chunk, o.Threads = chunk, chunk%3
			run := begun(t, &o)
			p, s := beam.NewPipelineWithRoot()
			if err := draw(s, o.job, run.Files(), o.chunk); err != nil {
				t.Fatal(err)
			}
			ptest.RunAndValidate(t, p)
			if kind == dataset.PNG {
				sameFiles(t, filepath.Join(want, name), filepath.Join(got, name))
			} else {
				sameFiles(t, want, got)
			}
		}
	}
}

// TestChunkAgain gives chunks out several times at once, as runners do when they lose a worker
// or think that they did: nothing fails, nothing is double, nothing differs.
func TestChunkAgain(t *testing.T) {
	want, got := t.TempDir(), t.TempDir()
	plain(t, dataset.Tar, filepath.Join(want, "x.tar"))
	o := order(t, dataset.Tar, filepath.Join(got, "x.tar"))
	run := begun(t, &o)
	text := marshal(t, o.job)
	var group sync.WaitGroup
	for range 3 {
		for start := 0; start < run.Files(); start += 2 {
			group.Go(func() {
				f := drawFn{Job: text, Files: run.Files(), Chunk: 2}
				if err := f.Setup(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if err := f.ProcessElement(t.Context(), start); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	sameFiles(t, want, got)
}

// TestOtherModel: a worker that sees another model than the job's refuses it.
func TestOtherModel(t *testing.T) {
	o := order(t, dataset.Tar, filepath.Join(t.TempDir(), "x.tar"))
	begun(t, &o)
	o.Order.Recipe.SHA256 = "0"
	f := drawFn{Job: marshal(t, o.job), Files: 1, Chunk: 1}
	if err := f.Setup(t.Context()); err == nil {
		t.Error("no error")
	}
}

// TestBucket writes to one of Beam's file systems.
func TestBucket(t *testing.T) {
	o := order(t, dataset.NPZ, "memfs://pictures/x.npz")
	run := begun(t, &o)
	p, s := beam.NewPipelineWithRoot()
	if err := draw(s, o.job, run.Files(), 2); err != nil {
		t.Fatal(err)
	}
	ptest.RunAndValidate(t, p)
	want := t.TempDir()
	plain(t, dataset.NPZ, filepath.Join(want, "x.npz"))
	b := bucket{t.Context()}
	for _, name := range []string{"x-000.npz", "x-004.npz"} {
		x, err := os.ReadFile(filepath.Join(want, name))
		if err != nil {
			t.Fatal(err)
		}
		if y, err := b.Read("memfs://pictures/" + name); err != nil || string(x) != string(y) {
			t.Errorf("%s differs, %v", name, err)
		}
	}
	o.Order.N++
	w, err := open(t.Context(), &o.job, b)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run.Begin(false); err == nil {
		t.Error("another run in the same place is no error")
	}
}

func marshal(t *testing.T, j job) string {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
