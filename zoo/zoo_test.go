package zoo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/weights"
	"github.com/biggan-zoo/biggan/zoo/fetch"
	"github.com/biggan-zoo/biggan/zoo/zootest"
)

// tiny is a model of 1.2 M parameters that no table knows: letters under another name.
func tiny() Model {
	letters, err := registry.FindModel("letters")
	if err != nil {
		panic(err)
	}
	letters.Name, letters.Embedded = "tiny", false
	return Model{Model: letters}
}

// golden are the files of a mirror that has tiny as Hugging Face's port.
func golden(t testing.TB) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range []string{"pytorch_model.bin", "config.json"} {
		data, err := os.ReadFile(goldentest.Path(t, "letters/"+name))
		if err != nil {
			t.Fatal(err)
		}
		files["tiny/"+name] = data
	}
	return files
}

var quick = fetch.Options{Stall: 30 * time.Second, Attempts: 3, Backoff: time.Millisecond, Part: 512 << 10}

func from(t testing.TB, addresses ...string) PullOptions {
	t.Helper()
	mirrors, err := ParseMirrors(strings.Join(addresses, ","))
	if err != nil {
		t.Fatal(err)
	}
	return PullOptions{Mirrors: mirrors, Network: quick, Converter: "test"}
}

func newStore(t testing.TB) *Store {
	t.Helper()
	s, err := OpenStore(filepath.Join(t.TempDir(), "models"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// holds wants a folder below the store to hold these names and no others.
func holds(t testing.TB, s *Store, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Folder(), folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("%s holds %q, want %q", folder, names, want)
	}
}

// whole wants the store to hold the model, verified, and nothing else in its folder.
func whole(t testing.TB, s *Store) {
	t.Helper()
	holds(t, s, "tiny", recordName, provenanceName, "tiny.safetensors")
	verified(t, s, 1)
}

func verified(t testing.TB, s *Store, n int) {
	t.Helper()
	checked, err := s.Verify(context.Background(), nil, nil)
	if err != nil || len(checked) != n {
		t.Fatalf("%d files verified, want %d: %v", len(checked), n, err)
	}
	for _, c := range checked {
		if !c.OK {
			t.Errorf("%+v", c)
		}
	}
}

func TestPull(t *testing.T) {
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{})
	s := newStore(t)
	o := from(t, server.URL)
	var notes []string
	var mu sync.Mutex
	o.Note = func(text string) { mu.Lock(); defer mu.Unlock(); notes = append(notes, text) }
	p, err := s.Pull(t.Context(), tiny(), o)
	if err != nil {
		t.Fatal(err)
	}
	whole(t, s)
	if p.Already || p.Files[0].Trust != FirstUse || !strings.Contains(strings.Join(notes, "\n"), "trusted on first use") {
		t.Errorf("%+v; notes %q", p, notes)
	}
	f, err := weights.Open(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta, err := weights.ParseMeta(f.Metadata())
	if err != nil || meta.SourceFile != "pytorch_model.bin" || meta.SourceSHA256 != p.Files[0].SHA256.String() || meta.Model != "tiny" {
		t.Errorf("%+v, %v", meta, err)
	}
	asked := len(server.Requests())
	again, err := s.Pull(t.Context(), tiny(), o)
	if err != nil || !again.Already || again.SHA256 != p.SHA256 || len(server.Requests()) != asked {
		t.Errorf("second pull: %+v, %v", again, err)
	}
	o.Again = true
	if again, err := s.Pull(t.Context(), tiny(), o); err != nil || again.SHA256 != p.SHA256 || again.Files[0].Trust != Recorded {
		t.Errorf("pull again: %+v, %v", again, err)
	}
	whole(t, s)
	sources, converted, err := s.Checksums()
	if err != nil || len(sources) != 2 || len(converted) != 1 {
		t.Errorf("%v, %v, %v", sources, converted, err)
	}
}

func TestKeepSource(t *testing.T) {
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{})
	s := newStore(t)
	o := from(t, server.URL)
	o.KeepSource = true
	for range 2 {
		if _, err := s.Pull(t.Context(), tiny(), o); err != nil {
			t.Fatal(err)
		}
		holds(t, s, "tiny", "config.json", recordName, provenanceName, "pytorch_model.bin", "tiny.safetensors")
		verified(t, s, 3)
		o.Again = true
	}
	if err := os.WriteFile(s.path("tiny", "config.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	checked, err := s.Verify(t.Context(), []string{"tiny"}, nil)
	if err != nil || len(checked) != 3 || checked[2].OK || !checked[1].OK {
		t.Errorf("%+v, %v", checked, err)
	}
}

// TestHostile: whatever a server does, the model is right or not there, and nothing outside
// the store changes.
func TestHostile(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults zootest.Faults
		want   error
	}{
		{"no ranges", zootest.Faults{NoRanges: true}, nil},
		{"breaks", zootest.Faults{Drop: 700_000}, nil},
		{"416", zootest.Faults{RangeStatus: 416}, nil},
		{"wrong range", zootest.Faults{Shift: 5}, ErrRefused},
		{"gzip", zootest.Faults{Gzip: true}, ErrRefused},
		{"one bit", zootest.Faults{Flip: true}, ErrRefused},
		{"short", zootest.Faults{Short: 9, NoRanges: true}, ErrRefused},
		{"long", zootest.Faults{Long: 9, NoRanges: true}, ErrRefused},
		{"endless", zootest.Faults{Endless: true}, ErrRefused},
		{"changes", zootest.Faults{Changes: 3}, ErrRefused},
		{"no files", zootest.Faults{Status: []int{0, 404, 404, 404}}, ErrNetwork},
		{"always busy", zootest.Faults{Status: []int{503, 503, 503, 503, 503, 503}}, ErrNetwork},
		{"redirect inside", zootest.Faults{Redirect: "http://127.0.0.1:1/"}, ErrRefused},
		{"redirect to metadata", zootest.Faults{Redirect: "http://169.254.169.254/latest/meta-data"}, ErrRefused},
		{"a name for the file", zootest.Faults{Header: map[string][]string{"Content-Disposition": {`attachment; filename="/etc/x"`}, "Location": {"../../x"}}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := zootest.New(t, zootest.Manifest(golden(t)), c.faults)
			s := newStore(t)
			_, err := s.Pull(t.Context(), tiny(), from(t, server.URL))
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if c.want == nil {
				whole(t, s)
			} else if _, err := s.Path("tiny"); !errors.Is(err, ErrNotPulled) {
				t.Errorf("after the failure: %v", err)
			}
			if entries, _ := os.ReadDir(filepath.Dir(s.Folder())); len(entries) != 1 {
				t.Errorf("beside the store: %v", entries)
			}
			if entries, _ := os.ReadDir(s.Folder()); len(entries) > 1 {
				t.Errorf("in the store: %v", entries)
			}
		})
	}
}

// TestEvilManifest: names and digests of a server are never paths.
func TestEvilManifest(t *testing.T) {
	good := fmt.Sprintf("%064x", 7)
	for _, list := range []string{
		"", "garbage", good + "  tiny/../../x.bin\n", good + "  tiny//etc/x.bin\n", good + "  tiny/a\x00b.bin\n", good[:40] + "  tiny/x.bin\n",
		"../" + good[3:] + "  tiny/x.bin\n", good + "  ../x/x.bin\n", good + "  tiny/.lock\n", good + "  tiny/.part-1\n", good + "  tiny/provenance.json\n",
		good + "  tiny/lock.sha256\n", good + "  other/x.bin\n", good + "  tiny/x.exe\n", "<html>please log in</html>", strings.Repeat("x", 2<<20),
		good + "  tiny/x.bin\n", // listed, but not there
	} {
		server := zootest.New(t, map[string][]byte{ManifestName: []byte(list), "tiny/provenance.json": []byte("{}"), "tiny/x.exe": {1}}, zootest.Faults{})
		s := newStore(t)
		if _, err := s.Pull(t.Context(), tiny(), from(t, server.URL)); !errors.Is(err, ErrRefused) && !errors.Is(err, ErrNetwork) {
			t.Errorf("%.100q: %v", list, err)
		}
		holds(t, s, ".")
		holds(t, s, "..", "models")
	}
}

// TestNotTheModel: what has the digest that a mirror lists must still be the network.
func TestNotTheModel(t *testing.T) {
	letters := golden(t)
	d, err := os.ReadFile(goldentest.Path(t, "biggan-pytorch/biggan64/G_ema.pth"))
	if err != nil {
		t.Fatal(err)
	}
	embedded, _ := Embedded("letters")
	for name, files := range map[string]map[string][]byte{
		"no checkpoint":   {"tiny/pytorch_model.bin": []byte("<html>please log in</html>")},
		"empty":           {"tiny/pytorch_model.bin": {}},
		"another network": {"tiny/G.pth": d},
		"another config":  {"tiny/pytorch_model.bin": letters["tiny/pytorch_model.bin"], "tiny/config.json": []byte(`{"z_dim": 1}`)},
		"cut":             {"tiny/pytorch_model.bin": letters["tiny/pytorch_model.bin"][:1<<20]},
		"converted, cut":  {"tiny/tiny.safetensors": embedded[:1<<20]},
	} {
		t.Run(name, func(t *testing.T) {
			server := zootest.New(t, zootest.Manifest(files), zootest.Faults{})
			s := newStore(t)
			if _, err := s.Pull(t.Context(), tiny(), from(t, server.URL)); !errors.Is(err, weights.ErrFormat) && !errors.Is(err, ErrRefused) {
				t.Error(err)
			}
			holds(t, s, ".")
		})
	}
}

// TestConverted: a mirror's converted model is taken as it is.
func TestConverted(t *testing.T) {
	embedded, _ := Embedded("letters")
	server := zootest.New(t, zootest.Manifest(map[string][]byte{"tiny/tiny.safetensors": embedded}), zootest.Faults{Drop: 900_000})
	s := newStore(t)
	p, err := s.Pull(t.Context(), tiny(), from(t, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(p.Path); err != nil || !bytes.Equal(got, embedded) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	whole(t, s)
}

// TestTrust: the first download is recorded; another content is refused until that is forgotten.
func TestTrust(t *testing.T) {
	files := golden(t)
	s := newStore(t)
	first := zootest.New(t, zootest.Manifest(files), zootest.Faults{})
	if _, err := s.Pull(t.Context(), tiny(), from(t, first.URL)); err != nil {
		t.Fatal(err)
	}
	if removed, err := s.Remove(t.Context(), "tiny", false); err != nil || len(removed) != 2 {
		t.Errorf("%v, %v", removed, err)
	}
	holds(t, s, "tiny", recordName)
	other := golden(t)
	other["tiny/pytorch_model.bin"] = bytes.Clone(other["tiny/pytorch_model.bin"])
	other["tiny/pytorch_model.bin"][len(other["tiny/pytorch_model.bin"])-1] ^= 1 // of a weight
	second := zootest.New(t, zootest.Manifest(other), zootest.Faults{})
	_, err := s.Pull(t.Context(), tiny(), from(t, second.URL))
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "--forget") {
		t.Errorf("another content: %v", err)
	}
	lying := zootest.Manifest(files)
	lying["tiny/pytorch_model.bin"] = other["tiny/pytorch_model.bin"]
	third := zootest.New(t, lying, zootest.Faults{})
	if _, err := s.Pull(t.Context(), tiny(), from(t, third.URL)); !errors.Is(err, ErrRefused) {
		t.Errorf("another content under the old digest: %v", err)
	}
	if _, err := s.Remove(t.Context(), "tiny", false); !errors.Is(err, ErrNotPulled) {
		t.Errorf("remove what is not there: %v", err)
	}
	if _, err := s.Remove(t.Context(), "tiny", true); err != nil {
		t.Error(err)
	}
	holds(t, s, ".")
	if _, err := s.Pull(t.Context(), tiny(), from(t, second.URL)); err != nil {
		t.Error(err)
	}
	o := from(t, second.URL)
	o.RequirePinned = true
	if _, err := s.Pull(t.Context(), tiny(), o); !errors.Is(err, ErrRefused) {
		t.Errorf("here but not pinned: %v", err)
	}
	o.Again = true
	if _, err := s.Pull(t.Context(), tiny(), o); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "no published digest") {
		t.Errorf("not pinned: %v", err)
	}
	whole(t, s)
}

// TestPins: a source file under its published name must have its published digest.
func TestPins(t *testing.T) {
	m, err := Find("biggan-deep-256")
	if err != nil {
		t.Fatal(err)
	}
	file := "biggan-deep-256/biggan-deep-256-pytorch_model.bin"
	pin, _ := checksums.Pin(m.Name, "biggan-deep-256-pytorch_model.bin")
	for _, list := range []map[string][]byte{
		zootest.Manifest(map[string][]byte{file: []byte("other")}),
		{ManifestName: fmt.Appendf(nil, "%s  %s\n", pin, file), file: []byte("other")},
	} {
		server := zootest.New(t, list, zootest.Faults{})
		s := newStore(t)
		if _, err := s.Pull(t.Context(), m, from(t, server.URL)); !errors.Is(err, ErrRefused) {
			t.Error(err)
		}
		holds(t, s, ".")
	}
}

// TestFallback: mirrors are tried in turn, and the errors of all are told.
func TestFallback(t *testing.T) {
	bad := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{Flip: true})
	gone := zootest.New(t, nil, zootest.Faults{})
	good := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{})
	s := newStore(t)
	_, err := s.Pull(t.Context(), tiny(), from(t, gone.URL, bad.URL))
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), strings.TrimPrefix(gone.URL, "http://")) {
		t.Error(err)
	}
	holds(t, s, ".")
	if _, err := s.Pull(t.Context(), tiny(), from(t, gone.URL, bad.URL, good.URL)); err != nil {
		t.Error(err)
	}
	whole(t, s)
}

