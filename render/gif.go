package render

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"io"
	"math"
	"runtime"
	"strings"
	"sync"
)

// ErrGIF is wrapped by errors about a GIF file that is corrupt or refused.
var ErrGIF = errors.New("refused GIF")

// Animation is pictures of one size that follow each other for ever.
type Animation struct {
	Frames []image.Image
	// FPS is pictures a second, from 1 to 50. A GIF counts in hundredths of a second.
	FPS float64
	// Texts say how the pictures were made. A GIF holds them as comments: key, line feed, value.
	Texts []Text
}

func (a Animation) check() error {
	if !(a.FPS >= 1 && a.FPS <= 50) {
		return fmt.Errorf("render: %v pictures a second, want 1 to 50", a.FPS)
	}
	return sameSize(a.Frames)
}

// WriteGIF encodes an animation. Every frame has a palette of its own, chosen for it, and
// Floyd and Steinberg's dithering; a picture of at most 256 colours is exact.
func WriteGIF(w io.Writer, a Animation) error {
	if err := a.check(); err != nil {
		return err
	}
	g := gif.GIF{Image: make([]*image.Paletted, len(a.Frames))}
	var group sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, frame := range a.Frames {
		g.Delay = append(g.Delay, int(math.Round(100/a.FPS)))
		g.Disposal = append(g.Disposal, gif.DisposalNone)
		group.Go(func() {
			slots <- struct{}{}
			g.Image[i] = quantise(frame)
			<-slots
		})
	}
	group.Wait()
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		return err
	}
	head := b.Next(gifHeader)
	if head[10]&0x80 != 0 { // a global palette follows
		head = append(bytes.Clone(head), b.Next(3<<(head[10]&7+1))...)
	}
	out := bytes.NewBuffer(bytes.Clone(head))
	for _, t := range a.Texts {
		if t.Key == "" || strings.ContainsAny(t.Key, "\n\x00") {
			return fmt.Errorf("render: text %q cannot stand in a GIF file", t.Key)
		}
		writeComment(out, t.Key+"\n"+t.Value)
	}
	out.Write(b.Bytes())
	_, err := w.Write(out.Bytes())
	return err
}

// gifHeader is the length of signature and logical screen descriptor.
const gifHeader = 6 + 7

// writeComment writes a comment extension (GIF89a, section 24): sub-blocks of up to 255 bytes.
func writeComment(out *bytes.Buffer, text string) {
	out.Write([]byte{0x21, 0xfe})
	for len(text) > 0 {
		n := min(len(text), 255)
		out.WriteByte(byte(n))
		out.WriteString(text[:n])
		text = text[n:]
	}
	out.WriteByte(0)
}

// quantise gives a picture a palette.
func quantise(m image.Image) *image.Paletted {
	b := m.Bounds()
	full := image.NewNRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(full, full.Bounds(), m, b.Min, draw.Src)
	p := palette(full)
	out := image.NewPaletted(full.Bounds(), p)
	dither(out, full, p)
	return out
}

// dither picks the nearest colour of each pixel and hands its error on, to and fro (Floyd and
// Steinberg 1976): 7/16 onwards, 3/16, 5/16 and 1/16 to the line below.
func dither(out *image.Paletted, m *image.NRGBA, p color.Palette) {
	near := newNearest(p)
	w, h := m.Rect.Dx(), m.Rect.Dy()
	below, here := make([][3]float64, w+2), make([][3]float64, w+2) // errors, shifted by one
	for y := range h {
		here, below = below, here
		clear(below)
		step, x := 1, 0
		if y%2 == 1 {
			step, x = -1, w-1
		}
		for range w {
			var want [3]float64
			for k := range want {
				want[k] = float64(m.Pix[y*m.Stride+4*x+k]) + here[x+1][k]
			}
			i := near.index(want)
			out.Pix[y*out.Stride+x] = i
			for k := range want {
				e := min(max(want[k], 0), 255) - near.colours[i][k]
				here[x+1+step][k] += e * 7 / 16
				below[x+1-step][k] += e * 3 / 16
				below[x+1][k] += e * 5 / 16
				below[x+1+step][k] += e / 16
			}
			x += step
		}
	}
}

