package sample

// Classes draws k of n classes by seed: Choose, of stream 1.
func Classes(seed uint32, k, n int) []int { return Choose(seed, 1, k, n) }

// Choose draws k of n things by seed, without repetition until all were drawn. The first
// ones of a larger k are those of a smaller one. Streams from 1 differ from each other and
// from the noise: each is that of NumPy's RandomState([seed, stream]); each draw is
// floor(random_sample()·left) into the things left, in order.
func Choose(seed, stream uint32, k, n int) []int {
	g := newMT19937ByArray([]uint32{seed, stream})
	var left, drawn []int
	for range k {
		if len(left) == 0 {
			for c := range n {
				left = append(left, c)
			}
		}
		i := int(g.double() * float64(len(left)))
		drawn = append(drawn, left[i])
		left = append(left[:i], left[i+1:]...)
	}
	return drawn
}
