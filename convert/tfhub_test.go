package convert_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/tfhub/tfhubtest"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/weights"
)

// TestLayoutsOfOneModule: compressed blocks, many shards, a folder or an archive whose data
// stand before the index make the same model.
func TestLayoutsOfOneModule(t *testing.T) {
	golden := goldentest.Path(t, "tfhub/biggan-no-tables/module.tar.gz")
	want, _ := convertTo(t, "tfhub/biggan-no-tables/module.tar.gz", convert.Options{})
	variables := tfhubtest.Variables(t, golden)
	graph := tfhubtest.SavedModelOf(t, golden)
	for name, write := range map[string]func(path string) error{
		"one shard": tfhubtest.NewFiles(graph, tfhubtest.NewBundle(1, variables...)).WriteFolder,
		"7 shards":  tfhubtest.NewFiles(graph, tfhubtest.NewBundle(7, variables...)).WriteFolder,
		"snappy": func(path string) error {
			b := tfhubtest.NewBundle(3, variables...)
			files := tfhubtest.NewFiles(graph, b)
			files[tfhubtest.Index] = tfhubtest.Table(true, b.Pairs()...)
			return files.WriteFolder(path)
		},
	} {
		path, dst := filepath.Join(t.TempDir(), "module"), filepath.Join(t.TempDir(), "m.safetensors")
		if err := write(path); err != nil {
			t.Fatal(err)
		}
		if _, err := convert.File(t.Context(), path, dst, convert.Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := weights.Open(dst)
		if err != nil {
			t.Fatal(err)
		}
		for _, tensor := range want.Names() {
			a, _ := want.Bytes(tensor)
			if b, ok := got.Bytes(tensor); !ok || !bytes.Equal(a, b) {
				t.Errorf("%s: %s differs", name, tensor)
			}
		}
		got.Close()
	}
}
