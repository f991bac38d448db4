// Package tfhub reads TF1-hub modules (SavedModel with a checkpoint of variables) without
// TensorFlow: from a folder, or from a .tar.gz in place. It knows no networks: it yields
// variables, and the graph with its constants.
package tfhub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/edsrzf/mmap-go"

	"github.com/biggan-zoo/biggan/weights"
)

// The files of a module.
const (
	savedModelFile = "saved_model.pb"
	indexFile      = "variables/variables.index"
)

// descriptions bounds the files that are held in memory, in bytes: the largest real ones
// have some 15 MB and 0.1 MB.
var descriptions = map[string]int64{savedModelFile: 32 << 20, indexFile: 8 << 20}

func shardFile(i, n int) string {
	return fmt.Sprintf("variables/variables.data-%05d-of-%05d", i, n)
}

// Module is an open module. Its variables are read by Each.
type Module struct {
	Graph   *Graph
	Skipped []string // variables that are no tensors of numbers

	variables []variable // by shard and offset
	byName    map[string]int
	shards    [][]byte // of a folder, mapped
	archive   string   // path of an archive, or ""
	count     int      // of shards

	mappings []mmap.MMap // of a folder
}

// IsArchive reports whether a file that begins so is compressed by gzip.
func IsArchive(head []byte) bool { return bytes.HasPrefix(head, []byte{0x1f, 0x8b}) }

// IsModule reports whether a folder holds a SavedModel.
func IsModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, savedModelFile))
	return err == nil
}

// Open opens a module's folder or archive. Errors about its content wrap weights.ErrFormat.
// Close it when done.
func Open(path string) (*Module, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	open := openArchive
	if info.IsDir() {
		open = openFolder
	}
	m, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("tfhub: %s: %w", filepath.Base(path), err)
	}
	return m, nil
}

func refuse(where string, err error) error {
	return fmt.Errorf("%w: %s: %v", weights.ErrFormat, where, err)
}

// openFolder maps the files of a folder. Links that lead out of it are not followed.
func openFolder(folder string) (*Module, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var maps []mmap.MMap
	release := func(err error) error { return errors.Join(err, unmap(maps)) }
	var parts [2][]byte
	for i, name := range []string{savedModelFile, indexFile} {
		mapping, err := mapFile(root, name, descriptions[name])
		if err != nil {
			return nil, release(err)
		}
		parts[i], maps = mapping, append(maps, mapping)
	}
	m, err := newModule(parts[0], parts[1])
	if err != nil {
		return nil, release(err)
	}
	for i := range m.count {
		mapping, err := mapFile(root, shardFile(i, m.count), math.MaxInt64)
		if err != nil {
			return nil, release(err)
		}
		m.shards, maps = append(m.shards, mapping), append(maps, mapping)
		if err := m.inside(i, int64(len(mapping))); err != nil {
			return nil, release(err)
		}
	}
	m.mappings = maps
	return m, nil
}

