package convert_test

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/weights"
)

// TestSpectralNorms computes again what conversion stored, and norms of another formula.
func TestSpectralNorms(t *testing.T) {
	for _, c := range []struct {
		src, config, format string
		lacks               string // format whose vectors the source does not keep
	}{
		{"letters", "", "hf", ""},
		{"tfhub/letters/module.tar.gz", "", "tfhub", "hf"},
		{"biggan-pytorch/biggan64-wrapped/G_ema.pth", "biggan-pytorch/biggan64-wrapped/config.json", "biggan-pytorch", "hf"},
	} {
		var o convert.Options
		if c.config != "" {
			o.Config = goldentest.Read(t, c.config)
		}
		dst := filepath.Join(t.TempDir(), "model.safetensors")
		if _, err := convert.File(t.Context(), goldentest.Path(t, c.src), dst, o); err != nil {
			t.Fatal(err)
		}
		file, err := weights.Open(dst)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		meta, err := weights.ParseMeta(file.Metadata())
		if err != nil {
			t.Fatal(err)
		}
		g, err := registry.Network(meta.Architecture, meta.Config)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range convert.Formulas {
			norms, ok, err := convert.SpectralNorms(file, g, f)
			if err != nil || ok == (f.Format == c.lacks) {
				t.Errorf("%s: formula of %s: ok %v, %v", c.src, f.Format, ok, err)
			}
			if !ok {
				continue
			}
			apart, tf := farthest(t, g, file, norms), "tfhub"
			if f.Format == c.format && apart > 1e-7 || (f.Format == tf) != (c.format == tf) && apart < 1e-5 {
				t.Errorf("%s: norms by %s are %g from the stored ones", c.src, f.Text, apart)
			}
		}
	}
}

// farthest is the largest relative distance of spectral norms.
func farthest(t *testing.T, g *graph.Graph, a, b weights.Source) float64 {
	t.Helper()
	most := 0.0
	for _, p := range g.Params() {
		if p.Role != graph.Sigma {
			continue
		}
		var x, y [1]float64
		if err := a.Float64s(x[:], p.Name); err != nil {
			t.Fatal(err)
		}
		if err := b.Float64s(y[:], p.Name); err != nil {
			t.Fatal(err)
		}
		most = math.Max(most, math.Abs(x[0]/y[0]-1))
	}
	return most
}
