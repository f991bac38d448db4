// Package render makes pictures of a generator's output: images, grids, and PNG files
// that say how they were made.
package render

import (
	"fmt"
	"image"
	"image/color"

	"github.com/biggan-zoo/biggan/backend"
)

// Images makes pictures of bytes.
func Images(p backend.Pixels) []image.Image {
	images := make([]image.Image, p.N)
	for i := range images {
		m := image.NewNRGBA(image.Rect(0, 0, p.W, p.H))
		rgb := p.Data[3*i*p.W*p.H:]
		for at := range p.W * p.H {
			copy(m.Pix[4*at:], rgb[3*at:3*at+3])
			m.Pix[4*at+3] = 255
		}
		images[i] = m
	}
	return images
}

// Values converts pictures of w x h to [n,3,h,w] in [-1,1]: b/127.5 - 1.
func Values(pictures []image.Image, h, w int) ([]float32, error) {
	out := make([]float32, len(pictures)*3*h*w)
	for i, m := range pictures {
		b := m.Bounds()
		if b.Dx() != w || b.Dy() != h {
			return nil, fmt.Errorf("render: picture %d has %d x %d pixels, want %d x %d", i, b.Dx(), b.Dy(), w, h)
		}
		for p := range h * w {
			c := color.NRGBAModel.Convert(m.At(b.Min.X+p%w, b.Min.Y+p/w)).(color.NRGBA)
			for ch, v := range []uint8{c.R, c.G, c.B} {
				out[(i*3+ch)*h*w+p] = float32(v)/127.5 - 1
			}
		}
	}
	return out, nil
}
