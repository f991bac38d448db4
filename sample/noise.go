// Package sample makes latent vectors: truncated normal noise by seed, bit for bit that of
// NumPy and SciPy as the Colab demo and Hugging Face's port call them.
package sample

// Noise is the z of n samples of dim values:
//
//	truncation * float32(scipy.stats.truncnorm.rvs(-2, 2, size=(n, dim), random_state=RandomState(seed)))
//
// The product is rounded once, in float32. The first samples of a larger n are those of a smaller one.
func Noise(seed uint32, n, dim int, truncation float64) []float32 {
	g := newMT19937(seed)
	z := make([]float32, n*dim)
	t := float32(truncation)
	for i := range z {
		z[i] = t * float32(truncatedNormal(g.double()))
	}
	return z
}

// na and nb are the normal distribution function at -2 and 2.
const (
	na = 0x1.74bcf82c9d85cp-6
	nb = 0x1.f45a183e9b13dp-1
)

// truncatedNormal maps q in [0,1) to the quantile of the standard normal distribution cut
// off at -2 and 2 (SciPy up to 1.8: ndtri of the mixed tail areas).
func truncatedNormal(q float64) float64 {
	// The conversions keep the compiler from fusing multiplication and addition.
	return ndtri(float64(q*nb) + float64(na*float64(1-q)))
}
