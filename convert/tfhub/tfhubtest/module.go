package tfhubtest

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/proto"

	"github.com/biggan-zoo/biggan/convert/tfhub/tfpb"
	"github.com/biggan-zoo/biggan/weights"
)

// The files of a module.
const (
	SavedModel = "saved_model.pb"
	Index      = "variables/variables.index"
)

// Shard is the name of a file of variables.
func Shard(i, n int) string { return fmt.Sprintf("variables/variables.data-%05d-of-%05d", i, n) }

// numbers are TensorFlow's of the types that are written.
var numbers = map[weights.DType]int32{weights.F32: 1, weights.F64: 2, weights.I32: 3, weights.I64: 9, weights.F16: 19}

// Variable is a tensor of the checkpoint.
type Variable struct {
	weights.Info
	Data []byte
}

// Bundle lays variables out in shards, in the order of their names, and describes them.
type Bundle struct {
	Header  *tfpb.BundleHeader
	Entries map[string]*tfpb.BundleEntry
	Shards  [][]byte
}

// NewBundle describes variables truthfully.
func NewBundle(shards int, variables ...Variable) *Bundle {
	b := &Bundle{&tfpb.BundleHeader{NumShards: int32(shards)}, map[string]*tfpb.BundleEntry{}, make([][]byte, shards)}
	sorted := slices.SortedFunc(slices.Values(variables), func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	for i, v := range sorted {
		n := i * shards / len(sorted)
		e := &tfpb.BundleEntry{
			Dtype: numbers[v.DType], Shape: Shape(v.Shape...), Shard: int32(n), Offset: int64(len(b.Shards[n])), Size: int64(len(v.Data)), Crc32C: masked(v.Data),
		}
		b.Entries[v.Name] = e
		b.Shards[n] = append(b.Shards[n], v.Data...)
	}
	return b
}

// Shape is a TensorShapeProto.
func Shape(dims ...int) *tfpb.Shape {
	s := &tfpb.Shape{}
	for _, d := range dims {
		s.Dims = append(s.Dims, &tfpb.Shape_Dim{Size: int64(d)})
	}
	return s
}

// Pairs are the entries of variables.index.
func (b *Bundle) Pairs() []Pair {
	pairs := []Pair{{"", Marshal(b.Header)}}
	for _, name := range slices.Sorted(maps.Keys(b.Entries)) {
		pairs = append(pairs, Pair{name, Marshal(b.Entries[name])})
	}
	return pairs
}

// Marshal encodes a message; those of tfpb always can be.
func Marshal(m proto.Message) []byte {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return data
}

// Files are the files of a module by name.
type Files map[string][]byte

// NewFiles puts a module together.
func NewFiles(savedModel []byte, b *Bundle) Files {
	files := Files{SavedModel: savedModel, Index: Table(false, b.Pairs()...)}
	for i, data := range b.Shards {
		files[Shard(i, len(b.Shards))] = data
	}
	return files
}

// WriteFolder writes a module's folder.
func (f Files) WriteFolder(folder string) error {
	for name, data := range f {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Entries are the files as entries of an archive, in the order of their names.
func (f Files) Entries() []Item {
	var items []Item
	for _, name := range slices.Sorted(maps.Keys(f)) {
		items = append(items, File(name, f[name]))
	}
	return items
}

// Item is an entry of an archive.
type Item struct {
	Header tar.Header
	Data   []byte
}

// File is a regular file.
func File(name string, data []byte) Item {
	return Item{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))}, data}
}

// WriteArchive writes a .tar.gz. What gains little, as random weights, is stored in it.
func WriteArchive(w io.Writer, items ...Item) error {
	return writeArchive(w, gzip.BestSpeed, items)
}

// WriteCoded writes a .tar.gz as zlib writes one of weights: all literals, each by its code.
func WriteCoded(w io.Writer, items ...Item) error {
	return writeArchive(w, gzip.HuffmanOnly, items)
}

func writeArchive(w io.Writer, level int, items []Item) error {
	z, err := gzip.NewWriterLevel(w, level)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, item := range items {
		if err := t.WriteHeader(&item.Header); err != nil {
			return err
		}
		if _, err := t.Write(item.Data); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}
