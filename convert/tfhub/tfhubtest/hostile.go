package tfhubtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/biggan-zoo/biggan/convert/tfhub/tfpb"
)

// Case is a module that must be refused.
type Case struct {
	Name  string
	Place string                  // what the message must name
	Write func(path string) error // a file or a folder
}

// Base is a good module that the hostile ones are made from.
type Base struct {
	Graph     []byte // saved_model.pb
	Variables []Variable
	Victim    string // the variable that is spoilt, of rank 4
	Norm      string // a table of statistics, a Const
}

// NewBase takes a golden archive as the base, and its first constant of 50 rows as the table.
func NewBase(t testing.TB, archive, victim string) Base {
	t.Helper()
	b := Base{Graph: SavedModelOf(t, archive), Variables: Variables(t, archive), Victim: victim}
	for _, n := range b.decoded().MetaGraphs[0].Graph.Nodes {
		if dims := n.Attrs["value"].GetTensor().GetShape().GetDims(); n.Op == "Const" && len(dims) == 2 && dims[0].Size == 50 {
			b.Norm = n.Name
			return b
		}
	}
	t.Fatalf("%s holds no table of 50 rows", archive)
	return b
}

func (b Base) bundle() *Bundle { return NewBundle(1, b.Variables...) }

// Hostile lists modules that lie, each in one thing.
func Hostile(b Base) []Case {
	return slices.Concat(b.entries(), b.tables(), b.graphs(), b.archives(), b.folders())
}

func folder(f Files) func(path string) error { return f.WriteFolder }

func archive(items ...Item) func(path string) error {
	return func(path string) error {
		var out bytes.Buffer
		if err := WriteArchive(&out, items...); err != nil {
			return err
		}
		return os.WriteFile(path, out.Bytes(), 0o644)
	}
}

// entries are lies in the description of a variable, or of all.
func (b Base) entries() []Case {
	cases := []Case{}
	for name, lie := range map[string]func(e *tfpb.BundleEntry){
		"dtype string":        func(e *tfpb.BundleEntry) { e.Dtype = 7 },
		"dtype int":           func(e *tfpb.BundleEntry) { e.Dtype = 3 },
		"dtype double":        func(e *tfpb.BundleEntry) { e.Dtype = 2 },
		"dtype unknown":       func(e *tfpb.BundleEntry) { e.Dtype = 99 },
		"dtype negative":      func(e *tfpb.BundleEntry) { e.Dtype = -1 },
		"no shape":            func(e *tfpb.BundleEntry) { e.Shape = nil },
		"unknown rank":        func(e *tfpb.BundleEntry) { e.Shape.UnknownRank = true },
		"one axis more":       func(e *tfpb.BundleEntry) { e.Shape.Dims = append(e.Shape.Dims, &tfpb.Shape_Dim{Size: 2}) },
		"one axis less":       func(e *tfpb.BundleEntry) { e.Shape.Dims = e.Shape.Dims[1:] },
		"axes swapped":        func(e *tfpb.BundleEntry) { e.Shape.Dims[0], e.Shape.Dims[3] = e.Shape.Dims[3], e.Shape.Dims[0] },
		"axis negative":       func(e *tfpb.BundleEntry) { e.Shape.Dims[0].Size = -3 },
		"axis zero":           func(e *tfpb.BundleEntry) { e.Shape.Dims[0].Size, e.Size = 0, 0 },
		"axis huge":           func(e *tfpb.BundleEntry) { e.Shape.Dims[0].Size = 1 << 62 },
		"product wraps":       func(e *tfpb.BundleEntry) { e.Shape = Shape(1<<32, 1<<32, 1, 1); e.Size = 0 },
		"999 axes":            func(e *tfpb.BundleEntry) { e.Shape = Shape(slices.Repeat([]int{1}, 999)...) },
		"shard negative":      func(e *tfpb.BundleEntry) { e.Shard = -1 },
		"shard beyond":        func(e *tfpb.BundleEntry) { e.Shard = 1 },
		"shard huge":          func(e *tfpb.BundleEntry) { e.Shard = 1<<31 - 1 },
		"offset negative":     func(e *tfpb.BundleEntry) { e.Offset = -8 },
		"offset beyond":       func(e *tfpb.BundleEntry) { e.Offset = 1 << 30 },
		"offset wraps":        func(e *tfpb.BundleEntry) { e.Offset = 1<<63 - 1 },
		"offset of another":   func(e *tfpb.BundleEntry) { e.Offset -= 4 },
		"size short":          func(e *tfpb.BundleEntry) { e.Size-- },
		"size long":           func(e *tfpb.BundleEntry) { e.Size += 4 },
		"size zero":           func(e *tfpb.BundleEntry) { e.Size = 0 },
		"size negative":       func(e *tfpb.BundleEntry) { e.Size = -e.Size },
		"size huge":           func(e *tfpb.BundleEntry) { e.Size = 1 << 62 },
		"checksum":            func(e *tfpb.BundleEntry) { e.Crc32C ^= 1 },
		"checksum not masked": func(e *tfpb.BundleEntry) { e.Crc32C -= 0xa282ead8 },
		"slices":              func(e *tfpb.BundleEntry) { e.Slices = []*tfpb.BundleEntry_Slice{{}} },
	} {
		bundle := b.bundle()
		lie(bundle.Entries[b.Victim])
		files := NewFiles(b.Graph, bundle)
		place := strings.Split(b.Victim, "/ema")[0]
		cases = append(cases,
			Case{"entry: " + name, place, folder(files)},
			Case{"entry in an archive: " + name, place, archive(files.Entries()...)})
	}
	header := func(name, place string, h *tfpb.BundleHeader) {
		bundle := b.bundle()
		bundle.Header = h
		cases = append(cases, Case{"header: " + name, place, folder(NewFiles(b.Graph, bundle))})
	}
	header("no shards", "0 shards", &tfpb.BundleHeader{})
	header("a million shards", "1000000 shards", &tfpb.BundleHeader{NumShards: 1e6})
	header("a shard too many", Shard(0, 2), &tfpb.BundleHeader{NumShards: 2})
	header("big-endian", "big-endian", &tfpb.BundleHeader{NumShards: 1, Endianness: 1})
	for i, noise := range [][]byte{{0x0a}, {0x08, 0xff}, bytes.Repeat([]byte{0xff}, 11), bytes.Repeat([]byte{0x0b}, 50000), {0x08, 0x01, 0x12, 0x7f}} {
		pairs := b.bundle().Pairs()
		for k := range pairs {
			if pairs[k].Key == b.Victim {
				pairs[k].Value = noise
			}
		}
		cases = append(cases, Case{fmt.Sprintf("entry: noise %d", i), b.Victim, b.withIndex(Table(false, pairs...))})
	}
	return cases
}

