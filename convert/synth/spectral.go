package synth

import (
	"math"
	"strings"
	"sync"

	"github.com/biggan-zoo/biggan/graph"
)

// spectral declares the weight of a spectrally normalised layer and the vectors that
// training would have left beside it: three rounds of power iteration in float64.
func (c *Checkpoint) spectral(n *graph.Node) {
	p := n.Weight
	rows := p.Shape[0]
	fan := p.Elements() / rows
	scale := math.Sqrt(3 / float64(fan))
	var weightName string
	c.declare(p, func(name string) ([]byte, error) {
		h := hash(name)
		return fill(name, p.Elements(), func(_ string, i int) float64 { return uniform(h, i) * scale }), nil
	})
	weightName = c.tensors[len(c.tensors)-1].Name

	layer := strings.TrimSuffix(p.Name, ".weight")
	vectors := func(uName string) func() (left, right []float64) {
		return sync.OnceValues(func() ([]float64, []float64) {
			w := make([]float64, rows*fan)
			h := hash(weightName)
			for i := range w {
				w[i] = float64(float32(uniform(h, i) * scale))
			}
			return powerIteration(w, rows, fan, uName)
		})
	}
	uParam := &graph.Param{Name: layer + ".u", Role: graph.U, Shape: []int{rows}}
	vParam := &graph.Param{Name: layer + ".v", Role: graph.V, Shape: []int{fan}}
	var both func() (left, right []float64)
	c.declare(uParam, func(string) ([]byte, error) {
		left, _ := both()
		return fill("", rows, func(_ string, i int) float64 { return left[i] }), nil
	})
	both = vectors(c.tensors[len(c.tensors)-1].Name)
	c.declare(vParam, func(string) ([]byte, error) {
		_, right := both()
		return fill("", fan, func(_ string, i int) float64 { return right[i] }), nil
	})
}

// powerIteration approximates the singular vectors of the largest singular value.
func powerIteration(w []float64, rows, fan int, uName string) (left, right []float64) {
	left, right = make([]float64, rows), make([]float64, fan)
	for i := range left {
		left[i] = u(uName, i)
	}
	for range 3 {
		clear(right)
		for r, x := range left {
			for j, v := range w[r*fan:][:fan] {
				right[j] += v * x
			}
		}
		normalise(right)
		for r := range left {
			var sum float64
			for j, v := range w[r*fan:][:fan] {
				sum += v * right[j]
			}
			left[r] = sum
		}
		normalise(left)
	}
	return left, right
}

func normalise(x []float64) {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	norm := math.Sqrt(sum)
	for i := range x {
		x[i] /= norm
	}
}