// TestResume: what a failed pull left is gone on with, and listed, and removable.
func TestResume(t *testing.T) {
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{Drop: 1 << 20})
	s := newStore(t)
	o := from(t, server.URL)
	o.Network.Attempts, o.Network.Parts, o.Network.Part = 1, 1, 64<<20
	var unfinished *Unfinished
	if _, err := s.Pull(t.Context(), tiny(), o); !errors.As(err, &unfinished) || unfinished.Verified != 1<<20 || !errors.Is(err, ErrNetwork) {
		t.Fatal(err)
	}
	h, err := s.Held("tiny")
	if err != nil || len(h.Partials) != 1 || h.Partials[0].Verified != 1<<20 || h.Partials[0].File != "pytorch_model.bin" || h.Partials[0].Active || h.Provenance != nil {
		t.Errorf("%+v, %v", h, err)
	}
	server.Set(zootest.Faults{})
	before := server.Sent()
	if _, err := s.Pull(t.Context(), tiny(), o); err != nil {
		t.Fatal(err)
	}
	size := int64(len(golden(t)["tiny/pytorch_model.bin"]) + len(golden(t)["tiny/config.json"]))
	if sent := server.Sent() - before; sent > size-1<<20 {
		t.Errorf("%d bytes sent, want those that were missing of %d", sent, size)
	}
	whole(t, s)

	server.Set(zootest.Faults{Drop: 1 << 20})
	for _, remove := range []func(s *Store) error{
		func(s *Store) error { _, err := s.Remove(t.Context(), "tiny", false); return err },
		func(s *Store) error { _, _, err := s.Prune(t.Context()); return err },
	} {
		s := newStore(t)
		if _, err := s.Pull(t.Context(), tiny(), o); err == nil {
			t.Fatal("the download did not break off")
		}
		if err := remove(s); err != nil {
			t.Error(err)
		}
		holds(t, s, ".")
	}
}