// withIndex writes the base with another variables.index.
func (b Base) withIndex(index []byte) func(string) error {
	files := NewFiles(b.Graph, b.bundle())
	files[Index] = index
	return folder(files)
}

// tables are lies in the SSTable.
func (b Base) tables() []Case {
	good := Table(false, b.bundle().Pairs()...)
	cases := []Case{}
	add := func(name string, index []byte) {
		cases = append(cases, Case{"table: " + name, Index, b.withIndex(index)})
	}
	for _, n := range []int{0, 1, 47, 48, len(good) / 2, len(good) - 1} {
		add(fmt.Sprintf("cut to %d bytes", n), good[:n])
	}
	add("magic", append(slices.Clone(good[:len(good)-1]), 0))
	add("zeros", make([]byte, 4096))
	add("no entries", Table(false))
	add("no header", Table(false, Pair{"a", nil}))
	add("keys fall", Table(false, Pair{"", nil}, Pair{"b", nil}, Pair{"a", nil}))
	add("a key twice", Table(false, Pair{"", nil}, Pair{"a", nil}, Pair{"a", nil}))
	for name, block := range map[string]Block{
		"no bytes":              {},
		"no restarts":           {Content: binary.LittleEndian.AppendUint32(nil, 0)},
		"four billion restarts": {Content: binary.LittleEndian.AppendUint32(nil, 1<<32-1)},
		"restarts fill it":      {Content: binary.LittleEndian.AppendUint32(nil, 1)},
		"restart in an entry":   {Content: Restarts(Entry(nil, 0, "a", []byte("value")), 3)},
		"restart shares":        {Content: Restarts(Entry(Entry(nil, 0, "a", nil), 1, "b", nil), 0, 4)},
		"shares before a key":   {Content: Restarts(Entry(nil, 5, "a", nil), 0)},
		"shares too much":       {Content: Restarts(Entry(Entry(nil, 0, "a", nil), 9, "b", nil), 0)},
		"key runs out":          {Content: Restarts([]byte{0, 99, 0, 'a'}, 0)},
		"value runs out":        {Content: Restarts([]byte{0, 1, 99, 'a'}, 0)},
		"length huge":           {Content: Restarts(append(binary.AppendUvarint([]byte{0}, 1<<63), 0, 'a'), 0)},
		"length endless":        {Content: Restarts(bytes.Repeat([]byte{0xff}, 32), 0)},
		"key of a megabyte":     NewBlock([]Pair{{strings.Repeat("k", 1<<20), nil}}),
		"unknown compression":   {NewBlock([]Pair{{"", nil}}).Content, 2},
		"snappy noise":          {[]byte("\xff\xff\xff\xff\xff\xff"), 1},
		"snappy says 4 GB":      {append(binary.AppendUvarint(nil, 1<<32-1), bytes.Repeat([]byte{0xfe}, 60)...), 1},
		"snappy of nothing":     {nil, 1},
		"a million entries":     NewBlock(million()),
	} {
		add("block: "+name, Blocks([]string{"zzz"}, block))
	}
	spoilt := func(name string, change func(index []byte)) {
		index := slices.Clone(good)
		change(index)
		add(name, index)
	}
	spoilt("a bit of a block", func(x []byte) { x[100] ^= 4 })
	spoilt("a block's checksum", func(x []byte) { x[len(x)-49] ^= 1 })
	place := len(good) - 48
	for name, handle := range map[string][]byte{
		"beyond the file": Handle(nil, 1<<40, 10), "size wraps": Handle(nil, 1, 1<<64-4), "offset wraps": Handle(nil, 1<<64-4, 2),
		"no number": bytes.Repeat([]byte{0x80}, 20), "the footer itself": Handle(nil, uint64(place), 43), "nothing": Handle(nil, 0, 0),
	} {
		spoilt("index block: "+name, func(x []byte) { copy(x[place:], Footer(Handle(nil, 0, 0), handle[:min(len(handle), 20)])) })
	}
	return cases
}

