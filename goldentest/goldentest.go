// Package goldentest gives tests the recordings and the hostile files of testdata/golden.
package goldentest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Path is the absolute path of a file or folder of testdata/golden.
func Path(t testing.TB, name string) string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("goldentest: no caller information")
	}
	path := filepath.Join(filepath.Dir(here), "..", "testdata", "golden", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Read is the content of a file of testdata/golden.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Inventory is the tensor list of a released checkpoint, testdata/inventories/NAME.tsv:
// shapes by name.
func Inventory(t testing.TB, name string) map[string][]int {
	t.Helper()
	shapes := map[string][]int{}
	for line := range strings.Lines(string(Read(t, "../inventories/"+name+".tsv"))) {
		tensor, text, ok := strings.Cut(strings.TrimSpace(line), "\t")
		var shape []int
		if text == "['scalar-or-[1] (unverified)']" {
			text = "[1]"
		}
		if err := json.Unmarshal([]byte(text), &shape); !ok || err != nil {
			t.Fatalf("%s: line %q: %v", name, line, err)
		}
		shapes[tensor] = shape
	}
	return shapes
}

// Evil is an entry of testdata/golden/evil/manifest.json: a hostile or odd file.
type Evil struct {
	File   string
	Derive *struct { // or made from another file
		From     string
		Truncate *int
		Xor      [][2]int
	}
	Expect, Why string // "error", "ok" or "either", and the reason
	Tensors     map[string]struct {
		Shape  []int
		Values []float64
	}
}

// Manifest lists the entries whose file name, or whose base's, ends in one of the suffixes.
func Manifest(t testing.TB, suffixes ...string) []Evil {
	t.Helper()
	var manifest struct{ Entries []Evil }
	if err := json.Unmarshal(Read(t, "evil/manifest.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	var selected []Evil
	for _, e := range manifest.Entries {
		for _, suffix := range suffixes {
			if filepath.Ext(e.source()) == suffix {
				selected = append(selected, e)
			}
		}
	}
	return selected
}

func (e Evil) source() string {
	if e.Derive != nil {
		return e.Derive.From
	}
	return e.File
}

// Name is the file's name, or how it is made.
func (e Evil) Name() string {
	if e.Derive == nil {
		return e.File
	}
	text, err := json.Marshal(e.Derive)
	if err != nil {
		return e.Derive.From
	}
	return string(text)
}

// Content is the file, made from its base if it is a derived one.
func (e Evil) Content(t testing.TB) []byte {
	t.Helper()
	data := Read(t, "evil/"+e.source())
	if e.Derive == nil {
		return data
	}
	if e.Derive.Truncate != nil {
		data = data[:*e.Derive.Truncate]
	}
	for _, x := range e.Derive.Xor {
		data[x[0]] ^= byte(x[1])
	}
	return data
}

// Judge reports an outcome that the manifest does not allow.
func (e Evil) Judge(t testing.TB, err error) {
	t.Helper()
	switch {
	case e.Expect == "error" && err == nil:
		t.Errorf("%s: opened, want an error: %s", e.Name(), e.Why)
	case e.Expect == "ok" && err != nil:
		t.Errorf("%s: %v: %s", e.Name(), err, e.Why)
	}
}
