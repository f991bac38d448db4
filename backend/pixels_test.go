package backend

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/weights"
)

func TestPixel(t *testing.T) {
	for v, want := range map[float32]byte{-2: 0, -1: 0, -0.99219: 0, -0.9921: 1, 0: 128, 0.99: 254, 1: 255, 7: 255} {
		if got := Pixel(v); got != want {
			t.Errorf("%v: %d, want %d", v, got, want)
		}
	}
}

// TestPixelSteps compares with the formula in float64, of the sum as float32 rounds it, around
// every value where the byte changes.
func TestPixelSteps(t *testing.T) {
	for step := range 257 {
		v := float32(step)/128 - 1
		for range 40 {
			v = math.Nextafter32(v, -2)
		}
		for range 80 {
			sum := float64(float32(float64(v) + 1))
			if want := byte(min(max(math.Floor(sum/2*256), 0), 255)); Pixel(v) != want {
				t.Errorf("%v: %d, want %d", v, Pixel(v), want)
			}
			v = math.Nextafter32(v, 2)
		}
	}
	for v, want := range map[float64]byte{math.Inf(-1): 0, -math.MaxFloat32: 0, -math.SmallestNonzeroFloat32: 128, math.MaxFloat32: 255, math.Inf(1): 255} {
		if got := Pixel(float32(v)); got != want {
			t.Errorf("%v: %d, want %d", v, got, want)
		}
	}
}

func TestPixelsOf(t *testing.T) {
	x := Tensor{Shape: []int{2, 3, 1, 2}, Data: []float32{-1, -1, -1, -1, -1, -1, 0, 1, 0.5, -0.5, -1, 0.25}}
	p, err := PixelsOf(x)
	if want := []byte{0, 0, 0, 0, 0, 0, 128, 192, 0, 255, 64, 160}; err != nil || p.N != 2 || p.H != 1 || p.W != 2 || !slices.Equal(p.Data, want) {
		t.Errorf("%+v, %v, want %v", p, err, want)
	}
	x.Data[11] = float32(math.NaN())
	if _, err := PixelsOf(x); !errors.Is(err, weights.ErrFormat) {
		t.Errorf("NaN became a picture: %v", err)
	}
	for _, shape := range [][]int{nil, {2, 12}, {2, 6, 1, 1}} {
		if _, err := PixelsOf(Tensor{Shape: shape, Data: x.Data}); err == nil {
			t.Errorf("%v became pictures", shape)
		}
	}
}

// floats is a program that returns an image; bytes is one that draws by itself.
type floats struct {
	image Tensor
	err   error
}

func (p floats) Run(context.Context, Inputs) (map[string]Tensor, error) {
	return map[string]Tensor{Image: p.image}, p.err
}
func (floats) Close() error { return nil }

type bytes struct{ floats }

func (bytes) Draw(context.Context, Inputs) (Pixels, error) { return Pixels{N: 7}, nil }

func TestDraw(t *testing.T) {
	x := Tensor{Shape: []int{1, 3, 1, 1}, Data: []float32{-1, 0, 1}}
	if p, err := Draw(t.Context(), floats{image: x}, Inputs{}); err != nil || !slices.Equal(p.Data, []byte{0, 128, 255}) {
		t.Errorf("%v, %v", p, err)
	}
	if p, err := Draw(t.Context(), bytes{floats{image: x}}, Inputs{}); err != nil || p.N != 7 {
		t.Errorf("a program that draws by itself was not asked to: %v, %v", p, err)
	}
	if _, err := Draw(t.Context(), floats{image: x, err: context.Canceled}, Inputs{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that fails: %v", err)
	}
	if _, err := Draw(t.Context(), floats{}, Inputs{}); err == nil {
		t.Error("a program without an image drew one")
	}
}
