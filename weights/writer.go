package weights

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"

	"slices"
	"sync"

	"github.com/biggan-zoo/biggan/atomicfile"
)

// CreateOptions describe a new file. The tensors' order is free.
type CreateOptions struct {
	Metadata  map[string]string
	Tensors   []Info
	Overwrite bool // replace an existing file; otherwise it is atomicfile.ErrExists
}

// Writer writes a file beside its final name and renames it when it is whole. WriteTensor
// may be called concurrently for different tensors.
type Writer struct {
	path    string
	options CreateOptions
	file    *atomicfile.File
	start   int64
	entries map[string]entry

	mu      sync.Mutex
	written map[string]bool
}

// Create begins a file; the caller writes every tensor, then Commit, and always Close.
func Create(path string, o CreateOptions) (*Writer, error) {
	head, entries, err := layout(o)
	if err != nil {
		return nil, fmt.Errorf("weights: %s: %w", path, err)
	}
	file, err := atomicfile.Create(path, o.Overwrite)
	if err != nil {
		return nil, err
	}
	w := &Writer{path: path, options: o, file: file, start: int64(len(head)), entries: entries, written: map[string]bool{}}
	if _, err := file.Write(head); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Amend replaces a value of the metadata by another of the same length, for what is known
// only once the tensors are written: a digest.
func (w *Writer) Amend(key, value string) error {
	o := w.options
	o.Metadata = maps.Clone(o.Metadata)
	o.Metadata[key] = value
	head, _, err := layout(o)
	if err != nil {
		return err
	}
	if int64(len(head)) != w.start {
		return fmt.Errorf("weights: %s: metadata %q does not take a value of %d bytes", w.path, key, len(value))
	}
	_, err = w.file.WriteAt(head, 0)
	return err
}

// layout orders tensors by falling element size, then name, so that each is aligned, and
// makes the header, padded with spaces to a multiple of 8.
func layout(o CreateOptions) ([]byte, map[string]entry, error) {
	tensors := slices.Clone(o.Tensors)
	slices.SortFunc(tensors, func(a, b Info) int {
		sa, _ := a.DType.Size()
		sb, _ := b.DType.Size()
		return cmp.Or(cmp.Compare(sb, sa), cmp.Compare(a.Name, b.Name))
	})
	var text bytes.Buffer
	text.WriteByte('{')
	if o.Metadata != nil {
		fmt.Fprintf(&text, "%q:%s", metadataKey, marshal(o.Metadata))
	}
	entries := make(map[string]entry, len(tensors))
	var at int64
	for _, t := range tensors {
		size, err := CheckedBytes(t.DType, t.Shape)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if _, twice := entries[t.Name]; twice || t.Name == metadataKey {
			return nil, nil, fmt.Errorf("tensor %q cannot be named so or stands twice", t.Name)
		}
		if t.Shape == nil {
			t.Shape = []int{}
		}
		entries[t.Name] = entry{Info: t, begin: at, end: at + size}
		if text.Len() > 1 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, "%s:{\"dtype\":%s,\"shape\":%s,\"data_offsets\":[%d,%d]}",
			marshal(t.Name), marshal(t.DType), marshal(t.Shape), at, at+size)
		at += size
	}
	text.WriteByte('}')
	for text.Len()%8 != 0 {
		text.WriteByte(' ')
	}
	head := binary.LittleEndian.AppendUint64(nil, uint64(text.Len()))
	return append(head, text.Bytes()...), entries, nil
}

// marshal writes strings, integer lists and string maps, which have a JSON form always.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte("null")
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// WriteTensor calls write with a writer that takes exactly the tensor's bytes.
func (w *Writer) WriteTensor(name string, write func(io.Writer) error) error {
	e, ok := w.entries[name]
	if !ok {
		return fmt.Errorf("weights: %s: tensor %q was not announced", w.path, name)
	}
	w.mu.Lock()
	twice := w.written[name]
	w.written[name] = true
	w.mu.Unlock()
	if twice {
		return fmt.Errorf("weights: %s: tensor %q written twice", w.path, name)
	}
	section := &section{file: w.file, at: w.start + e.begin, end: w.start + e.end}
	if err := write(section); err != nil {
		return fmt.Errorf("weights: %s: tensor %q: %w", w.path, name, err)
	}
	if section.at != section.end {
		return fmt.Errorf("weights: %s: tensor %q is %d bytes short", w.path, name, section.end-section.at)
	}
	return nil
}

// section writes into a range of a file.
type section struct {
	file    *atomicfile.File
	at, end int64
}

func (s *section) Write(p []byte) (int, error) {
	if int64(len(p)) > s.end-s.at {
		return 0, fmt.Errorf("%d bytes more than the tensor has", int64(len(p))-(s.end-s.at))
	}
	n, err := s.file.WriteAt(p, s.at)
	s.at += int64(n)
	return n, err
}

// Commit gives the file its final name once everything is written and on disk.
func (w *Writer) Commit() error {
	for name := range w.entries {
		if !w.written[name] {
			return fmt.Errorf("weights: %s: tensor %q was never written", w.path, name)
		}
	}
	return w.file.Commit()
}

// Close discards what was not committed. It may be called twice, and after Commit.
func (w *Writer) Close() error { return w.file.Close() }