// mapFile maps a regular file of at most limit bytes; nil for an empty one.
func mapFile(root *os.Root, name string, limit int64) (mmap.MMap, error) {
	info, err := root.Stat(filepath.FromSlash(name))
	if err != nil {
		return nil, refuse(name, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, refuse(name, errors.New("is no regular file"))
	case info.Size() > limit:
		return nil, refuse(name, fmt.Errorf("%d bytes, want at most %d", info.Size(), limit))
	case info.Size() == 0:
		return nil, nil
	}
	file, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	mapping, err := mmap.Map(file, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", name, err)
	}
	return mapping, nil
}

// inside checks that the variables of a shard end within its size.
func (m *Module) inside(number int, size int64) error {
	for _, v := range m.variables {
		if v.shard == number && v.offset+v.size > size {
			return refuse(indexFile, fmt.Errorf("variable %.100q ends at byte %d, but %s has %d", v.Name, v.offset+v.size, shardFile(number, m.count), size))
		}
	}
	return nil
}

// newModule parses the two files that describe a module.
func newModule(savedModel, index []byte) (*Module, error) {
	g, err := ParseGraph(savedModel)
	if err != nil {
		return nil, refuse(savedModelFile, err)
	}
	m := &Module{Graph: g, byName: map[string]int{}}
	if m.variables, m.count, m.Skipped, err = parseBundle(index); err != nil {
		return nil, refuse(indexFile, err)
	}
	for i, v := range m.variables {
		m.byName[v.Name] = i
	}
	return m, nil
}

// Tensors lists the variables in the order in which Each yields them.
func (m *Module) Tensors() []weights.Info {
	infos := make([]weights.Info, len(m.variables))
	for i, v := range m.variables {
		infos[i] = v.Info
	}
	return infos
}

// IsFolder reports whether the variables can be read in any order, by Bytes.
func (m *Module) IsFolder() bool { return m.archive == "" }

// Bytes is a variable of a module in a folder: its content in C order, little-endian, its
// checksum checked, valid until Close.
func (m *Module) Bytes(name string) ([]byte, error) {
	i, ok := m.byName[name]
	if !ok || !m.IsFolder() {
		return nil, fmt.Errorf("tfhub: no variable %q to be read out of order", name)
	}
	v := m.variables[i]
	data := m.shards[v.shard][v.offset : v.offset+v.size]
	return data, v.check(data)
}

// Each yields the variables that want asks for, in the order of Tensors, with their content
// in C order, little-endian, its checksum checked. The content is valid during the call.
func (m *Module) Each(ctx context.Context, want func(name string) bool, f func(info weights.Info, data []byte) error) error {
	if m.archive != "" {
		return m.eachArchived(ctx, want, f)
	}
	for _, v := range m.variables {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !want(v.Name) {
			continue
		}
		data := m.shards[v.shard][v.offset : v.offset+v.size]
		if err := v.check(data); err != nil {
			return err
		}
		if err := f(v.Info, data); err != nil {
			return err
		}
	}
	return nil
}

// eachFrom yields the variables of a shard that comes as a stream.
func (m *Module) eachFrom(ctx context.Context, r io.Reader, number int, want func(name string) bool, f func(info weights.Info, data []byte) error) error {
	var at, largest int64
	for _, v := range m.variables {
		if v.shard == number && want(v.Name) {
			largest = max(largest, v.size)
		}
	}
	buffer := make([]byte, 0, min(largest, readStep)) // once: smaller ones before would be garbage
	for _, v := range m.variables {
		if v.shard != number || !want(v.Name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, r, v.offset-at); err != nil {
			return refuse(shardFile(number, m.count), fmt.Errorf("ends before %.100q: %v", v.Name, err))
		}
		var err error
		if buffer, err = readGrowing(r, buffer[:0], v.size); err != nil {
			return refuse(shardFile(number, m.count), fmt.Errorf("ends within %.100q: %v", v.Name, err))
		}
		at = v.offset + v.size
		if err := v.check(buffer); err != nil {
			return err
		}
		if err := f(v.Info, buffer); err != nil {
			return err
		}
	}
	return nil
}

// readStep bounds what is allocated for a size that a file merely claims. The largest tensor
// of the released networks has 34 MB.
const readStep = 36 << 20

// readGrowing reads n bytes into a buffer that grows with what has come.
func readGrowing(r io.Reader, buffer []byte, n int64) ([]byte, error) {
	for int64(len(buffer)) < n {
		from := len(buffer)
		next := int(min(n, int64(from)+max(readStep, int64(from))))
		if cap(buffer) < next {
			grown := make([]byte, from, next)
			copy(grown, buffer)
			buffer = grown
		}
		buffer = buffer[:next]
		if _, err := io.ReadFull(r, buffer[from:]); err != nil {
			return nil, err
		}
	}
	return buffer, nil
}

// Close releases the files.
func (m *Module) Close() error {
	maps := m.mappings
	m.mappings, m.shards = nil, nil
	return unmap(maps)
}

func unmap(maps []mmap.MMap) error {
	var errs []error
	for _, m := range maps {
		if m != nil {
			errs = append(errs, m.Unmap())
		}
	}
	return errors.Join(errs...)
}
