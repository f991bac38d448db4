package gpu

import (
	"math"

	"github.com/biggan-zoo/biggan/backend/gpu/shader"
)

// step is one dispatch of a run.
type step struct {
	name   string // of the node
	op     shader.Op
	bind   []operand // the storage bindings of the shader, in its order
	grid   func(batch int) grid
	conv   *convStep // of a convolution, whose tile tuning chooses
	export int       // that the step writes for the host; -1 = none
}

// operand is what a binding shows to a shader.
type operand struct {
	tensor   *tensor
	constant *constant
	norms    bool // the scales and shifts of all normalisations
}

// constant is data that is uploaded once. Its place is settled when all sizes are known.
type constant struct {
	size   int // bytes
	half   bool
	pack   func() ([]float32, error) // nil: words
	words  []uint32
	arena  int
	offset int64
}

// grid is a step for a batch: its parameters and its workgroups.
type grid struct {
	params  []uint32
	x, y, z int
}

// threads is the size of an elementwise workgroup, maxSpan the most items of a row of the grid.
const threads, maxSpan = 64, 1 << 20

// elementwise lays items out as rows of the grid.
func elementwise(items int) (span, x, y int) {
	span = min(items, maxSpan)
	return span, (span + threads - 1) / threads, (items + span - 1) / span
}

// words are a view's parameters in the shaders' struct View.
func (l *lowering) words(v view, factor float32) []uint32 {
	var at, normed int
	if v.norm != nil {
		at, normed = v.norm.at, 1
	}
	up := 0
	if v.up {
		up = 1
	}
	w := integers(v.base, v.t.size, v.pixel, v.w, at, 2*l.normTotal, l.normTotal, normed)
	return append(w, v.floor(), uint32(up), uint32(v.c), math.Float32bits(factor))
}

// out is the shaders' struct Out: a map of c channels, padded, at some place of a tensor.
type out struct {
	t              *tensor
	base, pixel    int
	c, padded      int
	h, w           int
	mode           int
	extra, spare   int
	itemsPerSample int
}

func (o out) words(batch int) (words []uint32, x, y int) {
	items := batch * o.itemsPerSample
	span, x, y := elementwise(items)
	return integers(o.base, o.t.size, o.pixel, o.w, items, span, o.c, o.padded, o.h, o.mode, o.extra, o.spare), x, y
}

func integers(values ...int) []uint32 {
	w := make([]uint32, len(values))
	for i, v := range values {
		w[i] = uint32(v)
	}
	return w
}

// place is where a view's plain values are written.
func place(v view, mode int) out {
	return out{
		t: v.t, base: v.base, pixel: v.pixel, c: v.c, padded: fours(v.c), h: v.h, w: v.w, mode: mode,
		itemsPerSample: v.h * v.w * fours(v.c),
	}
}

// emit appends a step and notes the lifetimes of what it reads and writes.
func (l *lowering) emit(s step, writes *tensor, reads ...view) {
	at := len(l.steps)
	s.export = -1
	l.steps = append(l.steps, s)
	for _, v := range reads {
		v.t.last = max(v.t.last, at)
	}
	if writes != nil {
		writes.first, writes.last = min(writes.first, at), max(writes.last, at)
	}
}

// elementwiseStep emits a step of a shader that writes one value a thread.
func (l *lowering) elementwiseStep(name string, op shader.Op, to out, in []view, factors []float32) {
	var bind []operand
	for _, v := range in {
		bind = append(bind, operand{tensor: v.t})
	}
	bind = append(bind, operand{norms: true}, operand{tensor: to.t})
	l.emit(step{name: name, op: op, bind: bind, grid: func(batch int) grid {
		var params []uint32
		for i, v := range in {
			params = append(params, l.words(v, factors[i])...)
		}
		words, x, y := to.words(batch)
		return grid{append(params, words...), x, y, 1}
	}}, to.t, in...)
}

