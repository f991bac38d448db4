package biggan_test

import (
	"errors"
	"os"
	"testing"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/render"
)

// TestPicturesAreFloats: on every backend of this machine the pictures are those that the floats of
// the same backend give, byte for byte.
func TestPicturesAreFloats(t *testing.T) {
	m := letters(t)
	for _, b := range registry.Backends {
		for _, precision := range []backend.Precision{backend.F32, backend.F16, backend.BF16} {
			o := backend.Options{Precision: precision}
			if os.Getenv("BIGGAN_CI") != "" && b.Name == "gpu" {
				o.Device = "0"
			}
			p, _, err := m.Compile(b.Name, o)
			if errors.Is(err, backend.ErrUnavailable) {
				continue // `biggan env` says why
			}
			if err != nil {
				t.Fatal(err)
			}
			r := biggan.Request{N: 5, Seed: 3, Truncation: 0.6, Batch: 5, Backend: b.Name, Options: o}
			in, err := m.Inputs(r)
			if err != nil {
				t.Fatal(err)
			}
			out, err := p.Run(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			pixels, err := backend.PixelsOf(out[backend.Image])
			if err != nil {
				t.Fatal(err)
			}
			if !same(generate(t, m, r), render.Images(pixels)) {
				t.Errorf("%s %s: the pictures are not those of the floats", b.Name, precision)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
