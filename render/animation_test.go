package render

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// gradient is a picture of many colours.
func gradient(w, h, shift int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x + y + shift) * 97 / 50), 255})
		}
	}
	return m
}

func animation(n int) Animation {
	a := Animation{FPS: 20, Texts: []Text{{"biggan", `{"class":"Ω"}` + strings.Repeat(" long", 100)}}}
	for i := range n {
		a.Frames = append(a.Frames, gradient(40, 24, 7*i))
	}
	return a
}

func TestGIF(t *testing.T) {
	var b bytes.Buffer
	a := animation(3)
	if err := WriteGIF(&b, a); err != nil {
		t.Fatal(err)
	}
	info, err := ReadGIF(b.Bytes())
	if err != nil || info.Frames != 3 || info.Width != 40 || info.Height != 24 || !slices.Equal(info.Texts, a.Texts) {
		t.Errorf("%+v, %v", info, err)
	}
	g, err := gif.DecodeAll(&b)
	if err != nil || len(g.Image) != 3 || g.Delay[1] != 5 || g.LoopCount != 0 {
		t.Fatal(err)
	}
	for i, frame := range g.Image {
		if e := rms(a.Frames[i], frame); e > 8 {
			t.Errorf("frame %d: error %.2f", i, e)
		}
	}
}

// TestGIFExact: a picture of few colours keeps them all.
func TestGIFExact(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for i := range 256 {
		m.SetNRGBA(i%16, i/16, color.NRGBA{uint8(i), uint8(7 * i), uint8(31 * i), 255})
	}
	var b bytes.Buffer
	if err := WriteGIF(&b, Animation{Frames: []image.Image{m}, FPS: 10}); err != nil {
		t.Fatal(err)
	}
	got, err := gif.Decode(&b)
	if err != nil || rms(m, got) != 0 {
		t.Errorf("error %v, %v", rms(m, got), err)
	}
}

// rms is the root of the mean squared difference of two pictures, 0 to 255.
func rms(a, b image.Image) float64 {
	sum, r := 0.0, a.Bounds()
	for y := range r.Dy() {
		for x := range r.Dx() {
			c, d := a.At(x, y).(color.NRGBA), color.NRGBAModel.Convert(b.At(x, y)).(color.NRGBA)
			for _, e := range []float64{float64(c.R) - float64(d.R), float64(c.G) - float64(d.G), float64(c.B) - float64(d.B)} {
				sum += e * e
			}
		}
	}
	return math.Sqrt(sum / float64(3*r.Dx()*r.Dy()))
}

func TestAPNG(t *testing.T) {
	var b bytes.Buffer
	a := animation(3)
	if err := WriteAPNG(&b, a); err != nil {
		t.Fatal(err)
	}
	info, err := ReadPNG(b.Bytes())
	if err != nil || info.Frames != 3 || info.Width != 40 || !slices.Equal(info.Texts, a.Texts) {
		t.Errorf("%+v, %v", info, err)
	}
	first, err := png.Decode(bytes.NewReader(b.Bytes()))
	if err != nil || rms(a.Frames[0], first) != 0 {
		t.Errorf("the first frame is not the picture, %v", err)
	}
	for i := range a.Frames {
		frame, err := png.Decode(bytes.NewReader(apngFrame(t, b.Bytes(), i)))
		if err != nil || rms(a.Frames[i], frame) != 0 {
			t.Errorf("frame %d: %v", i, err)
		}
	}
}