// combine writes a + factor·b, with tanh if asked, to a place of a tensor.
func (l *lowering) combine(name string, a view, b *view, factor float32, tanh bool, to view) {
	mode := 0
	if tanh {
		mode = 1
	}
	in, factors := []view{a, a}, []float32{1, 0}
	if b != nil {
		in[1], factors[1] = *b, factor
	}
	l.elementwiseStep(name, shader.Combine, place(to, mode), in, factors)
}

// pool takes the maximum or the mean of 2x2 squares.
func (l *lowering) pool(name string, v view, mean bool) view {
	h, w := v.size()
	to := l.newTensor(v.c, h/2, w/2)
	mode := 0
	if mean {
		mode = 1
	}
	l.elementwiseStep(name, shader.Pool, place(to, mode), []view{v}, []float32{1})
	return to
}

// fromFlat makes a map of flat values that lie channels first.
func (l *lowering) fromFlat(name string, flat view, c, h, w int) view {
	to := l.newTensor(c, h, w)
	l.elementwiseStep(name, shader.Permute, place(to, 0), []view{flat}, []float32{1})
	return to
}

// toFlat writes a view channels first, without padding, for the host.
func (l *lowering) toFlat(name string, v view) *tensor {
	h, w := v.size()
	n := v.c * h * w
	t := &tensor{id: len(l.tensors), size: n, first: len(l.steps), last: len(l.steps)}
	l.tensors = append(l.tensors, t)
	l.elementwiseStep(name, shader.Permute, out{t: t, c: v.c, padded: v.c, h: h, w: w, mode: 1, itemsPerSample: n}, []view{v}, []float32{1})
	return t
}

// pixelGroup is how many pixels a workgroup makes bytes of.
const pixelGroup = 4 * threads

// toPixels writes a picture's bytes for the host, three words for four pixels, then a word a workgroup that
// says whether it met a value that is no number.
func (l *lowering) toPixels(name string, v view) *tensor {
	if !v.plain() || v.up {
		v = l.materialize(name, v)
	}
	bytes, groups := 3*fours(v.h*v.w)/4, (v.h*v.w+pixelGroup-1)/pixelGroup
	t := &tensor{id: len(l.tensors), size: bytes + groups, first: len(l.steps), last: len(l.steps)}
	l.tensors = append(l.tensors, t)
	words, _, _ := out{t: t, h: v.h, w: v.w, extra: bytes, itemsPerSample: 1}.words(1)
	l.emit(step{name: name, op: shader.Pixels, bind: []operand{{tensor: v.t}, {tensor: t}}, grid: func(batch int) grid {
		return grid{append(l.words(v, 1), words...), groups, batch, 1}
	}}, t, v)
	return t
}

// reduce emits sums over pixels, or the inner product of two vectors.
func (l *lowering) reduce(name string, c int, a view, b *view) view {
	to := l.newTensor(c, 1, 1)
	o := place(to, 0)
	o.extra, o.spare = a.size()
	in := []view{a, a}
	if b != nil {
		in[1], o.mode, o.extra = *b, 1, a.c
	}
	l.elementwiseStep(name, shader.Reduce, o, in, []float32{1, 1})
	return to
}

// transposed lays keys out as the right factor of a product: [channel, pixel].
func (l *lowering) transposed(name string, v view) view {
	h, w := v.size()
	keys := h * w
	to := l.newTensor(keys, 1, fours(v.c))
	o := place(to, 0)
	o.extra = w
	l.elementwiseStep(name, shader.Transpose, o, []view{v}, []float32{1})
	return to
}

// softmax replaces rows of scores by their softmax.
func (l *lowering) softmax(name string, v view) {
	rows := v.h * v.w
	l.emit(step{name: name, op: shader.Softmax, bind: []operand{{tensor: v.t}}, grid: func(batch int) grid {
		n := batch * rows
		span := min(n, 1<<14)
		return grid{integers(n, v.c, v.pixel, span), span, (n + span - 1) / span, 1}
	}}, v.t, v)
}