// TestDamage: a model that changed on disk is told, and mended by the next pull.
func TestDamage(t *testing.T) {
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{})
	s := newStore(t)
	for name, damage := range map[string]func(path string) error{
		"cut":          func(path string) error { return os.Truncate(path, 1000) },
		"weights gone": os.Remove,
		"record bad": func(path string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(path), provenanceName), []byte(`{"format":1,"file":"../x"}`), 0o644)
		},
		"record gone": func(path string) error { return os.Remove(filepath.Join(filepath.Dir(path), provenanceName)) },
	} {
		p, err := s.Pull(t.Context(), tiny(), from(t, server.URL))
		if err != nil {
			t.Fatal(name, err)
		}
		if err := damage(p.Path); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Path("tiny"); err == nil {
			t.Errorf("%s: the path is given all the same", name)
		}
		checked, err := s.Verify(t.Context(), nil, nil)
		if name != "weights gone" && (err != nil || len(checked) != 1 || checked[0].OK) {
			t.Errorf("%s: %+v, %v", name, checked, err)
		}
	}
	p, err := s.Pull(t.Context(), tiny(), from(t, server.URL))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(p.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{1}, 1<<20); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if checked, err := s.Verify(t.Context(), nil, nil); err != nil || checked[0].OK || !strings.Contains(checked[0].Problem, "sha256 got") {
		t.Errorf("one byte: %+v, %v", checked, err)
	}
}

