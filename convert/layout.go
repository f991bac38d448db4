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

// Rows of the result are gathered in blocks of some bytes, by way of a tile that stays in the
// nearest cache whatever power of two the strides are: of so many outputs, which lie side by
// side in the source, and of so many values of their fan, which do in the result.
const (
	blockBytes = 256 << 10
	tileOuts   = 128
	tileFan    = 64
)

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
	width, _ := source.DType.Size()
	k := newKernel(source.Shape, width, data)
	if k.outs*k.fan() == 0 {
		return nil
	}
	row := k.fan() * width
	rows := min(k.outs, tileOuts*max(1, blockBytes/(row*tileOuts)))
	scratch := blocks.Get().(*[]byte)
	defer blocks.Put(scratch)
	tile := tileOuts * max(tileFan, k.taps) * width
	*scratch = slices.Grow((*scratch)[:0], tile+rows*row)[:tile+rows*row]
	for from := 0; from < k.outs; from += rows {
		n := min(rows, k.outs-from)
		block := (*scratch)[tile:][:n*row]
		for o := 0; o < n; o += tileOuts {
			k.gather(block[o*row:min((o+tileOuts)*row, len(block))], from+o, (*scratch)[:tile])
		}
		if err := transcode(w, to, source.DType, block); err != nil {
			return err
		}
	}
	return nil
}

// kernel is data of shape [taps, ins, outs], of values of some bytes.
type kernel struct {
	taps, ins, outs, width int
	data                   []byte
}

func newKernel(shape []int, width int, data []byte) kernel {
	k := kernel{taps: 1, ins: shape[len(shape)-2], outs: shape[len(shape)-1], width: width, data: data}
	for _, n := range shape[:len(shape)-2] {
		k.taps *= n
	}
	return k
}

func (k kernel) fan() int { return k.taps * k.ins }

// gather fills rows, [outs, ins, taps], from the output first on, at most tileOuts of them.
func (k kernel) gather(rows []byte, first int, tile []byte) {
	row := k.fan() * k.width
	n := len(rows) / row
	ins := max(1, tileFan/k.taps) // at a time
	for from := 0; from < k.ins; from += ins {
		some := min(ins, k.ins-from)
		stride := some * k.taps * k.width // between the outputs in the tile
		at := 0                           // in the fan
		for ; k.width == 4 && at+2 <= some*k.taps; at += 2 {
			scatterPairs(tile[4*at:], k.segment(from, at, first, n), k.segment(from, at+1, first, n), stride)
		}
		for ; at < some*k.taps; at++ {
			scatter(tile[at*k.width:], k.segment(from, at, first, n), stride, k.width)
		}
		for o := range n {
			copy(rows[o*row+from*k.taps*k.width:], tile[o*stride:(o+1)*stride])
		}
	}
}

// segment is n values of a place in the fan, counted from an input on, from the output first on.
func (k kernel) segment(in, at, first, n int) []byte {
	return k.data[((at%k.taps*k.ins+in+at/k.taps)*k.outs+first)*k.width:][:n*k.width]
}

// scatter puts each value of some bytes a stride further.
func scatter(to, from []byte, stride, width int) {
	for at := 0; len(from) >= width; at += stride {
		copy(to[at:at+width], from)
		from = from[width:]
	}
}

// scatterPairs puts each value of four bytes, and that of another beside it, a stride further.
func scatterPairs(to, from, beside []byte, stride int) {
	beside = beside[:len(from)]
	for i, at := 0, 0; i+4 <= len(from); i, at = i+4, at+stride {
		pair := uint64(binary.LittleEndian.Uint32(from[i:])) | uint64(binary.LittleEndian.Uint32(beside[i:]))<<32
		binary.LittleEndian.PutUint64(to[at:], pair)
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
