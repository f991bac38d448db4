package render

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
)

func TestPixel(t *testing.T) {
	for v, want := range map[float32]byte{-2: 0, -1: 0, -0.99219: 0, -0.9921: 1, 0: 128, 0.99: 254, 1: 255, 7: 255} {
		if got := pixel(v); got != want {
			t.Errorf("%v: %d, want %d", v, got, want)
		}
	}
}

func TestImages(t *testing.T) {
	data := make([]float32, 2*3*2*2)
	data[1*12+2*4+3] = 1 // second picture, blue, last pixel
	images, err := Images(backend.Tensor{Shape: []int{2, 3, 2, 2}, Data: data})
	if err != nil || len(images) != 2 {
		t.Fatal(images, err)
	}
	if got := images[1].At(1, 1); got != (color.NRGBA{128, 128, 255, 255}) {
		t.Error(got)
	}
	data[0] = float32(math.NaN())
	if _, err := Images(backend.Tensor{Shape: []int{2, 3, 2, 2}, Data: data}); err == nil {
		t.Error("NaN became a picture")
	}
	if _, err := Images(backend.Tensor{Shape: []int{2, 12}, Data: data}); err == nil {
		t.Error("a matrix became a picture")
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
