package tuning

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
)

var key = Key{Kernels: "avx2", Processor: "Some <CPU>", Threads: 2, Precision: backend.F32}

const table = `{"version": 1, "kernels": "avx2", "processor": "Some <CPU>", "threads": 2, "precision": "f32", "methods": {"conv": "F(2,3)"}}`

func TestParse(t *testing.T) {
	if got, err := Parse([]byte(table), key); err != nil || !maps.Equal(got, map[string]string{"conv": "F(2,3)"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"version": 1`, `"version": 2`, "version 2, want 1"},
		{`"version": 1, `, ``, "version 0, want 1"},
		{`avx2`, `avx512`, "avx512"},
		{`Some`, `Other`, "Other"},
		{`"threads": 2`, `"threads": 3`, "{avx2 Some <CPU> 3 f32}"},
		{`f32`, `bf16`, "bf16"},
		{`"conv"`, `""`, `shape ""`},
		{`"F(2,3)"`, `""`, `method ""`},
		{`"F(2,3)"`, `7`, "number"},
		{`"F(2,3)"`, `"` + strings.Repeat("F", maxWord+1) + `"`, "FFFF"},
		{`{"conv": "F(2,3)"}`, many(maxMethods + 1), "shapes"},
		{`"F(2,3)"}}`, `"F(2,3)"}`, "unexpected end"},
		{`"F(2,3)"}}`, `"F(2,3)"}} {}`, "after top-level"},
		{`{"version`, strings.Repeat(" ", maxSize) + `{"version`, "bytes"},
	} {
		bad := strings.Replace(table, c.old, c.new, 1)
		if got, err := Parse([]byte(bad), key); !errors.Is(err, ErrTable) || got != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q for %s: %v, %v", c.new, c.old, got, err)
		}
	}
}

// many is a JSON object of n methods.
func many(n int) string {
	all := map[string]string{}
	for i := range n {
		all[fmt.Sprint(i)] = "F(2,3)"
	}
	data, _ := json.Marshal(all)
	return string(data)
}

func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "cpu.json")
	save := func(methods map[string]string) {
		t.Helper()
		if err := Save(path, key, methods); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Load(path, key); got != nil || err != nil {
		t.Errorf("before the first: %v, %v", got, err)
	}
	save(map[string]string{"b": "1", "a": "1"})
	save(map[string]string{"c": "2", "b": "2"})
	if got, err := Load(path, key); err != nil || !maps.Equal(got, map[string]string{"a": "1", "b": "2", "c": "2"}) {
		t.Errorf("merged: %v, %v", got, err)
	}
	data, _ := os.ReadFile(path)
	if a, b := strings.Index(string(data), `"a": "1"`), strings.Index(string(data), `"b": "2"`); a < 0 || b < a {
		t.Errorf("not a line a shape, in order:\n%s", data)
	}
	if err := os.WriteFile(path, []byte("half a ta"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, key); !errors.Is(err, ErrTable) || !strings.Contains(err.Error(), path) {
		t.Errorf("damaged: %v", err)
	}
	save(map[string]string{"a": "3"})
	if got, err := Load(path, key); err != nil || !maps.Equal(got, map[string]string{"a": "3"}) {
		t.Errorf("after damage: %v, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestSaveFails: what cannot be written is told, and nothing is left.
func TestSaveFails(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Save(filepath.Join(file, "cpu.json"), key, nil); err == nil {
		t.Error("a table in a file")
	}
	if err := Save(folder, key, nil); err == nil {
		t.Error("a table in place of a folder")
	}
}

// TestPath: each key has a file of its own.
func TestPath(t *testing.T) {
	if runtime.GOOS == "linux" {
		t.Setenv("XDG_CACHE_HOME", "/cache")
	}
	seen := map[string]bool{}
	for _, k := range []Key{key, {Kernels: "avx512", Processor: key.Processor, Threads: 2, Precision: backend.F32}, {"avx2", "Other", 2, backend.F32}, {"avx2", key.Processor, 3, backend.F32}, {"avx2", key.Processor, 2, backend.BF16}} {
		path, err := Path(k)
		if err != nil || seen[path] || !strings.HasPrefix(filepath.Base(path), "cpu-") {
			t.Errorf("%+v: %s, %v", k, path, err)
		}
		seen[path] = true
	}
}

// FuzzParse: no table, however bad, makes Parse do more than refuse it, or take more memory than
// some times its size.
func FuzzParse(f *testing.F) {
	f.Add([]byte(table))
	f.Add([]byte(`{"version": 1, "methods": {`))
	f.Add([]byte(`{"methods": ` + strings.Repeat("[", 100)))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		methods, err := Parse(data, key)
		runtime.ReadMemStats(&after)
		if err != nil && methods != nil {
			t.Errorf("%v with %v", methods, err)
		}
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<16+64*len(data)); got > most {
			t.Errorf("%d bytes allocated for %d", got, len(data))
		}
		for shape, method := range methods {
			if shape == "" || method == "" || len(shape) > maxWord || len(method) > maxWord {
				t.Errorf("method %q of %q", method, shape)
			}
		}
	})
}
