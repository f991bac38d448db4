package render

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
)

func TestImages(t *testing.T) {
	images := Images(backend.Pixels{N: 2, H: 1, W: 2, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}})
	if len(images) != 2 || images[1].Bounds() != image.Rect(0, 0, 2, 1) {
		t.Fatal(images)
	}
	if got := images[1].At(1, 0); got != (color.NRGBA{10, 11, 12, 255}) {
		t.Error(got)
	}
}

func TestGrid(t *testing.T) {
	var images []image.Image
	for i := range 5 {
		m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
		m.Set(0, 0, color.NRGBA{uint8(i + 1), 0, 0, 255})
		images = append(images, m)
	}
	sheet := Grid(images, Columns(5))
	if got, want := sheet.Bounds(), image.Rect(0, 0, 11, 5); got != want {
		t.Fatalf("%v, want %v", got, want)
	}
	if got := sheet.At(4, 3); got != (color.NRGBA{5, 0, 0, 255}) {
		t.Errorf("fifth picture: %v", got)
	}
	if got := sheet.At(3, 0); got != (color.NRGBA{255, 255, 255, 255}) {
		t.Errorf("gap: %v", got)
	}
}

func TestPNGText(t *testing.T) {
	texts := []Text{{"biggan.class", "Ω, tiger"}, {"biggan.seed", "7"}}
	var b bytes.Buffer
	if err := WritePNG(&b, image.NewNRGBA(image.Rect(0, 0, 3, 2)), texts); err != nil {
		t.Fatal(err)
	}
	info, err := ReadPNG(b.Bytes())
	if err != nil || !slices.Equal(info.Texts, texts) || info.Width != 3 || info.Height != 2 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := png.Decode(&b); err != nil {
		t.Errorf("other readers refuse the file: %v", err)
	}
	if err := WritePNG(&b, image.NewNRGBA(image.Rect(0, 0, 1, 1)), []Text{{"a", "b\x00c"}}); err == nil {
		t.Error("a value with NUL was written")
	}
}

func FuzzReadPNG(f *testing.F) {
	var b bytes.Buffer
	if err := WritePNG(&b, image.NewNRGBA(image.Rect(0, 0, 3, 2)), []Text{{"k", "v"}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ReadPNG(data); err != nil && !errors.Is(err, ErrPNG) {
			t.Error(err)
		}
	})
}