func million() []Pair {
	pairs := make([]Pair, 1e6)
	for i := range pairs {
		pairs[i].Key = fmt.Sprintf("%06d", i)
	}
	return pairs
}

// group is a field of nested groups, which ends too early.
func group(depth int) []byte {
	return bytes.Repeat(protowire.AppendTag(nil, 15, protowire.StartGroupType), depth)
}

// graphs are lies in saved_model.pb.
func (b Base) graphs() []Case {
	cases := []Case{}
	place := SavedModel
	raw := func(name string, data []byte) {
		files := NewFiles(data, b.bundle())
		cases = append(cases, Case{"graph: " + name, place, folder(files)}, Case{"graph in an archive: " + name, place, archive(files.Entries()...)})
	}
	raw("empty", nil)
	raw("no meta graph", []byte{0x08, 0x01})
	raw("noise", []byte{0x12, 0xff})
	raw("cut", b.Graph[:len(b.Graph)-3])
	raw("groups in groups", group(1<<20))
	raw("overlong varint", bytes.Repeat([]byte{0x80}, 64))
	wrap := func(nodes []byte) []byte {
		graph := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), nodes)
		return protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), graph)
	}
	raw("ten million empty nodes", wrap(bytes.Repeat([]byte{0x0a, 0x00}, 10e6)))
	var many []byte
	for i := range 300_000 {
		many = protowire.AppendBytes(protowire.AppendTag(many, 1, protowire.BytesType), Marshal(&tfpb.Node{Name: fmt.Sprint(i)}))
	}
	raw("300,000 nodes", wrap(many))
	raw("a name of a megabyte", wrap(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), Marshal(&tfpb.Node{Name: strings.Repeat("n", 1<<20)}))))
	raw("40 MB", wrap(make([]byte, 40<<20)))
	nested := []byte("x")
	for range 2000 {
		nested = protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), nested)
	}
	place = "graph" // it can be read, and holds nothing
	raw("messages in messages", nested)
	for name, c := range b.lies() {
		saved := b.decoded()
		c.change(saved.MetaGraphs[0].Graph)
		cases = append(cases, Case{"graph: " + name, c.place, folder(NewFiles(Marshal(saved), b.bundle()))})
	}
	return cases
}

func (b Base) decoded() *tfpb.SavedModel {
	saved := &tfpb.SavedModel{}
	if err := proto.Unmarshal(b.Graph, saved); err != nil {
		panic(err)
	}
	return saved
}

type lie struct {
	place  string
	change func(g *tfpb.Graph)
}

