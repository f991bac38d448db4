package sample

// Classes draws k of n classes by seed, without repetition until all were drawn. The first
// ones of a larger k are those of a smaller one. The stream is that of NumPy's
// RandomState([seed, 1]), so that it does not repeat the noise's; each draw is
// floor(random_sample()·left) into the classes left, in order.
func Classes(seed uint32, k, n int) []int {
	g := newMT19937ByArray([]uint32{seed, 1})
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
