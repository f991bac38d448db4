// Package modeltest gives tests the checkpoints of testdata/golden as networks with weights,
// and writes recordings.
package modeltest

import (
	"encoding/binary"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/weights"
)

// Open converts a checkpoint of testdata/golden, with a config file of it or "", and opens the result.
func Open(t testing.TB, src, config string) (*weights.File, *graph.Graph) {
	t.Helper()
	var o convert.Options
	if config != "" {
		o.Config = goldentest.Read(t, config)
	}
	dst := filepath.Join(t.TempDir(), "model.safetensors")
	if _, err := convert.File(t.Context(), goldentest.Path(t, src), dst, o); err != nil {
		t.Fatal(err)
	}
	return OpenPath(t, dst)
}

// OpenPath opens a converted model.
func OpenPath(t testing.TB, path string) (*weights.File, *graph.Graph) {
	t.Helper()
	f := OpenFile(t, path)
	meta, err := weights.ParseMeta(f.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	g, err := registry.Network(meta.Architecture, meta.Config)
	if err != nil {
		t.Fatal(err)
	}
	return f, g
}

// OpenFile opens a file of tensors for the length of the test.
func OpenFile(t testing.TB, path string) *weights.File {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Recording writes tensors as a file, float32, and opens it.
func Recording(t testing.TB, tensors weights.Memory) *weights.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recording.safetensors")
	if err := Write(path, tensors); err != nil {
		t.Fatal(err)
	}
	return OpenFile(t, path)
}

// Write writes tensors as a file, float32, over one that may be there.
func Write(path string, tensors weights.Memory) error {
	o := weights.CreateOptions{Overwrite: true}
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		o.Tensors = append(o.Tensors, weights.Info{Name: name, DType: weights.F32, Shape: tensors[name].Shape})
	}
	out, err := weights.Create(path, o)
	if err != nil {
		return err
	}
	defer out.Close()
	for name, tensor := range tensors {
		if err := out.WriteTensor(name, func(w io.Writer) error { return binary.Write(w, binary.LittleEndian, tensor.Data) }); err != nil {
			return err
		}
	}
	return out.Commit()
}
