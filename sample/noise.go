// Package sample makes latent vectors: noise by seed, bit for bit that of NumPy and SciPy
// as the Colab demo and Hugging Face's port call them, and ways between vectors.
package sample

import (
	"fmt"
	"math"
)

// Kind is a distribution of latent vectors. All follow NumPy's RandomState(seed).
type Kind string

const (
	// Truncated is what the Colab demo and Hugging Face's port draw, and what the statistics of
	// the released models were measured with: the standard normal distribution cut off at -2
	// and 2, times the truncation.
	//
	//	truncation * float32(scipy.stats.truncnorm.rvs(-2, 2, size=(n, dim), random_state=RandomState(seed)))
	Truncated Kind = "truncated"
	// Normal is the standard normal distribution times the truncation, without a cut.
	//
	//	truncation * float32(RandomState(seed).randn(n, dim))
	Normal Kind = "normal"
	// Resampled is the truncation of the paper (BigGAN, section 3.1): standard normal values;
	// one whose magnitude exceeds the truncation is drawn again until it does not. At the same
	// truncation these are nearly uniform between -truncation and truncation, and so wider
	// spread within narrower bounds than Truncated.
	Resampled Kind = "resampled"
)

// Kinds are all distributions; the first is the default.
var Kinds = []Kind{Truncated, Normal, Resampled}

// minResampled is the least truncation above 0 that Resampled takes: it draws about
// 1.25/truncation values for one.
const minResampled = 1e-3

// Source draws latent vectors one after another. The first values of a seed are the same
// however many follow.
type Source struct {
	next       func() float64
	truncation float32
}

// NewSource starts a seed. The kind "" is Truncated. The truncation is 0 or more.
func NewSource(kind Kind, seed uint32, truncation float64) (*Source, error) {
	g := newMT19937(seed)
	s := &Source{truncation: float32(truncation)}
	switch kind {
	case Truncated, "":
		s.next = truncatedFrom(g)
	case Normal:
		s.next = (&gauss{g: g}).next
	case Resampled:
		if truncation > 0 && truncation < minResampled {
			return nil, fmt.Errorf("sample: truncation %v, want 0 or at least %v for resampled noise", truncation, minResampled)
		}
		s.next = resampled(&gauss{g: g}, truncation)
		s.truncation = 1
	default:
		return nil, fmt.Errorf("sample: noise %q, want one of %v", kind, Kinds)
	}
	return s, nil
}

// Fill draws the next values into z. The product with the truncation is rounded once, in float32.
func (s *Source) Fill(z []float32) {
	for i := range z {
		z[i] = s.truncation * float32(s.next())
	}
}

// Skip passes over n values.
func (s *Source) Skip(n int) {
	for range n {
		s.next()
	}
}

// Noise is Truncated noise: the z of n samples of dim values. The first samples of a larger
// n are those of a smaller one.
func Noise(seed uint32, n, dim int, truncation float64) []float32 {
	s := &Source{next: truncatedFrom(newMT19937(seed)), truncation: float32(truncation)}
	z := make([]float32, n*dim)
	s.Fill(z)
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

func truncatedFrom(g *mt19937) func() float64 {
	return func() float64 { return truncatedNormal(g.double()) }
}

// gauss draws standard normal values by Marsaglia's polar method, two at a time, as NumPy's
// RandomState does.
type gauss struct {
	g    *mt19937
	kept float64
	has  bool
}

func (n *gauss) next() float64 {
	if n.has {
		n.has = false
		return n.kept
	}
	for {
		x1, x2 := float64(2*n.g.double())-1, float64(2*n.g.double())-1
		r2 := float64(x1*x1) + float64(x2*x2)
		if r2 >= 1 || r2 == 0 {
			continue
		}
		f := math.Sqrt(-2 * math.Log(r2) / r2)
		n.kept, n.has = f*x1, true
		return f * x2
	}
}

// resampled draws until the magnitude, in float32, is at most the threshold.
func resampled(n *gauss, threshold float64) func() float64 {
	if threshold == 0 {
		return func() float64 { return 0 }
	}
	limit := float32(threshold)
	return func() float64 {
		for {
			if v := float32(n.next()); v >= -limit && v <= limit {
				return float64(v)
			}
		}
	}
}
