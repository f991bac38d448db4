package cpu

import (
	"slices"
)

// buffer is a region that a step writes and later steps read: a feature map of one sample,
// [height, width, channels], or a vector of every sample of a batch.
type buffer struct {
	id          int
	size        int // float32 values (of one sample)
	first, last int // steps of maps that write it first and read it last
}

// layout places the feature maps in one arena: maps that are never needed at the same time
// share their place.
type layout struct {
	offset  []int // by buffer id
	total   int
	vectors []int // sizes of the batch vectors, by id
	norms   int   // values of all scales, and of all shifts
	scratch int   // values a thread needs for itself
}

// alignment of buffers, in values: a cache line.
const alignment = 16

// place assigns offsets, largest buffers first, each at the lowest offset that no buffer
// alive at the same time takes.
func place(buffers []*buffer) (offset []int, total int) {
	for _, b := range buffers {
		b.size = (b.size + alignment - 1) / alignment * alignment
	}
	order := slices.Clone(buffers)
	slices.SortStableFunc(order, func(a, b *buffer) int { return b.size - a.size })
	offset = make([]int, len(buffers))
	var placed []*buffer
	for _, b := range order {
		at := 0
		for moved := true; moved; {
			moved = false
			for _, p := range placed {
				alive := p.first <= b.last && b.first <= p.last
				if alive && offset[p.id] < at+b.size && at < offset[p.id]+p.size {
					at, moved = offset[p.id]+p.size, true
				}
			}
		}
		offset[b.id] = at
		total = max(total, at+b.size)
		placed = append(placed, b)
	}
	return offset, total
}

// arena is the memory of one run: the vectors of the batch, and a space for each sample that
// is computed at the same time.
type arena struct {
	vectors [][]float32
	spaces  []*space
}

// space is the memory of a sample.
type space struct {
	layout       *layout
	maps         []float32
	scale, shift []float32
	scratch      [][]float32 // by thread
}

// values are the contents of a buffer.
func (s *space) values(b *buffer) []float32 {
	at := s.layout.offset[b.id]
	return s.maps[at : at+b.size : at+b.size]
}

// acquire takes an idle arena or makes one, with room for the batch's vectors and for some
// samples. The first has room for all threads.
func (p *program) acquire(batch, samples int) *arena {
	p.mu.Lock()
	a := &arena{vectors: make([][]float32, len(p.layout.vectors))}
	if n := len(p.arenas); n > 0 {
		a, p.arenas = p.arenas[n-1], p.arenas[:n-1]
	}
	p.mu.Unlock()
	for i, size := range p.layout.vectors {
		if len(a.vectors[i]) < size*batch {
			a.vectors[i] = make([]float32, size*batch)
		}
	}
	for i := range samples {
		if i == len(a.spaces) {
			a.spaces = append(a.spaces, &space{
				layout: &p.layout, maps: floats(p.layout.total), scale: make([]float32, p.layout.norms), shift: make([]float32, p.layout.norms),
			})
		}
		threads := p.threads
		if i > 0 {
			threads /= samples
		}
		for s := a.spaces[i]; len(s.scratch) < threads; {
			s.scratch = append(s.scratch, floats(p.layout.scratch))
		}
	}
	return a
}

// idle is how many arenas a program keeps for later runs.
const idle = 4

func (p *program) release(a *arena) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.arenas) < idle {
		p.arenas = append(p.arenas, a)
	}
}
