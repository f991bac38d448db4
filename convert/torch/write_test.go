package torch

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/weights"
)

// TestWrite reads back what it wrote, in every storable dtype.
func TestWrite(t *testing.T) {
	tensors := []weights.Info{
		{Name: "a.weight", DType: weights.F32, Shape: []int{2, 3}}, {Name: "scalar", DType: weights.I64, Shape: []int{}},
		{Name: "empty", DType: weights.F16, Shape: []int{0, 4}}, {Name: "b", DType: weights.BF16, Shape: []int{5}},
	}
	content := map[string][]byte{}
	for i, info := range tensors {
		content[info.Name] = bytes.Repeat([]byte{byte(i + 1)}, int(info.Bytes()))
	}
	path := filepath.Join(t.TempDir(), "x.bin")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(f, tensors, func(name string) ([]byte, error) { return content[name], nil }); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	for i, info := range got.Tensors() {
		want := tensors[slices.IndexFunc(tensors, func(w weights.Info) bool { return w.Name == info.Name })]
		data, err := got.Bytes(info.Name)
		if err != nil || !bytes.Equal(data, content[info.Name]) || info.DType != want.DType || !slices.Equal(info.Shape, want.Shape) {
			t.Errorf("tensor %d: %v, %v", i, info, err)
		}
	}
	if len(got.Tensors()) != len(tensors) {
		t.Errorf("%d tensors, want %d", len(got.Tensors()), len(tensors))
	}
}

func TestWriteRefuses(t *testing.T) {
	short := func(string) ([]byte, error) { return []byte{1}, nil }
	if err := Write(&bytes.Buffer{}, []weights.Info{{Name: "x", DType: weights.F32, Shape: []int{2}}}, short); err == nil {
		t.Error("a tensor short of bytes was written")
	}
	if err := Write(&bytes.Buffer{}, []weights.Info{{Name: "x", DType: weights.F8E4M3, Shape: []int{1}}}, short); err == nil {
		t.Error("a dtype that torch's storages lack was written")
	}
}
