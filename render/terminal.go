package render

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/ansi/iterm2"
	"github.com/charmbracelet/x/ansi/kitty"
	"github.com/charmbracelet/x/ansi/sixel"
)

// Protocol is a way to show a picture in a terminal.
type Protocol string

const (
	Kitty  Protocol = "kitty"  // kitty's graphics protocol
	ITerm2 Protocol = "iterm2" // iTerm2's inline images
	Sixel  Protocol = "sixel"
	Blocks Protocol = "blocks" // two pixels a character, in any terminal with colours
)

// Protocols are all ways.
var Protocols = []Protocol{Kitty, ITerm2, Sixel, Blocks}

// terminals tells by environment variables what a terminal can show; the first match counts.
// Contains is part of the variable's value; "" is any value but none.
var terminals = []struct {
	variable, contains string
	protocol           Protocol
}{
	{"TMUX", "", Blocks}, // passes no graphics on
	{"TERM", "screen", Blocks},
	{"KITTY_WINDOW_ID", "", Kitty},
	{"TERM", "kitty", Kitty},
	{"TERM", "ghostty", Kitty},
	{"TERM_PROGRAM", "ghostty", Kitty},
	{"TERM_PROGRAM", "iTerm.app", ITerm2},
	{"LC_TERMINAL", "iTerm2", ITerm2},
	{"TERM_PROGRAM", "WezTerm", ITerm2},
	{"TERM_PROGRAM", "mintty", ITerm2},
	{"TERM", "sixel", Sixel},
	{"TERM", "foot", Sixel},
	{"TERM", "mlterm", Sixel},
	{"TERM", "contour", Sixel},
}

// Detect guesses the protocol of the terminal that a process runs in from its environment;
// Blocks where nothing says more.
func Detect(getenv func(string) string) Protocol {
	for _, t := range terminals {
		if value := getenv(t.variable); value != "" && strings.Contains(value, t.contains) {
			return t.protocol
		}
	}
	return Blocks
}

// Preview shows a picture in a terminal of so many columns, and ends the line. Colours says
// whether the terminal has all colours; without, Blocks takes the nearest of 256.
func Preview(w io.Writer, m image.Image, p Protocol, columns int, colours bool) error {
	var b bytes.Buffer
	var err error
	switch p {
	case Kitty:
		err = kitty.EncodeGraphics(&b, m, &kitty.Options{Action: kitty.TransmitAndPut, Transmission: kitty.Direct, Format: kitty.PNG, Chunk: true, Quiet: 2})
	case ITerm2:
		var file bytes.Buffer
		err = png.Encode(&file, m)
		content := []byte(base64.StdEncoding.EncodeToString(file.Bytes()))
		b.WriteString(ansi.ITerm2(iterm2.File{Inline: true, Size: int64(file.Len()), Content: content}))
	case Sixel:
		var data bytes.Buffer
		err = (&sixel.Encoder{}).Encode(&data, quantise(m))
		b.WriteString(ansi.SixelGraphics(0, 1, 0, data.Bytes()))
	case Blocks:
		blocks(&b, shrink(m, columns), colours)
	default:
		err = fmt.Errorf("render: preview %q, want one of %v", p, Protocols)
	}
	if err != nil {
		return err
	}
	if p != Blocks {
		b.WriteByte('\n')
	}
	_, err = w.Write(b.Bytes())
	return err
}

// shrink makes a picture at most so many pixels wide.
func shrink(m image.Image, width int) *image.NRGBA {
	size := m.Bounds().Size()
	if width > 0 && size.X > width {
		size = image.Pt(width, max(size.Y*width/size.X, 1))
	}
	return scale(m, size)
}

// blocks writes upper half blocks: the foreground is the upper pixel, the background the lower.
func blocks(b *bytes.Buffer, m *image.NRGBA, colours bool) {
	sgr := func(layer, x, y int) string {
		c := m.NRGBAAt(x, y)
		if colours {
			return fmt.Sprintf("%d;2;%d;%d;%d", layer, c.R, c.G, c.B)
		}
		return fmt.Sprintf("%d;5;%d", layer, ansi.Convert256(c))
	}
	for y := 0; y < m.Rect.Dy(); y += 2 {
		last := ""
		for x := range m.Rect.Dx() {
			style := sgr(38, x, y)
			if y+1 < m.Rect.Dy() {
				style += ";" + sgr(48, x, y+1)
			}
			if style != last {
				fmt.Fprintf(b, "\x1b[%sm", style)
				last = style
			}
			b.WriteString("▀")
		}
		b.WriteString("\x1b[0m\n")
	}
}
