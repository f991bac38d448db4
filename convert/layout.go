package convert

import (
	"encoding/binary"
	"io"
	"slices"
	"sync"

	"github.com/biggan-zoo/biggan/weights"
)

// layout is the order of a weight's axes in a source; ours is PyTorch's, [out, in, ...].
type layout uint8

const (
	asIs  layout = iota
	inOut        // [in, out] (TensorFlow's matrices)
	hwio         // [h, w, in, out] (TensorFlow's kernels)

	tapsFirst // a vector over [3, 3, in], of a 3x3 kernel whose axes are TensorFlow's
	reversed  // the first axis backwards: blue, green, red
)

// shape is the shape of a source tensor in our order; a shape of another rank stays.
func (l layout) shape(s []int) []int {
	switch {
	case l == inOut && len(s) == 2:
		return []int{s[1], s[0]}
	case l == hwio && len(s) == 4:
		return []int{s[3], s[2], s[0], s[1]}
	}
	return s
}

// source is the shape that a source has of a parameter.
func (l layout) source(s []int) []int {
	switch {
	case l == inOut && len(s) == 2:
		return []int{s[1], s[0]}
	case l == hwio && len(s) == 4:
		return []int{s[2], s[3], s[1], s[0]}
	}
	return s
}

// outsBlock is how many rows of the result are gathered at a time.
const outsBlock = 16

// blocks are those of rearrange, used again.
var blocks = sync.Pool{New: func() any { return new([]byte) }}

// rearrange writes a source tensor in our order and dtype, a block of rows at a time.
func (l layout) rearrange(w io.Writer, to weights.DType, source weights.Info, data []byte) error {
	switch {
	case l == reversed && len(source.Shape) > 0:
		return backwards(w, to, source, data)
	case l == tapsFirst:
		return tapsLast(w, to, source, data)
	case l == asIs || len(source.Shape) < 2:
		return transcode(w, to, source.DType, data)
	}
	s := source.Shape
	outs := s[len(s)-1]
	fan := source.Elements() / max(outs, 1)
	ins := s[len(s)-2]
	taps := fan / max(ins, 1)
	width, _ := source.DType.Size()
	scratch := blocks.Get().(*[]byte)
	defer blocks.Put(scratch)
	*scratch = slices.Grow((*scratch)[:0], outsBlock*fan*width)
	block := (*scratch)[:outsBlock*fan*width]
	for from := 0; from < outs; from += outsBlock {
		n := min(outsBlock, outs-from)
		for tap := range taps {
			for in := range ins {
				src, at := data[((tap*ins+in)*outs+from)*width:][:n*width], (in*taps+tap)*width
				if width == 4 {
					scatter4(block[at:], src, fan*width)
					continue
				}
				for o := range n {
					copy(block[at+o*fan*width:][:width], src[o*width:])
				}
			}
		}
		if err := transcode(w, to, source.DType, block[:n*fan*width]); err != nil {
			return err
		}
	}
	return nil
}

// scatter4 puts each value of four bytes a stride further.
func scatter4(to, from []byte, stride int) {
	for at := 0; len(from) >= 4; at += stride {
		binary.LittleEndian.PutUint32(to[at:], binary.LittleEndian.Uint32(from))
		from = from[4:]
	}
}

// backwards writes the rows of the first axis from the last to the first.
func backwards(w io.Writer, to weights.DType, source weights.Info, data []byte) error {
	row := len(data) / max(source.Shape[0], 1)
	for from := len(data) - row; row > 0 && from >= 0; from -= row {
		if err := transcode(w, to, source.DType, data[from:from+row]); err != nil {
			return err
		}
	}
	return nil
}

// taps3x3 is how many values a 3x3 kernel has for each pair of channels.
const taps3x3 = 9

// tapsLast writes a vector over [3, 3, in] as one over [in, 3, 3].
func tapsLast(w io.Writer, to weights.DType, source weights.Info, data []byte) error {
	width, _ := source.DType.Size()
	ordered := make([]byte, 0, len(data))
	for _, i := range tapsFirst.order(len(data) / width) {
		ordered = append(ordered, data[i*width:(i+1)*width]...)
	}
	return transcode(w, to, source.DType, ordered)
}

// order is where each of n values of a vector stands in the source; nil = where it is.
func (l layout) order(n int) []int {
	if l != tapsFirst {
		return nil
	}
	ins := n / taps3x3
	order := make([]int, 0, n)
	for in := range ins {
		for tap := range taps3x3 {
			order = append(order, tap*ins+in)
		}
	}
	return order
}