// apngFrame makes a PNG file of one frame of an animation, and checks the numbers of its chunks.
func apngFrame(t *testing.T, data []byte, want int) []byte {
	t.Helper()
	frame, next := -1, uint32(0)
	out := bytes.NewBufferString(signature)
	for rest := data[len(signature):]; len(rest) > 0; {
		n := int(rest[0])<<24 | int(rest[1])<<16 | int(rest[2])<<8 | int(rest[3])
		kind, body := string(rest[4:8]), rest[8:8+n]
		rest = rest[12+n:]
		if kind == "fcTL" || kind == "fdAT" {
			if got := uint32(body[0])<<24 | uint32(body[1])<<16 | uint32(body[2])<<8 | uint32(body[3]); got != next {
				t.Errorf("%s has number %d, want %d", kind, got, next)
			}
			next++
		}
		switch {
		case kind == "IHDR", kind == "IEND":
			writeChunk(out, kind, body)
		case kind == "fcTL":
			frame++
		case kind == "IDAT" && frame == want:
			writeChunk(out, kind, body)
		case kind == "fdAT" && frame == want:
			writeChunk(out, "IDAT", body[4:])
		}
	}
	return out.Bytes()
}

func TestAnimationErrors(t *testing.T) {
	odd := animation(2)
	odd.Frames[1] = gradient(3, 3, 0)
	for _, a := range []Animation{{FPS: 10}, {FPS: 0, Frames: animation(1).Frames}, {FPS: math.NaN(), Frames: animation(1).Frames}, odd} {
		var b bytes.Buffer
		if err := WriteGIF(&b, a); err == nil || b.Len() > 0 {
			t.Errorf("GIF: %d bytes, %v", b.Len(), err)
		}
		if err := WriteAPNG(&b, a); err == nil || b.Len() > 0 {
			t.Errorf("APNG: %d bytes, %v", b.Len(), err)
		}
	}
}

func FuzzReadGIF(f *testing.F) {
	var b bytes.Buffer
	if err := WriteGIF(&b, animation(2)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ReadGIF(data); err != nil && !errors.Is(err, ErrGIF) {
			t.Error(err)
		}
	})
}

func TestSheetCaptions(t *testing.T) {
	var images []image.Image
	for range 4 {
		images = append(images, gradient(32, 32, 0))
	}
	sheet := Sheet(images, Layout{Columns: 2, Captions: []string{"A", "tiger shark", "B", "Ω"}, Rows: []string{"0.1", "0.25"}})
	if got, want := sheet.Bounds(), image.Rect(0, 0, 28+1+65, 2*(32+13)+1); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	ink := 0
	for x := range 28 {
		for y := range 32 {
			if sheet.At(x, y) != (color.NRGBA{255, 255, 255, 255}) {
				ink++
			}
		}
	}
	if ink == 0 {
		t.Error("no text left of the first row")
	}
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		env  string
		want Protocol
	}{
		{"", Blocks}, {"TERM=xterm-256color", Blocks}, {"TERM=xterm-kitty", Kitty}, {"KITTY_WINDOW_ID=1 TERM=screen-256color", Blocks},
		{"TERM_PROGRAM=iTerm.app", ITerm2}, {"TERM=foot", Sixel}, {"TERM=xterm-kitty TMUX=/tmp/x", Blocks}, {"TERM_PROGRAM=WezTerm", ITerm2},
	} {
		env := map[string]string{}
		for _, pair := range strings.Fields(c.env) {
			key, value, _ := strings.Cut(pair, "=")
			env[key] = value
		}
		if got := Detect(func(key string) string { return env[key] }); got != c.want {
			t.Errorf("%q: %s, want %s", c.env, got, c.want)
		}
	}
}