// TestOffline: nothing is dialled, whatever is or is not here.
func TestOffline(t *testing.T) {
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{})
	s := newStore(t)
	o := from(t, server.URL, Direct)
	o.Offline = true
	o.Network.Dial = func(_ context.Context, _, address string) (net.Conn, error) {
		t.Errorf("dials %s", address)
		return nil, errors.New("offline")
	}
	var models []Model
	for _, known := range registry.Models[1:] {
		m, err := Find(known.Name)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	for _, m := range append(models, tiny()) {
		if _, err := s.Pull(t.Context(), m, o); !errors.Is(err, ErrOffline) || !errors.Is(err, ErrNetwork) {
			t.Error(err)
		}
	}
	holds(t, s, ".")
	if _, err := s.Pull(t.Context(), tiny(), from(t, server.URL)); err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		o.Again = again
		if p, err := s.Pull(t.Context(), tiny(), o); again != errors.Is(err, ErrOffline) || !again && !p.Already {
			t.Errorf("again %v: %+v, %v", again, p, err)
		}
	}
	// The proof that the dialler is what is used.
	dialled := false
	o.Offline = false
	o.Network.Dial = func(context.Context, string, string) (net.Conn, error) {
		dialled = true
		return nil, errors.New("no network")
	}
	if _, err := s.Pull(t.Context(), tiny(), o); !errors.Is(err, ErrNetwork) || !dialled {
		t.Errorf("dialled %v: %v", dialled, err)
	}
}

