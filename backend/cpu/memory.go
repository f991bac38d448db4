package cpu

import (
	"sync"
	"unsafe"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// hugePage is the size and alignment, in bytes, of the pages that spare lookups of addresses
// where much memory is read in order.
const hugePage = 2 << 20

// floats is a slice of zeros, on huge pages where it is large and the system has them. They
// are taken at the first touch, so that memory which is never used costs nothing.
func floats(n int) []float32 {
	const page = hugePage / 4
	if n < page {
		return make([]float32, n)
	}
	all := make([]float32, n+page-1)
	if past := int(uintptr(unsafe.Pointer(&all[0])) / 4 % page); past > 0 {
		all = all[page-past:]
	}
	all = all[:n:n]
	adviseHuge(unsafe.Slice((*byte)(unsafe.Pointer(&all[0])), 4*n))
	return all
}

// slab is one piece of memory for all packed weights of a program.
type slab struct {
	mu   sync.Mutex
	free []float32
}

// take gives n zeros. They begin at a cache line, for panels are whole lines.
func (s *slab) take(n int) []float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.free[:n:n]
	s.free = s.free[n:]
	return x
}

// phases gives n weights for each phase, of bfloat16 as words of two.
func (s *slab) phases(count, n int, half bool) (packed [][]float32, pairs [][]uint32) {
	for range count {
		if half {
			pairs = append(pairs, kernel.Words(s.take(n/2)))
		} else {
			packed = append(packed, s.take(n))
		}
	}
	return packed, pairs
}
