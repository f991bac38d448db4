package convert

import "math"

// sigmaFormula computes the spectral norm of a weight from the stored vectors,
// in float64, as the source does when it runs.
type sigmaFormula func(w matrix, u, v []float64) float64

// storedVectors is PyTorch's own spectral_norm in eval mode: sigma = u·(W v).
func storedVectors(w matrix, u, v []float64) float64 {
	return dot(u, w.times(v))
}

// onePowerIteration is BigGAN-PyTorch's SN in eval mode (layers.py, power_iteration): from
// the stored u, v = normalize(u W), u = normalize(v Wᵀ), sigma = v Wᵀ·u.
func onePowerIteration(eps float64) sigmaFormula {
	return func(w matrix, u, _ []float64) float64 {
		v, wv := w.thereAndBack(u)
		norm := max(math.Sqrt(dot(v, v)), eps)
		for i := range wv {
			wv[i] /= norm
		}
		return dot(wv, normalize(append([]float64(nil), wv...), eps))
	}
}

// tensorFlow is the spectral norm in DeepMind's graphs: v = u0 Wᵀ, v *= rsqrt(Σv² + eps),
// u = v W, u *= rsqrt(Σu² + eps), sigma = (v W)·u, of their W, which is ours transposed.
func tensorFlow(eps float64) sigmaFormula {
	return func(w matrix, u, _ []float64) float64 {
		v, vw := w.thereAndBack(u)
		sum := dot(vw, vw) / (dot(v, v) + eps)
		return sum / math.Sqrt(sum+eps)
	}
}

// normalize divides by max(|x|, eps), in place.
func normalize(x []float64, eps float64) []float64 {
	norm := max(math.Sqrt(dot(x, x)), eps)
	for i := range x {
		x[i] /= norm
	}
	return x
}

func dot(a, b []float64) float64 {
	var s float64
	for i, v := range a {
		s += v * b[i]
	}
	return s
}
