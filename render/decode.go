package render

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/gif"
	"image/png"

	xdraw "golang.org/x/image/draw"
)

// MaxPixels bounds the pictures that Decode decodes, maxSide each of their sides.
const (
	MaxPixels = 1 << 26
	maxSide   = 1 << 16
)

// Size is a picture's size in pixels, by its header. One that Decode would not decode is refused.
func Size(data []byte) (image.Point, error) {
	config, err := png.DecodeConfig(bytes.NewReader(data))
	refused := ErrPNG
	if IsGIF(data) {
		config, err = gif.DecodeConfig(bytes.NewReader(data))
		refused = ErrGIF
	}
	if err != nil {
		return image.Point{}, fmt.Errorf("render: %w: %v", refused, err)
	}
	if config.Width < 1 || config.Height < 1 || config.Width > maxSide || config.Height > maxSide || config.Width*config.Height > MaxPixels {
		return image.Point{}, fmt.Errorf("render: %w: %d x %d pixels, want at most %d a side and %d in all", refused, config.Width, config.Height, maxSide, MaxPixels)
	}
	return image.Pt(config.Width, config.Height), nil
}

// Decode decodes a PNG file, or the first frame of an APNG or GIF file, whose header it checks
// first. Errors wrap ErrPNG or ErrGIF.
func Decode(data []byte) (image.Image, error) {
	if _, err := Size(data); err != nil {
		return nil, err
	}
	if IsGIF(data) {
		m, err := gif.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("render: %w: %v", ErrGIF, err)
		}
		return m, nil
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("render: %w: %v", ErrPNG, err)
	}
	return m, nil
}

// Fit scales a picture so that it fills a square of side pixels one way and fits into it the other.
func Fit(m image.Image, side int) *image.NRGBA {
	size := m.Bounds().Size()
	longest := max(size.X, size.Y)
	return scale(m, image.Pt(max(size.X*side/longest, 1), max(size.Y*side/longest, 1)))
}

// scale draws a picture in another size, by Catmull and Rom's cubic.
func scale(m image.Image, size image.Point) *image.NRGBA {
	out := image.NewNRGBA(image.Rectangle{Max: size})
	if size == m.Bounds().Size() {
		draw.Draw(out, out.Rect, m, m.Bounds().Min, draw.Src)
	} else {
		xdraw.CatmullRom.Scale(out, out.Rect, m, m.Bounds(), draw.Src, nil)
	}
	return out
}
