package contact_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/contact"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/render"
)

var update = flag.Bool("update", false, "write testdata instead of comparing with it")

// paint is a picture of a slope and an edge.
func paint(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{uint8(255 * x / w), uint8(255 * y / h), 40, 255}
			if (x*8/w+y*8/h)%2 == 0 {
				c.B = 220
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// said is a recipe of one picture.
func said(class string, index int, truncation float64) *recipe.Recipe {
	return &recipe.Recipe{
		Version: recipe.Version, Model: "/models/deep.safetensors", SHA256: strings.Repeat("0123456789abcdef", 4), Truncation: truncation,
		Pictures: &recipe.Pictures{Seed: 7, Indices: []int{index}}, Classes: []string{class},
	}
}

// encoded is the PNG file of a picture that says r of its making.
func encoded(t testing.TB, m image.Image, r *recipe.Recipe) []byte {
	t.Helper()
	var texts []render.Text
	if r != nil {
		var err error
		if texts, err = r.Texts(); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := render.WritePNG(&b, m, texts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func options() contact.Options {
	return contact.Options{Columns: 3, Rows: 4, Size: 128, Caption: contact.Auto}
}

// TestLook compares a page of pictures of all kinds and sizes with one that was looked at.
func TestLook(t *testing.T) {
	folder := t.TempDir()
	interpolated := said("", 0, 0.5)
	interpolated.Pictures, interpolated.Interpolated = nil, &recipe.Interpolated{From: "A", To: "B", SeedB: 4, Rows: 1, Steps: 2}
	interpolated.Classes = []string{"A", "B", "A", "B"}
	sheet := said("tiger", 0, 0)
	sheet.Indices, sheet.Sweep, sheet.Classes = []int{4, 5}, []float64{0.1, 1}, []string{"tiger", "lion", "tiger"}
	given := said("tench", 0, 1)
	given.Latents = true
	faint := paint(64, 64)
	for i := 3; i < len(faint.Pix); i += 4 {
		faint.Pix[i] = uint8(i / 64)
	}
	var animation bytes.Buffer
	if err := render.WriteGIF(&animation, render.Animation{Frames: []image.Image{paint(64, 32)}, FPS: 10}); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"1.png":                                 encoded(t, paint(512, 512), said("golden retriever", 12, 0.4)),
		"2.png":                                 encoded(t, paint(32, 32), said("a class with a name that is far too long", 100000, 0.25)),
		"9.png":                                 encoded(t, paint(300, 100), nil),
		"10.PNG":                                encoded(t, paint(100, 300), interpolated),
		"11.png":                                encoded(t, paint(1, 500), sheet),
		"12.png":                                encoded(t, paint(3, 2), given),
		"13.png":                                encoded(t, faint, nil),
		"14.gif":                                animation.Bytes(),
		".hidden.png":                           []byte("no picture"),
		"manifest.json":                         []byte("{}"),
		"a_name_that_is_longer_than_a_cell.png": encoded(t, image.NewGray(image.Rect(0, 0, 7, 7)), nil),
	} {
		write(t, filepath.Join(folder, name), data)
	}
	if err := os.Mkdir(filepath.Join(folder, "folder.png"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, background := range []string{"light", "dark"} {
		o := options()
		o.Dark = background == "dark"
		got := page(t, o, 0, folder)
		golden := filepath.Join("testdata", background+".png")
		if *update {
			write(t, golden, encoded(t, got, nil))
		}
		data, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if d := difference(got, want); d > 1 { // of 255: machines that fuse multiplications round otherwise
			t.Errorf("%s: differs by %d", golden, d)
		}
	}
}

// page draws a page of what places hold.
func page(t *testing.T, o contact.Options, i int, places ...string) image.Image {
	t.Helper()
	s, err := contact.New(t.Context(), places, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := s.Page(t.Context(), i, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// difference is the largest of two pictures' channels, 256 where their sizes differ.
func difference(a, b image.Image) int {
	if a.Bounds() != b.Bounds() {
		return 256
	}
	most := 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			c, d := color.NRGBAModel.Convert(a.At(x, y)).(color.NRGBA), color.NRGBAModel.Convert(b.At(x, y)).(color.NRGBA)
			for _, e := range []int{int(c.R) - int(d.R), int(c.G) - int(d.G), int(c.B) - int(d.B)} {
				most = max(most, e, -e)
			}
		}
	}
	return most
}

// TestManyPictures: pictures of folders and .tar files on several pages, each once, in order.
func TestManyPictures(t *testing.T) {
	folder := t.TempDir()
	many := filepath.Join(folder, "many")
	if err := os.Mkdir(many, 0o755); err != nil {
		t.Fatal(err)
	}
	shade := func(i int) *image.NRGBA {
		m := image.NewNRGBA(image.Rect(0, 0, 20, 20))
		for p := range m.Pix {
			m.Pix[p] = uint8(10 * i)
		}
		for p := 3; p < len(m.Pix); p += 4 {
			m.Pix[p] = 255
		}
		return m
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for i := range 24 {
		data := encoded(t, shade(i), said("A", i, 0.5))
		if i < 14 {
			write(t, filepath.Join(many, fmt.Sprintf("%d-A.png", i)), data)
			continue
		}
		for name, data := range map[string][]byte{fmt.Sprintf("x/%d.png", i): data, fmt.Sprintf("x/%d.cls", i): []byte("1")} {
			if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o644}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(folder, "some.tar"), archive.Bytes())
	o := options()
	o.Size, o.Rows, o.Columns, o.Caption = 16, 2, 5, contact.Silent
	s, err := contact.New(t.Context(), []string{many, file}, o, nil)
	if err != nil || s.Pages() != 3 || s.Pictures() != 24 {
		t.Fatalf("%d pictures on %d pages, %v", s.Pictures(), s.Pages(), err)
	}
	var shades []int
	drawn := 0
	for i := range s.Pages() {
		m, texts, err := s.Page(t.Context(), i, func() { drawn++ })
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"page":%d,"pages":3,"pictures":24}`, i+1); texts[1].Value != want {
			t.Errorf("%v, want %s", texts, want)
		}
		bottom := m.Bounds().Dy()
		for row := (min(24-10*i, 10)+4)/5 - 1; row >= 0; row-- {
			for column := range 5 {
				c := m.At(4+column*20+8, bottom-(row+1)*20+8).(color.NRGBA)
				if c.R < 255 {
					shades = append(shades, 10*i+5*((min(24-10*i, 10)+4)/5-1-row)+column, int(c.R)/10)
				}
			}
		}
		write(t, filepath.Join(many, fmt.Sprintf("sheet-%d.png", i)), func() []byte {
			var b bytes.Buffer
			if err := render.WritePNG(&b, m, texts); err != nil {
				t.Fatal(err)
			}
			return b.Bytes()
		}())
	}
	for i := 0; i < len(shades); i += 2 {
		if shades[i] != shades[i+1] {
			t.Errorf("picture %d stands in the place of %d", shades[i+1], shades[i])
		}
	}
	if len(shades) != 48 || drawn != 24 {
		t.Errorf("%d pictures are seen, %d were told", len(shades)/2, drawn)
	}
	again, err := contact.New(t.Context(), []string{many, file}, o, nil)
	if err != nil || again.Pictures() != 24 {
		t.Errorf("%d pictures, %v: contact sheets in the folder are pictures", again.Pictures(), err)
	}
	given, err := contact.New(t.Context(), []string{filepath.Join(many, "sheet-0.png")}, o, nil)
	if err != nil || given.Pictures() != 1 {
		t.Errorf("a sheet that is named is no picture, %v", err)
	}
}

// header is a PNG file of a size that holds no pixels.
func header(w, h uint32) []byte {
	body := append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), w), h), 8, 2, 0, 0, 0)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), body...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
	return append(out, "\x00\x00\x00\x00IEND\xae\x42\x60\x82"...)
}

// TestRefused: what is no picture is named, with what is wrong, before anything is drawn.
func TestRefused(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	good := encoded(t, paint(8, 8), nil)
	flat := image.NewPaletted(image.Rect(0, 0, 8, 8), color.Palette{color.Black, color.White})
	var cut bytes.Buffer
	if err := gif.Encode(&cut, flat, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(in("empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, in("empty/notes.txt"), []byte("none"))
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing.png":   {nil, render.ErrPNG},
		"text.png":      {[]byte("no picture"), render.ErrPNG},
		"cut.png":       {good[:len(good)-20], render.ErrPNG},
		"bomb.png":      {header(60000, 60000), render.ErrPNG},
		"narrow.png":    {header(1, 1<<26), render.ErrPNG},
		"none.png":      {header(0, 5), render.ErrPNG},
		"cut.gif":       {cut.Bytes()[:cut.Len()-3], render.ErrGIF},
		"broken.tar":    {bytes.Repeat([]byte("x"), 2048), contact.ErrTar},
		"empty.tar":     {make([]byte, 1024), contact.ErrNone},
		"nowhere/x.png": {nil, os.ErrNotExist},
		"empty":         {nil, contact.ErrNone},
	} {
		if c.data != nil || name == "nothing.png" {
			write(t, in(name), c.data)
		}
		if _, err := contact.New(t.Context(), []string{in(name)}, options(), nil); !errors.Is(err, c.want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	empty, err := contact.New(t.Context(), []string{write(t, in("pixels.png"), header(5, 5))}, options(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := empty.Page(t.Context(), 0, func() {}); !errors.Is(err, render.ErrPNG) || !strings.Contains(err.Error(), "pixels.png") {
		t.Errorf("no pixels: %v", err)
	}
	o := options()
	o.Columns, o.Rows, o.Size = 10, 1000, 1024
	path := write(t, in("good.png"), good)
	if _, err := contact.New(t.Context(), []string{path}, o, nil); err != nil {
		t.Errorf("a page is as large as its pictures, not as its bounds: %v", err)
	}
	if _, err := contact.New(t.Context(), slices.Repeat([]string{path}, 70), o, nil); !errors.Is(err, contact.ErrPage) {
		t.Errorf("70 pictures of 1024 x 1024 on a page: %v", err)
	}
}

// TestLongTexts: what a picture says may be a million letters, and costs nothing.
func TestLongTexts(t *testing.T) {
	r := said(strings.Repeat("long ", 1<<16), 0, 0.5)
	for i := range 1 << 15 {
		r.Classes = append(r.Classes, fmt.Sprint(i))
	}
	r.Classes = slices.Concat(r.Classes, r.Classes)
	path := write(t, filepath.Join(t.TempDir(), "x.png"), encoded(t, paint(8, 8), r))
	o := options()
	o.Title = strings.Repeat("title ", 1<<18)
	page(t, o, 0, path)
}