// lies are graphs that can be read, and are wrong.
func (b Base) lies() map[string]lie {
	constant := func(change func(t *tfpb.Tensor)) func(g *tfpb.Graph) {
		return func(g *tfpb.Graph) {
			for _, n := range g.Nodes {
				if n.Name == b.Norm {
					change(n.Attrs["value"].GetTensor())
				}
			}
		}
	}
	return map[string]lie{
		"two nodes of one name": {SavedModel, func(g *tfpb.Graph) { g.Nodes = append(g.Nodes, g.Nodes[0]) }},
		"no nodes":              {"attention", func(g *tfpb.Graph) { g.Nodes = nil }},
		"every node its own input": {"attention", func(g *tfpb.Graph) {
			for _, n := range g.Nodes {
				n.Inputs = []string{n.Name, n.Name}
			}
		}},
		"a ring": {"attention", func(g *tfpb.Graph) {
			for i, n := range g.Nodes {
				n.Inputs = []string{g.Nodes[(i+1)%len(g.Nodes)].Name, "^" + n.Name}
			}
		}},
		"a tangle": {"tangled", tangle},
		"a table of 10^18 values": {"statistics", constant(func(t *tfpb.Tensor) {
			t.Shape, t.Content, t.Floats = Shape(1e9, 1e9), nil, []float32{1}
		})},
		"a table of a million rows": {"rows", constant(func(t *tfpb.Tensor) {
			channels := int(t.Shape.Dims[1].Size)
			t.Shape, t.Content, t.Floats = Shape(1e6, channels), nil, []float32{1}
		})},
		"a table that is not a number": {b.Norm, constant(func(t *tfpb.Tensor) {
			t.Content, t.Floats = nil, []float32{float32(nan())}
		})},
		"a table cut short":      {b.Norm, constant(func(t *tfpb.Tensor) { t.Content = t.Content[:len(t.Content)-4] })},
		"a table of integers":    {b.Norm, constant(func(t *tfpb.Tensor) { t.Dtype = 3 })},
		"a table without values": {b.Norm, constant(func(t *tfpb.Tensor) { t.Content = nil })},
		"a table of fewer rows": {"rows", constant(func(t *tfpb.Tensor) {
			t.Shape.Dims[0].Size--
			t.Content = t.Content[4*t.Shape.Dims[1].Size:]
		})},
	}
}

func nan() float64 { var zero float64; return zero / zero }

// tangle makes a chain of convolutions, each of which takes the one before as its kernel.
func tangle(g *tfpb.Graph) {
	last := g.Nodes[0].Name
	for i := range 20_000 {
		name := fmt.Sprint("tangle", i)
		g.Nodes = append(g.Nodes, &tfpb.Node{Name: name, Op: "Conv2D", Inputs: []string{last, last}})
		last = name
	}
}

// folders are lies in a folder.
func (b Base) folders() []Case {
	files := NewFiles(b.Graph, b.bundle())
	cases := []Case{}
	add := func(name, place string, change func(folder string) error) {
		cases = append(cases, Case{"folder: " + name, place, func(path string) error {
			if err := files.WriteFolder(path); err != nil {
				return err
			}
			return change(path)
		}})
	}
	for _, name := range []string{Index, Shard(0, 1)} {
		add("without "+name, name, func(f string) error { return os.Remove(filepath.Join(f, name)) })
		add("a folder for "+name, name, func(f string) error {
			path := filepath.Join(f, name)
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o755)
		})
		add("a link out for "+name, name, func(f string) error {
			path := filepath.Join(f, name)
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink("/etc/passwd", path)
		})
	}
	shard := files[Shard(0, 1)]
	add("a short shard", "variables.data-00000-of-00001 has", func(f string) error {
		return os.WriteFile(filepath.Join(f, Shard(0, 1)), shard[:len(shard)-1], 0o644)
	})
	add("an empty shard", "variables.data-00000-of-00001 has", func(f string) error { return os.WriteFile(filepath.Join(f, Shard(0, 1)), nil, 0o644) })
	add("a bit of the data", "crc32c", func(f string) error {
		return os.WriteFile(filepath.Join(f, Shard(0, 1)), flip(shard, len(shard)/2), 0o644)
	})
	add("an index of 10^12 bytes", Index, func(f string) error { return os.Truncate(filepath.Join(f, Index), 1e12) })
	add("a graph of 10^12 bytes", SavedModel, func(f string) error { return os.Truncate(filepath.Join(f, SavedModel), 1e12) })
	return cases
}
