package render

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
)

// WriteAPNG encodes an animation without loss as an animated PNG (W3C PNG, third edition,
// 4.9): a file that shows its first frame where a reader knows no animation.
func WriteAPNG(w io.Writer, a Animation) error {
	if err := a.check(); err != nil {
		return err
	}
	var out bytes.Buffer
	var header []byte
	sequence := uint32(0)
	for i, frame := range a.Frames {
		chunks, err := encodeChunks(frame)
		if err != nil {
			return err
		}
		if i == 0 {
			header = chunks[0].data
			out.WriteString(signature)
			writeChunk(&out, "IHDR", header)
			if err := writeTexts(&out, a.Texts); err != nil {
				return err
			}
			control := binary.BigEndian.AppendUint32(nil, uint32(len(a.Frames)))
			writeChunk(&out, "acTL", binary.BigEndian.AppendUint32(control, 0)) // for ever
		}
		if !bytes.Equal(chunks[0].data, header) {
			return fmt.Errorf("render: frame %d has pixels of another kind than frame 0", i)
		}
		writeChunk(&out, "fcTL", frameControl(sequence, frame.Bounds().Size(), a.FPS))
		sequence++
		for _, c := range chunks {
			switch {
			case c.kind != "IDAT":
			case i == 0:
				writeChunk(&out, "IDAT", c.data)
			default:
				writeChunk(&out, "fdAT", append(binary.BigEndian.AppendUint32(nil, sequence), c.data...))
				sequence++
			}
		}
	}
	writeChunk(&out, "IEND", nil)
	_, err := w.Write(out.Bytes())
	return err
}

// frameControl places a whole frame: the delay is a fraction of thousandths of a second, and
// the frame replaces what was there.
func frameControl(sequence uint32, size image.Point, fps float64) []byte {
	b := binary.BigEndian.AppendUint32(nil, sequence)
	for _, v := range []int{size.X, size.Y, 0, 0} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(math.Round(1000/fps)))
	b = binary.BigEndian.AppendUint16(b, 1000)
	return append(b, 0, 0) // dispose: none; blend: source
}

type chunk struct {
	kind string
	data []byte
}

// encodeChunks encodes a picture and takes the file apart; the first chunk is IHDR.
func encodeChunks(m image.Image) ([]chunk, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil, err
	}
	b.Next(len(signature))
	var chunks []chunk
	for b.Len() > 0 {
		n := binary.BigEndian.Uint32(b.Next(4))
		kind := string(b.Next(4))
		chunks = append(chunks, chunk{kind, bytes.Clone(b.Next(int(n)))})
		b.Next(4)
	}
	return chunks, nil
}
