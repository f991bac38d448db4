package backend

import (
	"context"
	"fmt"

	"github.com/biggan-zoo/biggan/weights"
)

// Image is the output of a generator that is a picture: [3, h, w] in [-1, 1] a sample.
const Image = "image"

// Pixels are pictures in bytes: red, green and blue of each pixel, row by row from the top,
// picture after picture. Data is [N, H, W, 3].
type Pixels struct {
	N, H, W int
	Data    []byte
}

// Drawer is a Program that makes bytes of its image where it computes, so that nothing else
// is read back. Draw gives what PixelsOf gives of Run's image, byte for byte, and runs as Run does.
type Drawer interface {
	Program
	Draw(ctx context.Context, in Inputs) (Pixels, error)
}

// Draw runs a program for the pixels of its image. It is how pictures are made of a program.
// Errors are those of Run and of PixelsOf.
func Draw(ctx context.Context, p Program, in Inputs) (Pixels, error) {
	if d, ok := p.(Drawer); ok {
		return d.Draw(ctx, in)
	}
	out, err := p.Run(ctx, in)
	if err != nil {
		return Pixels{}, err
	}
	return PixelsOf(out[Image])
}

// PixelsOf converts [n, 3, h, w] in [-1, 1] by Pixel. A value that is no number is an error
// that wraps weights.ErrFormat.
func PixelsOf(t Tensor) (Pixels, error) {
	if len(t.Shape) != 4 || t.Shape[1] != 3 {
		return Pixels{}, fmt.Errorf("backend: tensor of shape %v is no picture, want [n 3 h w]", t.Shape)
	}
	n, plane := t.Shape[0], t.Shape[2]*t.Shape[3]
	p := Pixels{N: n, H: t.Shape[2], W: t.Shape[3], Data: make([]byte, 3*n*plane)}
	for i := range n {
		to := p.Data[3*i*plane:][:3*plane]
		for c := range 3 {
			for at, v := range t.Data[(3*i+c)*plane:][:plane] {
				if v != v {
					return Pixels{}, NoNumbers(i)
				}
				to[3*at+c] = Pixel(v)
			}
		}
	}
	return p, nil
}

// Pixel is the byte of a value in [-1, 1] as the Colab demo makes it: the integer part of
// (v+1)/2·256, from 0 to 255. In float32 only the addition rounds, to nearest even.
func Pixel(v float32) byte { return byte(min(max((v+1)*128, 0), 255)) }

// NoNumbers is the error of a picture of which a value is NaN.
func NoNumbers(picture int) error {
	return fmt.Errorf("%w: picture %d holds values that are no numbers: the weights or the latent vectors are broken", weights.ErrFormat, picture)
}
