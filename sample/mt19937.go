package sample

// mt19937 is the Mersenne Twister of Matsumoto and Nishimura (1998), seeded by init_genrand
// as NumPy's RandomState(int) is.
type mt19937 struct {
	state [624]uint32
	next  int
}

func newMT19937(seed uint32) *mt19937 {
	g := &mt19937{next: 624}
	g.state[0] = seed
	for i := 1; i < len(g.state); i++ {
		g.state[i] = 1812433253*(g.state[i-1]^g.state[i-1]>>30) + uint32(i)
	}
	return g
}

// refill makes the next 624 words.
func (g *mt19937) refill() {
	const n, m = 624, 397
	for i := range n {
		y := g.state[i]&0x80000000 | g.state[(i+1)%n]&0x7fffffff
		v := g.state[(i+m)%n] ^ y>>1
		if y&1 != 0 {
			v ^= 0x9908b0df
		}
		g.state[i] = v
	}
	g.next = 0
}

func (g *mt19937) uint32() uint32 {
	if g.next == len(g.state) {
		g.refill()
	}
	y := g.state[g.next]
	g.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// double has 53 random bits, in [0,1) (genrand_res53).
func (g *mt19937) double() float64 {
	a, b := g.uint32()>>5, g.uint32()>>6
	return float64(float64(a)*67108864+float64(b)) / 9007199254740992
}

// newMT19937ByArray seeds by init_by_array, as NumPy's RandomState(list) does.
func newMT19937ByArray(key []uint32) *mt19937 {
	const n = 624
	g := newMT19937(19650218)
	i, j := 1, 0
	step := func() {
		if i++; i == n {
			g.state[0], i = g.state[n-1], 1
		}
	}
	mixed := func(factor uint32) uint32 {
		previous := g.state[i-1]
		return g.state[i] ^ (previous^previous>>30)*factor
	}
	for range max(n, len(key)) {
		g.state[i] = mixed(1664525) + key[j] + uint32(j)
		j = (j + 1) % len(key)
		step()
	}
	for range n - 1 {
		g.state[i] = mixed(1566083941) - uint32(i)
		step()
	}
	g.state[0] = 0x80000000
	return g
}
