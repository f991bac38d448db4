// Package render makes pictures of a generator's output: images, grids, and PNG files
// that say how they were made.
package render

import (
	"fmt"
	"image"
	"image/color"

	"github.com/biggan-zoo/biggan/backend"
)

// Images converts [n,3,h,w] in [-1,1] to n pictures as the Colab demo does: the byte is
// the integer part of (x+1)/2·256, at most 255. A value that is no number is an error.
func Images(t backend.Tensor) ([]image.Image, error) {
	if len(t.Shape) != 4 || t.Shape[1] != 3 {
		return nil, fmt.Errorf("render: tensor of shape %v, want [n 3 h w]", t.Shape)
	}
	n, h, w := t.Shape[0], t.Shape[2], t.Shape[3]
	images := make([]image.Image, n)
	for i := range images {
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		for c := range 3 {
			plane := t.Data[(i*3+c)*h*w:][:h*w]
			for p, v := range plane {
				if v != v {
					return nil, fmt.Errorf("render: picture %d holds values that are no numbers: the weights or the latent vectors are broken", i)
				}
				m.Pix[4*p+c] = pixel(v)
			}
		}
		for p := range h * w {
			m.Pix[4*p+3] = 255
		}
		images[i] = m
	}
	return images, nil
}

func pixel(v float32) byte { return byte(min(max((v+1)/2*256, 0), 255)) }

// Pixels converts pictures of w x h to [n,3,h,w] in [-1,1]: b/127.5 - 1.
func Pixels(pictures []image.Image, h, w int) ([]float32, error) {
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
