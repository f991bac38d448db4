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

// arena is the memory of one run.
type arena struct {
	layout       *layout
	maps         []float32
	vectors      [][]float32
	scale, shift []float32
	scratch      [][]float32 // by thread
}

// values are the contents of a buffer.
func (a *arena) values(b *buffer) []float32 {
	at := a.layout.offset[b.id]
	return a.maps[at : at+b.size : at+b.size]
}

// acquire takes an idle arena or makes one, with room for the batch's vectors.
func (p *program) acquire(batch int) *arena {
	p.mu.Lock()
	var a *arena
	if n := len(p.arenas); n > 0 {
		a, p.arenas = p.arenas[n-1], p.arenas[:n-1]
	}
	p.mu.Unlock()
	if a == nil {
		a = &arena{
			layout: &p.layout, maps: floats(p.layout.total), vectors: make([][]float32, len(p.layout.vectors)),
			scale: make([]float32, p.layout.norms), shift: make([]float32, p.layout.norms), scratch: make([][]float32, p.threads),
		}
		for i := range a.scratch {
			a.scratch[i] = floats(p.layout.scratch)
		}
	}
	for i, size := range p.layout.vectors {
		if len(a.vectors[i]) < size*batch {
			a.vectors[i] = make([]float32, size*batch)
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
