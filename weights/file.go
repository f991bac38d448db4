package weights

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/edsrzf/mmap-go"
)

// entry is a tensor of a file: begin and end are offsets into the data section.
type entry struct {
	Info
	begin, end int64
}

// File is an open safetensors file. It is safe for concurrent reads.
type File struct {
	name     string
	whole    []byte
	data     []byte // the data section
	tensors  map[string]entry
	names    []string
	metadata map[string]string
	mapping  mmap.MMap
}

// Open maps a file and checks its header; nothing of the file is trusted before.
// Errors about its content wrap ErrFormat.
func Open(path string) (*File, error) {
	mapping, err := Map(path)
	if err != nil {
		return nil, err
	}
	file, err := Parse(mapping)
	if err != nil {
		mapping.Unmap()
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	file.name, file.mapping = path, mapping
	return file, nil
}

// Map maps a file for reading. One that is empty or not regular is ErrFormat.
func Map(path string) (mmap.MMap, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, fmt.Errorf("%s: %w: empty or not a regular file", path, ErrFormat)
	}
	mapping, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: mapping it: %w", path, err)
	}
	return mapping, nil
}

// Head is the first bytes of a file, by which formats are told apart.
func Head(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 64)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}

// Parse checks a file in memory and keeps a reference to it.
func Parse(data []byte) (*File, error) {
	h, err := parseHeader(data)
	if err != nil {
		return nil, fmt.Errorf("weights: %w: %v", ErrFormat, err)
	}
	f := &File{whole: data, data: data[h.dataStart:], tensors: h.tensors, metadata: h.metadata}
	for name := range h.tensors {
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	return f, nil
}

// IsSafetensors reports whether the first bytes of a file could be a safetensors header.
func IsSafetensors(head []byte) bool {
	return len(head) > headerLength && strings.HasPrefix(strings.TrimLeft(string(head[headerLength:]), " \t\r\n"), "{")
}

// Names lists the tensors, sorted.
func (f *File) Names() []string { return f.names }

// Metadata is the file's __metadata__, nil if it has none.
func (f *File) Metadata() map[string]string { return f.metadata }

// Size is the length of the whole file in bytes.
func (f *File) Size() int64 { return int64(len(f.whole)) }

// WriteTo writes the whole file, for hashing.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(f.whole)
	return int64(n), err
}

// Info describes a tensor.
func (f *File) Info(name string) (Info, bool) {
	e, ok := f.tensors[name]
	return e.Info, ok
}

// Bytes is a tensor's little-endian data, valid until Close.
func (f *File) Bytes(name string) ([]byte, bool) {
	e, ok := f.tensors[name]
	if !ok {
		return nil, false
	}
	return f.data[e.begin:e.end:e.end], true
}

// Float32s fills dst with a floating tensor.
func (f *File) Float32s(dst []float32, name string) error {
	e, err := f.lookup(name, len(dst))
	if err != nil {
		return err
	}
	return Decode32(dst, e.DType, f.data[e.begin:e.end])
}

// Float64s fills dst with a floating tensor.
func (f *File) Float64s(dst []float64, name string) error {
	e, err := f.lookup(name, len(dst))
	if err != nil {
		return err
	}
	return Decode64(dst, e.DType, f.data[e.begin:e.end])
}

func (f *File) lookup(name string, want int) (entry, error) {
	e, ok := f.tensors[name]
	if !ok {
		return entry{}, fmt.Errorf("weights: %s: no tensor %q", f.name, name)
	}
	if e.Elements() != want {
		return entry{}, fmt.Errorf("weights: %s: tensor %q has %d values, want %d", f.name, name, e.Elements(), want)
	}
	return e, nil
}

// Close releases the mapping. Slices from Bytes are invalid afterwards.
func (f *File) Close() error {
	if f.mapping == nil {
		return nil
	}
	mapping := f.mapping
	f.mapping, f.whole, f.data = nil, nil, nil
	return mapping.Unmap()
}