// TestFormats: whatever the format, the converted model is the network.
func TestFormats(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile(goldentest.Path(t, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	legacy := golden(t)["tiny/pytorch_model.bin"]
	for name, files := range map[string]map[string][]byte{
		"legacy container":    {"tiny/some.bin": legacy},
		"zip container":       {"tiny/some.pth": read("letters/pytorch_model.zip.bin")},
		"module":              {"tiny/module.tar.gz": read("tfhub/letters/module.tar.gz")},
		"several, one broken": {"tiny/a.bin": []byte("no"), "tiny/b.bin": legacy},
	} {
		t.Run(name, func(t *testing.T) {
			server := zootest.New(t, zootest.Manifest(files), zootest.Faults{})
			s := newStore(t)
			if _, err := s.Pull(t.Context(), tiny(), from(t, server.URL)); err != nil {
				t.Fatal(err)
			}
			whole(t, s)
		})
	}
}

// TestLinks: a link in the store leads nowhere.
func TestLinks(t *testing.T) {
	server := zootest.New(t, zootest.Manifest(golden(t)), zootest.Faults{})
	outside := t.TempDir()
	for _, c := range []struct{ at, to string }{{"tiny", outside}, {"tiny/" + recordName, filepath.Join(outside, "x")}, {"tiny/tiny.safetensors", filepath.Join(outside, "y")}} {
		s := newStore(t)
		if err := os.MkdirAll(filepath.Dir(s.path(c.at)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(c.to, s.path(c.at)); err != nil {
			t.Skip(err)
		}
		s.Pull(t.Context(), tiny(), from(t, server.URL))
		if entries, _ := os.ReadDir(outside); len(entries) != 0 {
			t.Errorf("%s: written outside: %v", c.at, entries)
		}
	}
}

func TestEmbedded(t *testing.T) {
	m, err := Find("letters")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newStore(t).Pull(t.Context(), m, PullOptions{}); !errors.Is(err, ErrEmbedded) {
		t.Error(err)
	}
	f, err := OpenIn(t.Context(), t.TempDir(), "letters")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := OpenIn(t.Context(), t.TempDir(), "biggan-128"); !errors.Is(err, ErrNotPulled) {
		t.Error(err)
	}
	if _, err := OpenIn(t.Context(), t.TempDir(), "../x"); !errors.Is(err, registry.ErrUnknown) {
		t.Error(err)
	}
}

// TestSources: every source is well-formed, and no two files of a model share a name.
func TestSources(t *testing.T) {
	for _, known := range registry.Models {
		m, err := Find(known.Name)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Sources) == 0 != m.Embedded {
			t.Errorf("%s has %d sources", m.Name, len(m.Sources))
		}
		seen := map[string]bool{}
		for _, source := range m.Sources {
			if (len(source.Files) == 0) != (source.ByHand != "") || !strings.Contains(source.Note, "unverified") {
				t.Errorf("%s: %+v", m.Name, source)
			}
			for _, f := range source.Files {
				u, err := url.Parse(f.URL)
				if err != nil || u.Scheme != "https" || checksums.CheckFile(f.Name) != nil || seen[f.Name] {
					t.Errorf("%s: %+v, %v", m.Name, f, err)
				}
				seen[f.Name] = true
			}
		}
	}
	pins, err := checksums.Pins()
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range pins {
		m, err := Find(pin.Model)
		if err != nil || !slices.ContainsFunc(m.Sources, func(s Source) bool {
			return slices.ContainsFunc(s.Files, func(f SourceFile) bool { return f.Name == pin.File })
		}) {
			t.Errorf("the pin of %s/%s belongs to no source: %v", pin.Model, pin.File, err)
		}
	}
}

func TestParseMirrors(t *testing.T) {
	for _, bad := range []string{"x", "ftp://x", "http://", "http://x?y", "http://x#y", "http://[::1", "/store", "http://a b"} {
		if all, err := ParseMirrors(bad); err == nil {
			t.Errorf("%q: %v", bad, all)
		}
	}
	all, err := ParseMirrors("http://10.0.0.1:8080/zoo, direct,https://x")
	if err != nil || len(all) != 3 || all[1] != nil || all[2].Host != "x" {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := ParseMirrors("ftp://me:secret@x"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	t.Setenv(StoreVariable, "")
	t.Setenv(MirrorVariable, "")
	for _, c := range []struct{ variable, value string }{{"XDG_DATA_HOME", "relative"}, {OfflineVariable, "perhaps"}, {MirrorVariable, "nowhere"}} {
		t.Run(c.variable, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			if s, err := Environment(); !errors.Is(err, ErrSetting) || !strings.Contains(err.Error(), c.variable) {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	t.Setenv("XDG_DATA_HOME", "/data")
	t.Setenv(OfflineVariable, "1")
	if s, err := Environment(); err != nil || s.Folder != filepath.FromSlash("/data/biggan/models") || !s.Offline {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"format":1,"model":"tiny","file":"tiny.safetensors","bytes":1,"sha256":"` + strings.Repeat("a", 64) + `"}`))
	f.Add([]byte(`{"format":1,"file":"x.bin","owner":{"host":"a","pid":1},"state":{"bytes":5,"marks":[{"offset":-1}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := parseProvenance("tiny", data); err == nil {
			for _, file := range p.Files {
				if strings.ContainsAny(file.Name, "/\\") {
					t.Errorf("%q", file.Name)
				}
			}
		}
		if s, err := parsePartState(data); err == nil && strings.ContainsAny(s.File, "/\\") {
			t.Errorf("%q", s.File)
		}
	})
}
