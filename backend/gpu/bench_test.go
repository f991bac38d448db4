package gpu

import (
	"math"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
)

// BenchmarkGEMM multiplies 512x512 by 512x512 with the shader of convolutions: a 1x1 convolution of 512
// channels on 512 pixels. The time is the dispatch's, by itself.
func BenchmarkGEMM(b *testing.B) {
	g := graph.New("gemm")
	x := g.InputMap("x", 512, 16, 32)
	at := g.At("conv")
	g.Output("out", at.Conv(x, at.Param("weight", graph.Weight, 512, 512, 1, 1), nil, nil))
	network, err := g.Build()
	if err != nil {
		b.Fatal(err)
	}
	p, err := on(b)(network, ramp{network}, backend.Options{Precision: precision()})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	in := backend.Inputs{Batch: 1, Truncation: 1, Tensors: map[string][]float32{"x": make([]float32, 512*512)}}
	best, tile := math.Inf(1), ""
	for b.Loop() {
		layers, err := p.(backend.Profiled).Profile(b.Context(), in)
		if err != nil {
			b.Fatal(err)
		}
		for _, l := range layers {
			if l.Kind == "conv 1x1" {
				best, tile = min(best, l.Time.Seconds()), l.Method
			}
		}
	}
	b.ReportMetric(2*512*512*512/best/1e9, "GFLOP/s")
	b.Logf("tile %s", tile)
}
