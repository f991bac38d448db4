package tfhub

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/proto"

	"github.com/biggan-zoo/biggan/convert/tfhub/tfpb"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/weights"
)

// unpack is a golden module's files by name.
func unpack(t testing.TB, module string) map[string][]byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(goldentest.Read(t, "tfhub/"+module+"/module.tar.gz")))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[filepath.Clean(h.Name)], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// writeFolder writes files below a new folder.
func writeFolder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	folder := t.TempDir()
	for name, data := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if len(data) == 0 {
			continue // a folder of the archive
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// contents reads all variables of a module.
func contents(m *Module) (map[string]string, error) {
	all := map[string]string{}
	err := m.Each(context.Background(), func(string) bool { return true }, func(info weights.Info, data []byte) error {
		all[info.Name] = string(data)
		return nil
	})
	return all, err
}

// TestFolderAndArchive give the same variables.
func TestFolderAndArchive(t *testing.T) {
	archive, err := Open(goldentest.Path(t, "tfhub/biggan-tiny/module.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	folder, err := Open(writeFolder(t, unpack(t, "biggan-tiny")))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	a, errA := contents(archive)
	b, errB := contents(folder)
	if errA != nil || errB != nil || len(a) < 100 || len(a) != len(b) {
		t.Fatalf("%d and %d variables, %v, %v", len(a), len(b), errA, errB)
	}
	for name, data := range a {
		if b[name] != data {
			t.Errorf("%s differs", name)
		}
		if random, err := folder.Bytes(name); err != nil || string(random) != data {
			t.Errorf("%s by name: %v", name, err)
		}
	}
}

// table writes an SSTable of one block; compress makes it a snappy block.
func table(compress bool, pairs ...pair) []byte {
	var out []byte
	block := func(pairs []pair) (handle []byte) {
		var b []byte
		for _, p := range pairs {
			b = binary.AppendUvarint(b, 0)
			b = binary.AppendUvarint(b, uint64(len(p.key)))
			b = binary.AppendUvarint(b, uint64(len(p.value)))
			b = append(append(b, p.key...), p.value...)
		}
		b = binary.LittleEndian.AppendUint32(b, 0)
		b = binary.LittleEndian.AppendUint32(b, 1)
		kind := byte(0)
		if compress {
			b, kind = snappy.Encode(nil, b), 1
		}
		handle = binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(out))), uint64(len(b)))
		out = append(append(out, b...), kind)
		out = binary.LittleEndian.AppendUint32(out, masked(b, kind))
		return handle
	}
	data := block(pairs)
	meta := block(nil)
	index := block([]pair{{"zzz", data}})
	footer := append(meta, index...)
	footer = append(footer, make([]byte, footerLength-8-len(footer))...)
	return append(out, binary.LittleEndian.AppendUint64(footer, tableMagic)...)
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func shapeOf(dims ...int64) *tfpb.Shape {
	s := &tfpb.Shape{}
	for _, d := range dims {
		s.Dims = append(s.Dims, &tfpb.Shape_Dim{Size: d})
	}
	return s
}

// bundle writes a variables.index.
func bundle(t testing.TB, header *tfpb.BundleHeader, entries ...*tfpb.BundleEntry) []byte {
	t.Helper()
	pairs := []pair{{"", marshal(t, header)}}
	for i, e := range entries {
		pairs = append(pairs, pair{string(rune('a' + i)), marshal(t, e)})
	}
	return table(false, pairs...)
}

func TestTable(t *testing.T) {
	want := []pair{{"", []byte("x")}, {"a", []byte{}}, {"b", []byte(strings.Repeat("long", 1000))}}
	for _, compress := range []bool{false, true} {
		got, err := parseTable(table(compress, want...))
		if err != nil || !slices.EqualFunc(got, want, func(a, b pair) bool { return a.key == b.key && bytes.Equal(a.value, b.value) }) {
			t.Errorf("compressed %v: %v, %v", compress, got, err)
		}
	}
	if _, err := parseTable(table(false, pair{"b", nil}, pair{"a", nil})); err == nil {
		t.Error("keys that fall are accepted")
	}
	if _, err := parseTable(table(false, pair{"a", nil}, pair{"a", nil})); err == nil {
		t.Error("a key that stands twice is accepted")
	}
}

// TestPrefixesDoNotMultiply: entries that share a long prefix may not make a small file large.
func TestPrefixesDoNotMultiply(t *testing.T) {
	key := strings.Repeat("k", 4000)
	b := binary.AppendUvarint(nil, 0)
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = append(binary.AppendUvarint(b, 0), key...)
	for range 20000 {
		b = binary.AppendUvarint(b, 4000)
		b = append(b, 1, 0, 'x')
	}
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 1)
	whole := &sstable{data: b, budget: maxInflation * len(b)}
	if _, err := whole.split(b); err == nil {
		t.Error("no error")
	}
}

