package torch

import (
	"bytes"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/weights"
)

// TestEvil opens every hostile or odd file of the manifest and reads all its tensors.
func TestEvil(t *testing.T) {
	entries := goldentest.Manifest(t, ".bin", ".pth")
	if len(entries) < 300 {
		t.Fatalf("%d entries in the manifest", len(entries))
	}
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			data := e.Content(t)
			start := time.Now()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := Parse(data)
			runtime.ReadMemStats(&after)
			if allocated, limit := after.TotalAlloc-before.TotalAlloc, uint64(128*len(data)+1<<20); allocated > limit {
				t.Errorf("%d bytes allocated for a file of %d", allocated, len(data))
			}
			if time.Since(start) > 2*time.Second {
				t.Errorf("took %v", time.Since(start))
			}
			e.Judge(t, err)
			if err != nil && !errors.Is(err, weights.ErrFormat) {
				t.Errorf("error %v is not ErrFormat", err)
			}
			if err != nil {
				return
			}
			for _, info := range f.Tensors() {
				content, err := f.Bytes(info.Name)
				if err != nil || int64(len(content)) != info.Bytes() {
					t.Errorf("%s: %d bytes, want %d; %v", info.Name, len(content), info.Bytes(), err)
				}
			}
			for name, want := range e.Tensors {
				compare(t, f, name, want.Shape, want.Values)
			}
		})
	}
	if left, _ := filepath.Glob("/tmp/EVIL_*"); len(left) > 0 {
		t.Errorf("code was run: %v", left)
	}
}

func compare(t *testing.T, f *File, name string, shape []int, values []float64) {
	t.Helper()
	i, ok := f.index[name]
	if !ok || !slices.Equal(f.tensors[i].Shape, shape) {
		t.Errorf("%s is missing or misshapen", name)
		return
	}
	content, err := f.Bytes(name)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float64, f.tensors[i].Elements())
	if err := weights.Decode64(got, f.tensors[i].DType, content); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[:len(values)], values) {
		t.Errorf("%s is %v, want %v", name, got, values)
	}
}

// TestContainersAgree reads the same 362 tensors from the legacy container, where they are
// strided, and the zip one.
func TestContainersAgree(t *testing.T) {
	legacy, zip := open(t, "letters/pytorch_model.bin"), open(t, "letters/pytorch_model.zip.bin")
	if n := len(legacy.Tensors()); n != 362 || legacy.Container() != "legacy" || zip.Container() != "zip" {
		t.Fatalf("%d tensors in containers %s, %s", n, legacy.Container(), zip.Container())
	}
	strided := 0
	for _, info := range legacy.Tensors() {
		a, err1 := legacy.Bytes(info.Name)
		b, err2 := zip.Bytes(info.Name)
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs; %v %v", info.Name, err1, err2)
		}
		if !legacy.tensors[legacy.index[info.Name]].contiguous() {
			strided++
		}
	}
	if strided < 50 {
		t.Errorf("only %d strided tensors: the legacy file tests nothing", strided)
	}
}

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(goldentest.Path(t, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestUnwrap(t *testing.T) {
	f := open(t, "biggan-pytorch/biggan64-wrapped/G_ema.pth")
	if f.Wrapping() != `inside "state_dict", prefix "module."` {
		t.Errorf("wrapping %q", f.Wrapping())
	}
	if want := []string{"step (an integer)", "epoch (an integer)", "best_fid (a float)"}; !slices.Equal(f.Extras(), want) {
		t.Errorf("extras %q", f.Extras())
	}
	if f.Tensors()[0].Name != "shared.weight" {
		t.Errorf("first tensor %q", f.Tensors()[0].Name)
	}
}

// TestGather compares the blocked gather with a plain one on axes of every order.
func TestGather(t *testing.T) {
	for _, width := range []int{1, 2, 4, 8} {
		for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 3, 1, 0}, {1, 0, 3, 2}, {0, 3, 1, 2}} {
			shape := []int{5, 37, 3, 18}
			strides := make([]int64, 4)
			n := int64(1)
			for _, axis := range order {
				strides[axis] = n
				n *= int64(shape[axis])
			}
			data := make([]byte, n*int64(width))
			for i := range data {
				data[i] = byte(i * 7 / 3)
			}
			v := view{Info: weights.Info{Shape: shape}, strides: strides, data: data}
			got := make([]byte, len(data))
			v.gather(got, width)
			at := 0
			for a := range int64(5) {
				for b := range int64(37) {
					for c := range int64(3) {
						for d := range int64(18) {
							s := (a*strides[0] + b*strides[1] + c*strides[2] + d*strides[3]) * int64(width)
							if !bytes.Equal(got[at:at+width], data[s:s+int64(width)]) {
								t.Fatalf("width %d, order %v: element %d differs", width, order, at/width)
							}
							at += width
						}
					}
				}
			}
		}
	}
}

func BenchmarkGather(b *testing.B) {
	v := view{Info: weights.Info{Shape: []int{512, 512, 3, 3}}, strides: []int64{1, 512, 3 * 512 * 512, 512 * 512}}
	v.data = make([]byte, 4*512*512*9)
	dst := make([]byte, len(v.data))
	b.SetBytes(int64(len(dst)))
	for b.Loop() {
		v.gather(dst, 4)
	}
}

func FuzzParse(f *testing.F) {
	for _, e := range goldentest.Manifest(f, ".bin", ".pth") {
		if e.Derive == nil {
			if data := e.Content(f); len(data) < 1<<11 {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if !errors.Is(err, weights.ErrFormat) {
				t.Fatalf("error %v is not ErrFormat", err)
			}
			return
		}
		for _, info := range file.Tensors() {
			if content, err := file.Bytes(info.Name); err != nil || int64(len(content)) != info.Bytes() {
				t.Fatalf("%q: %d bytes, want %d; %v", info.Name, len(content), info.Bytes(), err)
			}
		}
	})
}
