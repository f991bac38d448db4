package main

import (
	"bytes"
	"encoding/json"
	"image"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu"
	"github.com/biggan-zoo/biggan/backend/cpu/tuning"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/render"
)

// oddTable writes a table of methods for letters that the cost model does not choose, in a cache
// folder of the test's own, and gives its path.
func oddTable(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("sets the folder of caches as Linux has it")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	code, stdout, stderr := command("bench", "--tune", "--rounds", "1", "--json", "-q")
	var doc tuneJSON
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v, %s", code, err, stderr)
	}
	odd := map[string]string{}
	for _, l := range doc.Layers {
		for _, trial := range l.Trials {
			if trial.Method != l.Model {
				odd[l.Shape] = trial.Method
			}
		}
	}
	if err := tuning.Save(doc.Path, doc.Key, odd); err != nil || len(odd) < 3 {
		t.Fatalf("%d odd methods, %v", len(odd), err)
	}
	return doc.Path
}

// must runs a command that succeeds and gives what it says on stderr.
func must(t *testing.T, line string) (stderr string) {
	t.Helper()
	code, _, stderr := command(strings.Fields(line)...)
	if code != exitOK {
		t.Fatalf("%s: exit code %d, %s", line, code, stderr)
	}
	return stderr
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// recipeIn is the recipe of a picture file.
func recipeIn(t *testing.T, path string) recipe.Recipe {
	t.Helper()
	r, _, err := recipeOf(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestTunedReplay: a picture that a table had computed otherwise says so, and is made again byte
// for byte without the table; one that was made without it is made again in spite of it. Runs
// that may go on elsewhere take no notice of it.
func TestTunedReplay(t *testing.T) {
	t.Chdir(t.TempDir())
	table := oddTable(t)
	for _, kind := range []string{"x.png", "x.gif", "x.apng"} {
		line := "generate -n 3 --seed 5 --backend cpu -q -o tuned-" + kind
		must(t, line)
		must(t, "interpolate --from A --to C --steps 3 --backend cpu -q -o way-"+kind)
	}
	must(t, "generate -n 2 --seed 5 --mix 2-3=seed:9 --backend cpu -q -o many/")
	must(t, "generate -n 2 --seed 5 --backend cpu -q -o tuned.npz")
	if err := os.Rename(table, table+".away"); err != nil {
		t.Fatal(err)
	}
	must(t, "generate -n 3 --seed 5 --backend cpu -q -o plain.png")
	must(t, "generate -n 2 --seed 5 --backend cpu -q -o plain.npz")
	if !bytes.Equal(read(t, "tuned.npz"), read(t, "plain.npz")) {
		t.Error("the table changes very many pictures")
	}
	pictures, _ := filepath.Glob("many/*.png")
	for _, path := range append(pictures, "tuned-x.png", "tuned-x.gif", "tuned-x.apng", "way-x.png", "way-x.gif", "way-x.apng") {
		if r := recipeIn(t, path); len(r.Methods) < 3 {
			t.Errorf("%s: methods %v", path, r.Methods)
		}
		if said := must(t, "replay "+path+" --force -o again"+filepath.Ext(path)); strings.Contains(said, "warning") || !bytes.Equal(read(t, path), read(t, "again"+filepath.Ext(path))) {
			t.Errorf("%s is not made again without the table: %s", path, said)
		}
	}
	if err := os.Rename(table+".away", table); err != nil {
		t.Fatal(err)
	}
	if r := recipeIn(t, "plain.png"); r.Methods != nil {
		t.Errorf("plain: methods %v", r.Methods)
	}
	must(t, "replay plain.png --force -o again.png")
	if !bytes.Equal(read(t, "plain.png"), read(t, "again.png")) {
		t.Error("a table changes what replay makes")
	}
	must(t, "verify --against reference --backend cpu -q")
}

// TestReplayUnknownMethods: a picture of methods that are not there is made all the same, with a warning.
func TestReplayUnknownMethods(t *testing.T) {
	t.Chdir(t.TempDir())
	oddTable(t)
	must(t, "generate -n 1 --backend cpu -q -o x.png")
	data := read(t, "x.png")
	r := recipeIn(t, "x.png")
	for shape := range r.Methods {
		r.Methods[shape] = "F(8,8)"
	}
	picture, err := render.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	data, err = r.Encode(&recipe.Sheet{Images: []image.Image{picture}}, ".png", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("later.png", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if said := must(t, "replay later.png -o again.png"); !strings.Contains(said, "bytes may differ") || !strings.Contains(said, "F(8,8)") {
		t.Errorf("said %q", said)
	}
}

// TestBadTables: a table that is damaged, of another version or of unknown methods is noted and
// changes nothing.
func TestBadTables(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), "none"))
	must(t, "generate -n 2 --seed 5 --backend cpu -q -o plain.png")
	table := oddTable(t)
	good := string(read(t, table))
	shape, _, _ := strings.Cut(good[strings.Index(good, `"conv`)+1:], `"`)
	for _, c := range []struct{ name, content, note string }{
		{"empty", "", "unexpected end"},
		{"cut", good[:len(good)/2], "unexpected end"},
		{"version", strings.Replace(good, `"version": 1`, `"version": 99`, 1), "version 99, want 1"},
		{"processor", strings.Replace(good, `"threads": `, `"threads": 9`, 1), "of "},
		{"huge", strings.Repeat(" ", 2<<20), "bytes"},
		{"method", `{` + strings.Split(good[1:], `"methods"`)[0] + `"methods": {"` + shape + `": "F(7,7)"}}`, "no method"},
	} {
		if err := os.WriteFile(table, []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		said := must(t, "generate -n 2 --seed 5 --backend cpu --progress none --force -o x.png")
		if strings.Count(said, "note:") != 1 || !strings.Contains(said, c.note) {
			t.Errorf("%s: said %q, want %q", c.name, said, c.note)
		}
		if !bytes.Equal(read(t, "x.png"), read(t, "plain.png")) {
			t.Errorf("%s: the picture differs", c.name)
		}
		code, stdout, _ := command("env")
		if c.name != "method" && (code != exitOK || !strings.Contains(stdout, "TUNING OF cpu: none: ") || !strings.Contains(stdout, c.note)) {
			t.Errorf("%s: env says, with code %d, %s", c.name, code, stdout)
		}
	}
	must(t, "bench --tune --rounds 1 -q")
	key, err := cpu.TuningKey(backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if methods, err := tuning.Load(table, key); err != nil || len(methods) < 3 {
		t.Errorf("tuned over a damaged table: %v, %v", methods, err)
	}
}