// decodeSixel draws a sixel payload: palette entries, runs of six pixels, ends of lines. (That
// of the library drops what follows a repetition.)
func decodeSixel(t *testing.T, payload string, size image.Rectangle) image.Image {
	t.Helper()
	m := image.NewNRGBA(size)
	palette := map[string]color.NRGBA{}
	colour, x, y := "", 0, 0
	for _, token := range regexp.MustCompile(`"[\d;]+|#[\d;]+|!\d+.|[$\-?-~]`).FindAllString(payload, -1) {
		run := 1
		switch token[0] {
		case '"':
			continue
		case '#':
			var n, r, g, b int
			if _, err := fmt.Sscanf(token, "#%d;2;%d;%d;%d", &n, &r, &g, &b); err == nil {
				palette[fmt.Sprint("#", n)] = color.NRGBA{uint8(r * 255 / 100), uint8(g * 255 / 100), uint8(b * 255 / 100), 255}
			} else {
				colour = token
			}
			continue
		case '$':
			x = 0
			continue
		case '-':
			x, y = 0, y+6
			continue
		case '!':
			if _, err := fmt.Sscanf(token, "!%d", &run); err != nil {
				t.Fatal(err)
			}
		}
		bits := token[len(token)-1] - '?'
		for range run {
			for i := range 6 {
				if bits>>i&1 != 0 {
					m.SetNRGBA(x, y+i, palette[colour])
				}
			}
			x++
		}
	}
	return m
}

// TestPreview takes the sequences apart as a terminal does: the picture is in them.
func TestPreview(t *testing.T) {
	m := gradient(60, 31, 5)
	for p, want := range map[Protocol]*regexp.Regexp{
		Kitty:  regexp.MustCompile("\x1b_G([^;\x1b]*);([^\x1b]*)\x1b\\\\"),
		ITerm2: regexp.MustCompile("\x1b\\]1337;File=([^:]*inline=1[^:]*):([^\x07]*)\x07"),
		Sixel:  regexp.MustCompile("\x1bP(0;1)q([^\x1b]*)\x1b\\\\"),
	} {
		var b bytes.Buffer
		if err := Preview(&b, m, p, 40, true); err != nil || !strings.HasSuffix(b.String(), "\n") {
			t.Errorf("%s: %v", p, err)
		}
		payload := ""
		for _, part := range want.FindAllStringSubmatch(b.String(), -1) {
			payload += part[2]
		}
		if rest := strings.TrimSpace(want.ReplaceAllString(b.String(), "")); rest != "" || payload == "" {
			t.Errorf("%s: %d bytes of payload, and %.60q besides", p, len(payload), rest)
			continue
		}
		var got image.Image
		var err error
		if p == Sixel {
			got = decodeSixel(t, payload, m.Rect)
		} else {
			got, err = png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(payload)))
		}
		if err != nil {
			t.Errorf("%s: %v", p, err)
			continue
		}
		if e := rms(m, got); p != Sixel && e > 0 || e > 12 {
			t.Errorf("%s: error %v", p, e)
		}
	}
	var b bytes.Buffer
	for _, colours := range []bool{true, false} {
		b.Reset()
		if err := Preview(&b, m, Blocks, 40, colours); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(b.String(), "\n"); lines != 10 || strings.Count(b.String(), "▀") != 40*10 || strings.Contains(b.String(), "38;5;") == colours {
			t.Errorf("%d lines of half blocks for a picture of 40 x 20", lines)
		}
	}
	if err := Preview(&b, m, "telepathy", 40, true); err == nil {
		t.Error("an unknown protocol is no error")
	}
}

// FuzzDecode decodes and scales whatever has a header of a bearable size.
func FuzzDecode(f *testing.F) {
	a := animation(2)
	var g, p bytes.Buffer
	if err := WriteGIF(&g, a); err != nil {
		f.Fatal(err)
	}
	if err := WriteAPNG(&p, a); err != nil {
		f.Fatal(err)
	}
	f.Add(g.Bytes())
	f.Add(p.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		size, err := Size(data)
		if err == nil && size.X*size.Y > 1<<18 {
			return // a run would take too long
		}
		m, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrPNG) && !errors.Is(err, ErrGIF) {
				t.Error(err)
			}
			return
		}
		if got := Fit(m, 16).Rect.Size(); max(got.X, got.Y) > 16 || min(got.X, got.Y) < 1 {
			t.Errorf("%v in a square of 16 is %v", m.Bounds(), got)
		}
	})
}
