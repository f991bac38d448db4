package weights

import (
	"encoding/binary"
	"unsafe"
)

// Viewer is a Source whose float32 tensors can be read where they lie. ok is false if a
// tensor cannot; the slice is valid as long as the source is open, and read-only.
type Viewer interface {
	Source
	View(name string) (values []float32, ok bool)
}

// View is a tensor of a mapped file, if it is float32 and this machine reads it as it lies.
func (f *File) View(name string) ([]float32, bool) {
	e, ok := f.tensors[name]
	if !ok || e.DType != F32 || e.begin == e.end || binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil, false
	}
	data := f.data[e.begin:e.end]
	first := unsafe.Pointer(unsafe.SliceData(data))
	if uintptr(first)%unsafe.Alignof(float32(0)) != 0 {
		return nil, false
	}
	return unsafe.Slice((*float32)(first), len(data)/4), true
}

// View is the tensor itself.
func (m Memory) View(name string) ([]float32, bool) {
	t, ok := m[name]
	return t.Data, ok
}

// Releaser is a Source that can give memory back.
type Releaser interface {
	Source
	Release(name string)
}

// Release says that a tensor will not be read soon: its pages of a mapped file leave memory.
// It can be read again all the same, and what View gave stays valid.
func (f *File) Release(name string) {
	if e, ok := f.tensors[name]; ok && f.mapping != nil {
		release(f.data[e.begin:e.end])
	}
}
