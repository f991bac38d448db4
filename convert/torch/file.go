// Package torch reads and writes PyTorch's checkpoint files: the zip container of
// torch.save and the legacy one before it. The reader is bounded by the file's size and
// can call nothing; it knows no models.
package torch

import (
	"bytes"
	"fmt"
	"math/bits"
	"path/filepath"

	"github.com/edsrzf/mmap-go"

	"github.com/biggan-zoo/biggan/weights"
)

// File is an open checkpoint. It is safe for concurrent reads.
type File struct {
	container string
	wrapping  string
	extras    []string
	tensors   []view
	index     map[string]int
	mapping   mmap.MMap
}

// view is a checked tensor: data begins at its first element.
type view struct {
	weights.Info
	strides []int64 // in elements
	data    []byte
}

// Open maps and checks a file. Errors about its content wrap weights.ErrFormat.
func Open(path string) (*File, error) {
	mapping, err := weights.Map(path)
	if err != nil {
		return nil, fmt.Errorf("torch: %w", err)
	}
	file, err := Parse(mapping)
	if err != nil {
		mapping.Unmap()
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	file.mapping = mapping
	return file, nil
}

// Parse checks a file in memory and keeps a reference to it.
func Parse(data []byte) (*File, error) {
	f, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("torch: %w: %w", weights.ErrFormat, err)
	}
	return f, nil
}

func parse(data []byte) (*File, error) {
	read, name := readLegacy, "legacy"
	switch {
	case isZip(data):
		read, name = readZip, "zip"
	case !isLegacy(data):
		return nil, unknownFormat(data)
	}
	root, find, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("%s container: %w", name, err)
	}
	state, wrapping, extras, err := unwrap(root)
	if err != nil {
		return nil, fmt.Errorf("%s container: %w", name, err)
	}
	f := &File{container: name, wrapping: wrapping, extras: extras, index: map[string]int{}}
	for _, n := range state.names {
		v, err := check(n.name, n.tensor, find)
		if err != nil {
			return nil, fmt.Errorf("%s container: tensor %.200q: %w", name, n.name, err)
		}
		f.index[n.name] = len(f.tensors)
		f.tensors = append(f.tensors, v)
	}
	return f, nil
}

func unknownFormat(data []byte) error {
	head := data[:min(len(data), 64)]
	switch {
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return fmt.Errorf("a Git LFS pointer, not the file itself: fetch it with `git lfs pull`")
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("<")):
		return fmt.Errorf("a web page or an XML error message, not a checkpoint: download it again")
	}
	return fmt.Errorf("neither a zip archive nor a legacy PyTorch file (it begins with % x)", head[:min(len(head), 8)])
}

// IsTorch reports whether a file may be a PyTorch checkpoint, by its first 32 bytes.
func IsTorch(head []byte) bool { return isZip(head) || isLegacy(head) }

// find gives the data of a storage and the number of its elements.
type find func(ref storageRef) (data []byte, err error)

// check makes sure that a strided tensor lies inside its storage.
func check(name string, t *tensor, find find) (view, error) {
	data, err := find(t.storage)
	if err != nil {
		return view{}, err
	}
	width, _ := t.storage.dtype.Size()
	numel := int64(len(data) / width)
	if t.storage.view {
		if t.storage.viewOffset+t.storage.viewSize > numel {
			return view{}, fmt.Errorf("a view of [%d,%d) over %d elements", t.storage.viewOffset, t.storage.viewOffset+t.storage.viewSize, numel)
		}
		data = data[t.storage.viewOffset*int64(width):][:t.storage.viewSize*int64(width)]
		numel = t.storage.viewSize
	}
	if len(t.size) != len(t.strides) {
		return view{}, fmt.Errorf("%d sizes and %d strides", len(t.size), len(t.strides))
	}
	count, last, err := extent(t.size, t.strides)
	if err != nil {
		return view{}, err
	}
	if count > numel {
		return view{}, fmt.Errorf("size %v takes %d elements of a storage of %d", t.size, count, numel)
	}
	if t.offset < 0 || (count > 0 && (last >= numel || t.offset >= numel-last)) || t.offset > numel {
		return view{}, fmt.Errorf("size %v, stride %v from %d leave a storage of %d elements", t.size, t.strides, t.offset, numel)
	}
	v := view{Info: weights.Info{Name: name, DType: t.storage.dtype, Shape: make([]int, len(t.size))}, strides: t.strides}
	for i, d := range t.size {
		v.Shape[i] = int(d)
	}
	if count > 0 {
		v.data = data[t.offset*int64(width) : (t.offset+last+1)*int64(width)]
	}
	return v, nil
}

// extent is the number of elements of a strided tensor and the distance of its last one
// from its first.
func extent(size, strides []int64) (count, last int64, err error) {
	n, far := uint64(1), uint64(0)
	empty := false
	for i, d := range size {
		if d < 0 || strides[i] < 0 {
			return 0, 0, fmt.Errorf("size %v, stride %v: negative", size, strides)
		}
		if d == 0 {
			empty = true
			continue
		}
		hi, lo := bits.Mul64(n, uint64(d))
		over, reach := bits.Mul64(uint64(d-1), uint64(strides[i]))
		if hi != 0 || lo > 1<<62 || over != 0 || reach > 1<<62 || far+reach > 1<<62 {
			return 0, 0, fmt.Errorf("size %v, stride %v: overflow", size, strides)
		}
		n, far = lo, far+reach
	}
	if empty {
		return 0, 0, nil
	}
	return int64(n), int64(far), nil
}

// Tensors lists the tensors in the order of the file.
func (f *File) Tensors() []weights.Info {
	infos := make([]weights.Info, len(f.tensors))
	for i, t := range f.tensors {
		infos[i] = t.Info
	}
	return infos
}

// Container is "zip" or "legacy".
func (f *File) Container() string { return f.container }

// Wrapping says what stood around the state dict, or is empty.
func (f *File) Wrapping() string { return f.wrapping }

// Extras names what stands beside the tensors, with its kind.
func (f *File) Extras() []string { return f.extras }

// Close releases the mapping. Slices from Bytes are invalid afterwards.
func (f *File) Close() error {
	if f.mapping == nil {
		return nil
	}
	mapping := f.mapping
	f.mapping = nil
	return mapping.Unmap()
}
