package backendtest

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// pixels must be the bytes of a program's own floats, in any batch, while others draw and run.
func (s suite) pixels(t *testing.T, g *graph.Graph, w weights.Memory) {
	p := start(t, s.compile, g, w, backend.Options{Threads: 2})
	if !slices.ContainsFunc(g.Outputs, func(o graph.Output) bool { return o.Name == backend.Image }) {
		if _, err := backend.Draw(t.Context(), p, inputs(g, 1, 0)); err == nil {
			t.Error("a network without an image draws")
		}
		return
	}
	const goroutines = 8
	var want [goroutines]backend.Pixels
	var floats [goroutines]map[string]backend.Tensor
	for i := range want {
		floats[i] = run(t, p, inputs(g, 1+i%3, uint64(i)))
		var err error
		if want[i], err = backend.PixelsOf(floats[i][backend.Image]); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for round := range 4 {
				if in := inputs(g, 1+i%3, uint64(i)); (i+round)%4 == 0 {
					got, err := p.Run(context.Background(), in)
					if err != nil || !slices.Equal(got[backend.Image].Data, floats[i][backend.Image].Data) {
						t.Errorf("run %d beside others: other floats, %v", i, err)
					}
				} else {
					got, err := backend.Draw(context.Background(), p, in)
					samePixels(t, got, want[i], err)
				}
			}
		})
	}
	wg.Wait()
	kept := start(t, s.compile, g, w, backend.Options{Threads: 2, Keep: names(g)})
	in := inputs(g, 2, 1)
	want[0], _ = backend.PixelsOf(run(t, kept, in)[backend.Image])
	got, err := backend.Draw(t.Context(), kept, in)
	samePixels(t, got, want[0], err)
	s.broken(t, g, w)
}

func samePixels(t *testing.T, got, want backend.Pixels, err error) {
	t.Helper()
	switch {
	case err != nil:
		t.Error(err)
	case got.N != want.N || got.H != want.H || got.W != want.W:
		t.Errorf("%d pictures of %d x %d, want %d of %d x %d", got.N, got.W, got.H, want.N, want.W, want.H)
	case !slices.Equal(got.Data, want.Data):
		at := 0
		for at < min(len(got.Data), len(want.Data))-1 && got.Data[at] == want.Data[at] {
			at++
		}
		t.Errorf("%d bytes of which number %d is wrong, want %d bytes as those of the floats", len(got.Data), at, len(want.Data))
	}
}

// broken weights must be an error, not a picture: NaN in any parameter that all pictures depend on.
func (s suite) broken(t *testing.T, g *graph.Graph, w weights.Memory) {
	for _, param := range g.Params() {
		if !param.Role.Trained() {
			continue
		}
		spoiled := weights.Memory{}
		for name, tensor := range w {
			spoiled[name] = tensor
		}
		values := slices.Clone(w[param.Name].Data)
		for i := range values {
			values[i] = float32(math.NaN())
		}
		spoiled[param.Name] = weights.Tensor{Shape: param.Shape, Data: values}
		p, err := s.compile(g, spoiled, backend.Options{})
		if err == nil {
			_, err = backend.Draw(t.Context(), p, inputs(g, 2, 7))
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		if !errors.Is(err, weights.ErrFormat) {
			t.Errorf("NaN in %s: %v", param.Name, err)
		}
	}
}
