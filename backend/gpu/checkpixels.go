package gpu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// pixelCheck is the name of this check among those passed.
const pixelCheck = "pixels"

// The picture of the check: its size divides by nothing that the shader counts in.
const pixelHeight, pixelWidth = 13, 41

// checkPixels wants an adapter's bytes to be those of backend.Pixel, and NaN to be found in the last value. Adding
// 1 must round to nearest even, which the standards of shaders do not promise.
func (g *accelerator) checkPixels() error {
	b := graph.New("self-check of pixels")
	b.Output(backend.Image, b.InputMap("x", 3, pixelHeight, pixelWidth))
	network, err := b.Build()
	if err != nil {
		return err
	}
	p := &program{graph: network, w: weights.Memory{}}
	s, err := p.build(g)
	if err != nil {
		return err
	}
	defer s.release()
	x := pixelValues()
	in := backend.Inputs{Batch: 1, Truncation: 1, Tensors: map[string][]float32{"x": x}}
	want, err := backend.PixelsOf(backend.Tensor{Shape: []int{1, 3, pixelHeight, pixelWidth}, Data: x})
	if err != nil {
		return err
	}
	got, err := s.pixels(context.Background(), in, s.l.pixels())
	if err != nil {
		return err
	}
	if !slices.Equal(got.Data, want.Data) {
		return fmt.Errorf("gpu: %s makes other bytes", g.Adapter.Name)
	}
	x[len(x)-1] = float32(math.NaN())
	if _, err := s.pixels(context.Background(), in, s.l.pixels()); !errors.Is(err, weights.ErrFormat) {
		return fmt.Errorf("gpu: %s finds no NaN: %w", g.Adapter.Name, err)
	}
	return nil
}

// pixelValues are the values around every one where the byte changes, those that are halfway between two sums, and
// the extremes.
func pixelValues() []float32 {
	inf := float32(math.Inf(1))
	values := []float32{-inf, inf, -math.MaxFloat32, math.MaxFloat32, -2, 2, 0, -math.SmallestNonzeroFloat32, math.SmallestNonzeroFloat32}
	for step := range 257 {
		v := float32(step)/128 - 1
		below, above := math.Nextafter32(v, -2), math.Nextafter32(v, 2)
		values = append(values, v, below, above, math.Nextafter32(below, -2), math.Nextafter32(above, 2))
		values = append(values, v-1.0/(1<<25)) // 1 + it is halfway to the sum below
	}
	for len(values) < 3*pixelHeight*pixelWidth {
		values = append(values, float32(len(values)%256)/127.5-1)
	}
	return values
}
