package sample

import (
	"fmt"
	"math"
)

// Path is a way between two latent vectors.
type Path string

const (
	// Linear is (1-t)·a + t·b, the Colab demo's way. Halfway the vector is shorter than its ends,
	// and the picture more typical.
	Linear Path = "linear"
	// Slerp turns a into b on a great circle, and so keeps the length between those of its ends
	// (Shoemake 1985).
	Slerp Path = "slerp"
)

// Paths are all ways; the first is the default.
var Paths = []Path{Linear, Slerp}

// ParsePath reads a way by name; "" is Linear.
func ParsePath(name string) (Path, error) {
	switch p := Path(name); p {
	case Linear, Slerp:
		return p, nil
	case "":
		return Linear, nil
	}
	return "", fmt.Errorf("sample: path %q, want one of %v", name, Paths)
}

// Between is the vector at t, 0 to 1, on the way from a to b, of one length. At 0 and 1 it is
// a and b exactly. It is computed in float64 and rounded once.
func (p Path) Between(a, b []float32, t float64) []float32 {
	wa, wb := 1-t, t
	if p == Slerp {
		wa, wb = slerp(a, b, t)
	}
	out := make([]float32, len(a))
	for i := range out {
		out[i] = float32(float64(wa*float64(a[i])) + float64(wb*float64(b[i])))
	}
	return out
}

// slerp is the weights of a and b: sin((1-t)·angle)/sin(angle) and sin(t·angle)/sin(angle).
// Where the angle is close to 0 or to a half turn, or a vector is zero, the way is linear.
func slerp(a, b []float32, t float64) (wa, wb float64) {
	var dot, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		dot += x * y
		aa += x * x
		bb += y * y
	}
	if t == 0 || t == 1 || aa == 0 || bb == 0 {
		return 1 - t, t
	}
	angle := math.Acos(min(max(dot/math.Sqrt(aa*bb), -1), 1))
	sin := math.Sin(angle)
	if sin < 1e-6 {
		return 1 - t, t
	}
	return math.Sin((1-t)*angle) / sin, math.Sin(t*angle) / sin
}

// Steps are k values from 0 to 1, both included, evenly spaced as numpy.linspace(0, 1, k)
// has them; of a loop they go on from 1 back towards 0, which is not repeated: 2(k-1) values.
func Steps(k int, loop bool) []float64 {
	steps := make([]float64, k)
	for i := range steps {
		steps[i] = float64(i) * (1 / float64(max(k-1, 1)))
	}
	if k > 1 {
		steps[k-1] = 1
	}
	if loop {
		for i := k - 2; i > 0; i-- {
			steps = append(steps, steps[i])
		}
	}
	return steps
}
