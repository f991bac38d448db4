package tfhubtest

import (
	"archive/tar"
	"context"
	"github.com/klauspost/compress/gzip"
	"io"
	"os"
	pathpkg "path"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/convert/tfhub"
	"github.com/biggan-zoo/biggan/weights"
)

// Variables are those of a module.
func Variables(t testing.TB, path string) []Variable {
	t.Helper()
	m, err := tfhub.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var all []Variable
	err = m.Each(context.Background(), func(string) bool { return true }, func(info weights.Info, data []byte) error {
		all = append(all, Variable{info, slices.Clone(data)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// SavedModelOf is the saved_model.pb of an archive.
func SavedModelOf(t testing.TB, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if pathpkg.Clean(h.Name) == SavedModel {
			data, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
	}
}
