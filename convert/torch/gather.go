package torch

import (
	"encoding/binary"
	"fmt"
)

// Bytes is a tensor's content in C order, little-endian: a view of the file where the
// tensor is contiguous, else gathered into a fresh buffer.
func (f *File) Bytes(name string) ([]byte, error) {
	i, ok := f.index[name]
	if !ok {
		return nil, fmt.Errorf("torch: no tensor %q", name)
	}
	v := f.tensors[i]
	if v.contiguous() {
		return v.data, nil
	}
	width, _ := v.DType.Size()
	dst := make([]byte, v.Elements()*width)
	v.gather(dst, width)
	return dst, nil
}

func (v view) contiguous() bool {
	want := int64(1)
	for i := len(v.Shape) - 1; i >= 0; i-- {
		if v.Shape[i] == 0 {
			return true
		}
		if v.Shape[i] > 1 {
			if v.strides[i] != want {
				return false
			}
			want *= int64(v.Shape[i])
		}
	}
	return true
}

// chunk is how many positions of the other axes are handled together, and block how many
// of the axis that is contiguous in the file: what they touch stays in the first cache.
const (
	chunk = 144
	block = 16
)

// gather copies in blocks: runs along the axis of the smallest stride, which lie together
// in the file, against positions of the other axes in C order, which lie together in dst.
func (v view) gather(dst []byte, width int) {
	fast, cStride := v.fastAxis()
	var others []int
	for i := range v.Shape {
		if i != fast {
			others = append(others, i)
		}
	}
	var from, to [chunk]int // byte offsets
	index := make([]int, len(others))
	for more := true; more; {
		n := 0
		for ; n < chunk && more; n++ {
			s, d := 0, 0
			for k, axis := range others {
				s += index[k] * int(v.strides[axis])
				d += index[k] * cStride[axis]
			}
			from[n], to[n] = s*width, d*width
			more = v.increment(index, others)
		}
		step, far := int(v.strides[fast])*width, cStride[fast]*width
		for start := 0; start < v.Shape[fast]; start += block {
			end := min(start+block, v.Shape[fast])
			copyBlock(dst, v.data, from[:n], to[:n], start, end, step, far, width)
		}
	}
}

// fastAxis is the axis of the smallest stride among those of more than one element, and
// the strides of C order.
func (v view) fastAxis() (fast int, cStride []int) {
	cStride = make([]int, len(v.Shape))
	n := 1
	for i := len(v.Shape) - 1; i >= 0; i-- {
		cStride[i] = n
		n *= v.Shape[i]
	}
	for i, d := range v.Shape {
		if d > 1 && (v.Shape[fast] <= 1 || v.strides[i] < v.strides[fast]) {
			fast = i
		}
	}
	return fast, cStride
}

// increment steps the index of the other axes in C order; false after the last.
func (v view) increment(index, axes []int) bool {
	for k := len(axes) - 1; k >= 0; k-- {
		if index[k]++; index[k] < v.Shape[axes[k]] {
			return true
		}
		index[k] = 0
	}
	return false
}

// copyBlock moves elements [start,end) along the fast axis for each position.
func copyBlock(dst, src []byte, from, to []int, start, end, step, far, width int) {
	for k, s := range from {
		s, d := s+start*step, to[k]+start*far
		switch width {
		case 4:
			for i := start; i < end; i++ {
				binary.LittleEndian.PutUint32(dst[d:], binary.LittleEndian.Uint32(src[s:]))
				s, d = s+step, d+far
			}
		case 2:
			for i := start; i < end; i++ {
				binary.LittleEndian.PutUint16(dst[d:], binary.LittleEndian.Uint16(src[s:]))
				s, d = s+step, d+far
			}
		default:
			for i := start; i < end; i++ {
				copy(dst[d:d+width], src[s:s+width])
				s, d = s+step, d+far
			}
		}
	}
}
