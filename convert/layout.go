package convert

import (
	"io"

	"github.com/biggan-zoo/biggan/weights"
)

// layout is the order of a weight's axes in a source; ours is PyTorch's, [out, in, ...].
type layout uint8

const (
	asIs  layout = iota
	inOut        // [in, out] (TensorFlow's matrices)
	hwio         // [h, w, in, out] (TensorFlow's kernels)
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

// rearrange writes a source tensor in our order and dtype, a block of rows at a time.
func (l layout) rearrange(w io.Writer, to weights.DType, source weights.Info, data []byte) error {
	if l == asIs || len(source.Shape) < 2 {
		return transcode(w, to, source.DType, data)
	}
	s := source.Shape
	outs := s[len(s)-1]
	fan := source.Elements() / max(outs, 1)
	ins := s[len(s)-2]
	taps := fan / max(ins, 1)
	width, _ := source.DType.Size()
	block := make([]byte, outsBlock*fan*width)
	for from := 0; from < outs; from += outsBlock {
		n := min(outsBlock, outs-from)
		for tap := range taps {
			for in := range ins {
				src := data[((tap*ins+in)*outs+from)*width:]
				for o := range n {
					copy(block[(o*fan+in*taps+tap)*width:][:width], src[o*width:])
				}
			}
		}
		if err := transcode(w, to, source.DType, block[:n*fan*width]); err != nil {
			return err
		}
	}
	return nil
}