// TestBadBundles: each field that can lie.
func TestBadBundles(t *testing.T) {
	good := func() *tfpb.BundleEntry {
		return &tfpb.BundleEntry{Dtype: 1, Shape: shapeOf(2, 3), Offset: 8, Size: 24}
	}
	header := &tfpb.BundleHeader{NumShards: 1}
	if v, _, _, err := parseBundle(bundle(t, header, good())); err != nil || len(v) != 1 || !slices.Equal(v[0].Shape, []int{2, 3}) {
		t.Fatalf("%v, %v", v, err)
	}
	change := func(f func(e *tfpb.BundleEntry)) []byte {
		e := good()
		f(e)
		return bundle(t, header, e)
	}
	for name, data := range map[string][]byte{
		"no header":        table(false, pair{"a", marshal(t, good())}),
		"no entries":       table(false),
		"no shards":        bundle(t, &tfpb.BundleHeader{}, good()),
		"a million shards": bundle(t, &tfpb.BundleHeader{NumShards: 1e6}, good()),
		"big-endian":       bundle(t, &tfpb.BundleHeader{NumShards: 1, Endianness: 1}, good()),
		"header is noise":  table(false, pair{"", []byte{0xff, 0xff, 0xff}}),
		"entry is noise":   table(false, pair{"", marshal(t, header)}, pair{"a", []byte{0x0a}}),
		"size":             change(func(e *tfpb.BundleEntry) { e.Size = 23 }),
		"huge size":        change(func(e *tfpb.BundleEntry) { e.Shape = shapeOf(1<<31, 1<<31); e.Size = 1 << 62 }),
		"product":          change(func(e *tfpb.BundleEntry) { e.Shape = shapeOf(1<<39, 1<<39); e.Size = 0 }),
		"negative axis":    change(func(e *tfpb.BundleEntry) { e.Shape = shapeOf(-1) }),
		"no shape":         change(func(e *tfpb.BundleEntry) { e.Shape = &tfpb.Shape{UnknownRank: true} }),
		"many axes":        change(func(e *tfpb.BundleEntry) { e.Shape = shapeOf(make([]int64, 999)...) }),
		"shard":            change(func(e *tfpb.BundleEntry) { e.Shard = 1 }),
		"negative shard":   change(func(e *tfpb.BundleEntry) { e.Shard = -1 }),
		"offset":           change(func(e *tfpb.BundleEntry) { e.Offset = 1<<63 - 1 }),
		"negative offset":  change(func(e *tfpb.BundleEntry) { e.Offset = -1 }),
		"slices":           change(func(e *tfpb.BundleEntry) { e.Slices = []*tfpb.BundleEntry_Slice{{}} }),
		"overlap":          bundle(t, header, good(), good()),
	} {
		if v, _, _, err := parseBundle(data); err == nil {
			t.Errorf("%s: accepted as %v", name, v)
		}
	}
	if _, _, skipped, err := parseBundle(change(func(e *tfpb.BundleEntry) { e.Dtype = 7 })); err != nil || len(skipped) != 1 {
		t.Errorf("strings: %v, %v", skipped, err)
	}
}

// TestEveryByte flips each byte of a real index and cuts it everywhere: an error, little
// memory, or the same variables (in bytes that mean nothing).
func TestEveryByte(t *testing.T) {
	index := unpack(t, "biggan-tiny")[indexFile]
	want, _, _, err := parseBundle(index)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, at int, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, _, _, err := parseBundle(data)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > uint64(64*len(index)+1<<20) {
			t.Errorf("%s at %d: %d bytes allocated", what, at, n)
		}
		if err == nil && len(got) != len(want) {
			t.Errorf("%s at %d: %d variables, want %d or an error", what, at, len(got), len(want))
		}
	}
	for i := range index {
		flipped := slices.Clone(index)
		flipped[i] ^= 0x55
		check("flip", i, flipped)
		if i%7 == 0 {
			check("cut", i, index[:i])
		}
	}
}