// nearest finds the nearest colour of a palette, and remembers it for a cube of 2x2x2.
type nearest struct {
	colours [][3]float64
	cache   map[[3]uint8]uint8
}

func newNearest(p color.Palette) *nearest {
	n := &nearest{cache: map[[3]uint8]uint8{}}
	for _, c := range p {
		v := c.(color.NRGBA)
		n.colours = append(n.colours, [3]float64{float64(v.R), float64(v.G), float64(v.B)})
	}
	return n
}

func (n *nearest) index(want [3]float64) uint8 {
	var key [3]uint8
	var rounded [3]float64
	for k, v := range want {
		key[k] = uint8(min(max(v+0.5, 0), 255))
		rounded[k] = float64(key[k])
	}
	if i, ok := n.cache[key]; ok {
		return i
	}
	best, least := 0, -1.0
	for i, c := range n.colours {
		if d := distance(rounded, c); least < 0 || d < least {
			best, least = i, d
		}
	}
	n.cache[key] = uint8(best)
	return uint8(best)
}

// IsGIF reports whether a file that begins so is a GIF file.
func IsGIF(head []byte) bool {
	return bytes.HasPrefix(head, []byte("GIF89a")) || bytes.HasPrefix(head, []byte("GIF87a"))
}

// ReadGIF reads a file's size, its number of frames and its texts without decoding the
// pictures. Every block must lie inside the file.
func ReadGIF(data []byte) (Info, error) {
	var info Info
	r := gifReader{data: data}
	if !IsGIF(data) {
		return info, r.fail("no GIF signature")
	}
	head := r.take(gifHeader)
	if head == nil {
		return info, r.fail("cut off in the header")
	}
	info.Width, info.Height = int(head[6])|int(head[7])<<8, int(head[8])|int(head[9])<<8
	r.skipTable(head[10])
	for !r.short {
		switch kind := r.take(1); {
		case kind == nil:
		case kind[0] == 0x3b:
			return info, nil
		case kind[0] == 0x2c:
			if d := r.take(9); d != nil {
				info.Frames++
				r.skipTable(d[8])
				r.take(1)
				r.blocks(0)
			}
		case kind[0] == 0x21:
			label := r.take(1)
			if label != nil && label[0] == 0xfe {
				key, value, ok := strings.Cut(string(r.blocks(maxText)), "\n")
				if ok {
					info.Texts = append(info.Texts, Text{key, value})
				}
			} else {
				r.blocks(0)
			}
		default:
			return info, r.fail("block 0x%02x is of no known kind", kind[0])
		}
	}
	return info, r.fail("cut off before the trailer")
}

type gifReader struct {
	data  []byte
	at    int
	short bool // something was beyond the end
}

func (r *gifReader) fail(format string, args ...any) error {
	return fmt.Errorf("render: %w: at byte %d: %s", ErrGIF, r.at, fmt.Sprintf(format, args...))
}

// take returns the next n bytes, or nil.
func (r *gifReader) take(n int) []byte {
	if n > len(r.data)-r.at {
		r.short = true
		return nil
	}
	part := r.data[r.at : r.at+n]
	r.at += n
	return part
}

// skipTable passes over the colour table that packed flags announce.
func (r *gifReader) skipTable(flags byte) {
	if flags&0x80 != 0 {
		r.take(3 << (flags&7 + 1))
	}
}

// blocks passes over sub-blocks and returns their content, if it has at most so many bytes.
func (r *gifReader) blocks(most int) []byte {
	var out []byte
	for {
		n := r.take(1)
		if n == nil || n[0] == 0 {
			return out
		}
		part := r.take(int(n[0]))
		if len(out)+len(part) <= most {
			out = append(out, part...)
		} else {
			out, most = nil, 0
		}
	}
}