// TestCorruptModules: what the files say of each other must agree, and content have its checksum.
func TestCorruptModules(t *testing.T) {
	const data = "variables/variables.data-00000-of-00001"
	files := unpack(t, "biggan-tiny")
	for name, spoil := range map[string]func(files map[string][]byte){
		"flipped data":  func(f map[string][]byte) { f[data] = slices.Clone(f[data]); f[data][1000] ^= 1 },
		"short data":    func(f map[string][]byte) { f[data] = f[data][:len(f[data])-1] },
		"noise graph":   func(f map[string][]byte) { f[savedModelFile] = []byte{0x12, 0xff} },
		"no graph":      func(f map[string][]byte) { f[savedModelFile] = []byte{0x08, 0x01} },
		"cut index":     func(f map[string][]byte) { f[indexFile] = f[indexFile][:999] },
		"index of zero": func(f map[string][]byte) { f[indexFile] = make([]byte, 4096) },
	} {
		spoiled := map[string][]byte{}
		for k, v := range files {
			spoiled[k] = v
		}
		spoil(spoiled)
		m, err := Open(writeFolder(t, spoiled))
		if err == nil {
			_, err = contents(m)
			m.Close()
		}
		if !errors.Is(err, weights.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// archiveOf writes a .tar.gz.
func archiveOf(t *testing.T, entries ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range entries {
		h.Size = 1
		if h.Typeflag != tar.TypeReg {
			h.Size = 0
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte{0}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.tar.gz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHostileArchives: names that lead out, links, entries twice. Nothing is written.
func TestHostileArchives(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"empty":     {},
		"traversal": {{Name: "../../saved_model.pb", Typeflag: tar.TypeReg}},
		"absolute":  {{Name: "/saved_model.pb", Typeflag: tar.TypeReg}},
		"link":      {{Name: savedModelFile, Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}},
		"twice":     {{Name: "./" + savedModelFile, Typeflag: tar.TypeReg}, {Name: savedModelFile, Typeflag: tar.TypeReg}},
	} {
		if m, err := Open(archiveOf(t, entries...)); !errors.Is(err, weights.ErrFormat) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// TestConsts decodes every form that a constant has.
func TestConsts(t *testing.T) {
	graph := func(tensor *tfpb.Tensor) *Graph {
		nodes := []*tfpb.Node{{Name: "c", Op: "Const", Attrs: map[string]*tfpb.Attr{"value": {Value: &tfpb.Attr_Tensor{Tensor: tensor}}}}}
		nodes = append(nodes, &tfpb.Node{Name: "p", Op: "Pack", Inputs: []string{"c", "c:0", "^c"}})
		g, err := ParseGraph(marshal(t, &tfpb.SavedModel{MetaGraphs: []*tfpb.MetaGraph{{Graph: &tfpb.Graph{Nodes: nodes}}}}))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	for name, c := range map[string]struct {
		tensor *tfpb.Tensor
		want   []float32
	}{
		"content":    {&tfpb.Tensor{Dtype: 1, Shape: shapeOf(2), Content: []byte{0, 0, 128, 63, 0, 0, 0, 64}}, []float32{1, 2}},
		"list":       {&tfpb.Tensor{Dtype: 1, Shape: shapeOf(2), Floats: []float32{3, 4}}, []float32{3, 4}},
		"splat":      {&tfpb.Tensor{Dtype: 1, Shape: shapeOf(3), Floats: []float32{5}}, []float32{5, 5, 5}},
		"half splat": {&tfpb.Tensor{Dtype: 19, Shape: shapeOf(2), Halfs: []int32{0x3c00}}, []float32{1, 1}},
		"double":     {&tfpb.Tensor{Dtype: 2, Shape: shapeOf(), Doubles: []float64{0.5}}, []float32{0.5}},
		"too many":   {&tfpb.Tensor{Dtype: 1, Shape: shapeOf(1), Floats: []float32{1, 2}}, nil},
		"none":       {&tfpb.Tensor{Dtype: 1, Shape: shapeOf(1)}, nil},
		"short":      {&tfpb.Tensor{Dtype: 1, Shape: shapeOf(2), Content: []byte{1}}, nil},
		"huge":       {&tfpb.Tensor{Dtype: 1, Shape: shapeOf(1 << 40), Floats: []float32{1}}, nil},
		"integers":   {&tfpb.Tensor{Dtype: 3, Shape: shapeOf(1), Ints: []int32{1}}, nil},
	} {
		g := graph(c.tensor)
		got, err := g.Floats("c")
		if (err == nil) != (c.want != nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
		if packed, err := g.Floats("p"); c.want != nil && (err != nil || len(packed) != 2*len(c.want)) {
			t.Errorf("%s packed: %v, %v", name, packed, err)
		}
	}
}

func FuzzParseBundle(f *testing.F) {
	f.Add(unpack(f, "biggan-tiny")[indexFile])
	f.Add(bundle(f, &tfpb.BundleHeader{NumShards: 1}, &tfpb.BundleEntry{Dtype: 1, Shape: shapeOf(1), Size: 4}))
	f.Add(table(true, pair{"", nil}))
	f.Fuzz(func(t *testing.T, data []byte) {
		variables, _, _, err := parseBundle(data)
		if err != nil {
			return
		}
		for _, v := range variables {
			if v.size != v.Bytes() {
				t.Errorf("%v has %d bytes", v.Info, v.size)
			}
		}
	})
}

func FuzzParseGraph(f *testing.F) {
	value := map[string]*tfpb.Attr{"value": {Value: &tfpb.Attr_Tensor{Tensor: &tfpb.Tensor{Dtype: 1, Shape: shapeOf(2), Floats: []float32{1}}}}}
	nodes := []*tfpb.Node{{Name: "a", Op: "Const", Attrs: value}, {Name: "b", Op: "Pack", Inputs: []string{"a", "a"}}, {Name: "c", Op: "Identity", Inputs: []string{"c"}}}
	f.Add(marshal(f, &tfpb.SavedModel{MetaGraphs: []*tfpb.MetaGraph{{Graph: &tfpb.Graph{Nodes: nodes}}}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := ParseGraph(data)
		if err != nil {
			return
		}
		for _, name := range g.Names() {
			shape, ok := g.ConstShape(name)
			g.Inputs(name)
			g.Text(name, "shared_name")
			if !ok || product(shape) > 1<<12 {
				continue
			}
			if values, err := g.Floats(name); err == nil && len(values) != product(shape) {
				t.Fatalf("%q has shape %v and %d values", name, shape, len(values))
			}
		}
	})
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n = min(n*min(d, 1<<20), 1<<40)
	}
	return n
}

// FuzzBlock splits blocks whose checksums are right, and reads their values as entries.
func FuzzBlock(f *testing.F) {
	f.Add([]byte{0, 1, 2, 'a', 8, 1, 1, 1, 4, 'b', 8, 1, 40, 4, 0, 0, 0, 0, 1, 0, 0, 0}, false)
	f.Add(binary.LittleEndian.AppendUint32(make([]byte, 4), 1), true)
	f.Fuzz(func(t *testing.T, data []byte, compressed bool) {
		whole := &sstable{data: data, budget: maxInflation*len(data) + 1<<16}
		if compressed {
			block := append(slices.Clone(data), 1)
			whole.data = binary.LittleEndian.AppendUint32(block, masked(data, 1))
			if _, err := whole.block(handle{0, uint64(len(data))}); err != nil {
				return
			}
		}
		pairs, err := whole.split(data)
		if err != nil {
			return
		}
		for _, p := range pairs {
			if v, ok, err := parseEntry(p, 3); err == nil && ok && v.size != v.Bytes() {
				t.Errorf("%v has %d bytes", v.Info, v.size)
			}
			if n, err := parseHeader(p.value); err == nil && (n < 1 || n > maxShards) {
				t.Errorf("%d shards", n)
			}
		}
	})
}

// FuzzTar walks archives: the names that come through are a module's.
func FuzzTar(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{{Name: "./variables/", Typeflag: tar.TypeDir}, {Name: savedModelFile, Size: 3}, {Name: "variables/" + strings.Repeat("x", 150), Format: tar.FormatPAX}} {
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write([]byte("abc")[:h.Size]); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		err := walkTar(bytes.NewReader(data), func(name string, size int64, r io.Reader) error {
			if name != savedModelFile && filepath.Dir(name) != "variables" {
				t.Errorf("entry %q comes through", name)
			}
			n, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
			if err == nil && n > size {
				t.Errorf("%q has %d bytes, want %d", name, n, size)
			}
			return nil
		})
		if err != nil && !errors.Is(err, weights.ErrFormat) {
			t.Errorf("error %v is not ErrFormat", err)
		}
	})
}
