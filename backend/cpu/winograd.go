package cpu

import (
	"fmt"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// fast is a 3x3 convolution, or the four 2x2 ones after an upsampling, by Winograd's tiles.
// A work item transforms the input of some tiles, multiplies each plane by its weights, and
// transforms back while it stores: nothing between leaves the cache.
type fast struct {
	w              *kernel.Winograd
	channels, outs int
	h, width       int // of the input map
	phases         []phase
	packed         [][]float32 // by phase: panels, within them planes, [channels][NR]
	tiles          int         // of an item
	half           bool        // products in bfloat16
	pairs          [][]uint32  // then the packed weights: [channels/2][NR]
}

// An item's transformed input fits cacheBudget values, with at least leastTiles tiles.
const (
	cacheBudget = 192 << 10
	leastTiles  = 28
	mostTiles   = 112
	// stageChannels are staged, padded and normalised, at a time.
	stageChannels = 64
)

func newFast(w *kernel.Winograd, in view, outs int, half bool) *fast {
	f := &fast{w: w, channels: in.c, outs: outs, h: in.h, width: in.w, phases: phasesOf(3, in.up), half: half}
	_, across := f.grid()
	f.tiles = min(max(cacheBudget/(w.N*w.N*f.lda()), leastTiles), mostTiles)
	if f.tiles > across {
		f.tiles = f.tiles / across * across // whole rows
	}
	return f
}

func (f *fast) String() string { return fmt.Sprintf("F(%d,%d)", f.w.M, f.w.R) + suffix(f.half) }

// lda is how far apart the channels of tiles lie, in words of memory.
func (f *fast) lda() int {
	if f.half {
		return f.channels/2 + rowGap
	}
	return f.channels + rowGap
}

func (f *fast) planes() int { return f.w.N * f.w.N }

// grid is how many tiles cover the map, down and across.
func (f *fast) grid() (down, across int) {
	return kernel.Panels(f.h, f.w.M), kernel.Panels(f.width, f.w.M)
}

func (f *fast) panel() int { return f.planes() * f.channels * kernel.NR }

func (f *fast) bytes() int64 {
	return valueBytes(f.half) * int64(len(f.phases)) * int64(kernel.Panels(f.outs, kernel.NR)*f.panel())
}

// stage is the room for the padded input of a row of tiles.
func (f *fast) stage() int {
	_, across := f.grid()
	return f.w.N * (min(f.tiles, across)*f.w.M + f.w.R) * min(stageChannels, f.channels)
}

func (f *fast) scratch() int {
	return f.planes()*f.tiles*(f.lda()+kernel.NR) + f.stage() + f.w.M*f.w.M*kernel.NR + kernel.Temp + 5*alignment
}

func (f *fast) reserve(m *slab) {
	f.packed, f.pairs = m.phases(len(f.phases), kernel.Panels(f.outs, kernel.NR)*f.panel(), f.half)
}

// add transforms the kernels, a panel of outputs at a time. Of a phase, taps are sums of the
// kernel's values.
func (f *fast) add(k *kernel.Set, values []float32, factor float64, from, to, at int) {
	taps := f.w.R * f.w.R
	g, temp := make([]float32, taps*kernel.NR), make([]float32, kernel.Temp)
	for i, p := range f.phases {
		sources := p.sources(3)
		for o := from; o < to; {
			col := at + o - from
			n := min(to-o, kernel.NR-col%kernel.NR)
			if f.half {
				f.addPairs(k, i, values, factor, sources, o, n, col)
				o += n
				continue
			}
			panel := f.packed[i][col/kernel.NR*f.panel()+col%kernel.NR:]
			for ch := range f.channels {
				gather(g, values[(o*f.channels+ch)*9:], f.channels*9, n, sources, factor)
				k.Weights(f.w, panel[ch*kernel.NR:], f.channels*kernel.NR, g, kernel.NR, n, temp)
			}
			o += n
		}
	}
}

// addPairs is add for n outputs from o, rounded.
func (f *fast) addPairs(k *kernel.Set, phase int, values []float32, factor float64, sources [][]int, o, n, col int) {
	g, temp := make([]float32, len(sources)*kernel.NR), make([]float32, kernel.Temp)
	even, odd := make([]float32, f.planes()*kernel.NR), make([]float32, f.planes()*kernel.NR)
	panel := f.pairs[phase][col/kernel.NR*f.panel()/2+col%kernel.NR:]
	for ch := 0; ch < f.channels; ch += 2 {
		gather(g, values[(o*f.channels+ch)*9:], f.channels*9, n, sources, factor)
		k.Weights(f.w, even, kernel.NR, g, kernel.NR, n, temp)
		gather(g, values[(o*f.channels+ch+1)*9:], f.channels*9, n, sources, factor)
		k.Weights(f.w, odd, kernel.NR, g, kernel.NR, n, temp)
		for p := range f.planes() {
			pair(panel[(p*f.channels+ch)/2*kernel.NR:][:n], even[p*kernel.NR:], odd[p*kernel.NR:])
		}
	}
}

func (f *fast) run(e *env, s *convStep) error {
	down, across := f.grid()
	in := s.in.reader(e)
	blocks, block := share(down*across, f.tiles)
	if f.tiles >= across { // whole rows of tiles
		rows := f.tiles / across
		blocks = kernel.Panels(down, rows)
		block = func(i int) (from, to int) { return i * rows * across, min((i+1)*rows, down) * across }
	}
	width := columnBlock(s.outs, len(f.phases)*blocks, e.threads)
	cols := kernel.Panels(s.outs, width)
	transformed := make([]int, e.threads) // what each thread's scratch holds, from 1
	return e.parallel(len(f.phases)*blocks*cols, func(worker, item int) {
		j := &tilesJob{fast: f, e: e, s: s, phase: item / (blocks * cols)}
		j.from, j.to = block(item / cols % blocks)
		j.take(e.scratch[worker])
		if tiles := item/cols + 1; transformed[worker] != tiles {
			j.transform(in)
			transformed[worker] = tiles
		}
		for col := item % cols * width; col < min((item%cols+1)*width, s.outs); col += kernel.NR {
			j.panel(col, min(kernel.NR, s.outs-col))
		}
	})
}

// tilesJob is the work on tiles [from,to) of a phase.
type tilesJob struct {
	*fast
	e                          *env
	s                          *convStep
	phase                      int
	from, to                   int
	v, m, staged, corner, temp []float32 // scratch
}

func (j *tilesJob) take(scratch []float32) {
	part := func(n int) []float32 {
		x := scratch[:n]
		scratch = scratch[kernel.Panels(n, alignment)*alignment:]
		return x
	}
	j.v, j.m = part(j.planes()*j.tiles*j.lda()), part(j.planes()*j.tiles*kernel.NR)
	j.temp, j.corner, j.staged = part(kernel.Temp), part(j.w.M*j.w.M*kernel.NR), part(j.stage())
}

// rows calls f for each run of tiles in one row of the grid: its first tile's number within
// the job and place in the grid.
func (j *tilesJob) rows(f func(number, ty, tx, count int)) {
	_, across := j.grid()
	for t := j.from; t < j.to; {
		ty, tx := t/across, t%across
		count := min(j.to-t, across-tx)
		f(t-j.from, ty, tx, count)
		t += count
	}
}

// transform fills the planes: plane p, tile t, channel c at (p·tiles + t)·lda + c.
func (j *tilesJob) transform(in reader) {
	p := j.phases[j.phase]
	m, n := j.w.M, j.w.N
	j.rows(func(number, ty, tx, count int) {
		pixels := count*m + n - m
		for c := 0; c < j.channels; c += stageChannels {
			cs := min(stageChannels, j.channels-c)
			for y := range n {
				in.padded(j.staged[y*pixels*cs:], cs, ty*m+y+p.taps[0][0], tx*m+p.taps[0][1], pixels, c, cs)
			}
			t := kernel.Tiles{Count: count, Channels: cs, Row: pixels * cs, Pixel: cs, Tile: m * cs, Plane: j.tiles * j.lda(), Next: j.lda()}
			if k := j.e.program.kernels; j.half {
				k.InputBF16(j.w, t, kernel.Words(j.v)[number*j.lda()+c/2:], j.staged, j.temp)
			} else {
				k.Input(j.w, t, j.v[number*j.lda()+c:], j.staged, j.temp)
			}
		}
	})
}

// panel computes n output channels from col.
func (j *tilesJob) panel(col, n int) {
	k := j.e.program.kernels
	count := j.to - j.from
	for p := range j.planes() {
		if j.half {
			weights := j.pairs[j.phase][(col/kernel.NR*j.panelSize()+p*j.channels*kernel.NR)/2:]
			k.GemmBF16(count, n, j.channels/2, kernel.Words(j.v)[p*j.tiles*j.lda():], j.lda(), weights, 0, j.m[p*j.tiles*kernel.NR:], kernel.NR, false)
			continue
		}
		weights := j.packed[j.phase][col/kernel.NR*j.panelSize()+p*j.channels*kernel.NR:]
		k.Gemm(count, n, j.channels, j.v[p*j.tiles*j.lda():], j.lda(), weights, 0, j.m[p*j.tiles*kernel.NR:], kernel.NR, false)
	}
	j.rows(func(number, ty, tx, count int) { j.store(number, ty, tx, count, col, n) })
}

func (j *tilesJob) panelSize() int { return j.fast.panel() }

// store transforms a run of tiles back into the output.
func (j *tilesJob) store(number, ty, tx, count, col, n int) {
	k, s, p := j.e.program.kernels, j.s, j.phases[j.phase]
	m, pixel := j.w.M, p.scale*s.outs
	row := p.scale * j.width * pixel
	out := j.e.values(s.out)
	high, wide := min(m, j.h-ty*m), min(count*m, j.width-tx*m) // pixels of the run inside the map
	t := kernel.Tiles{Channels: n, Row: row, Pixel: pixel, Tile: m * pixel, Plane: j.tiles * kernel.NR, Next: kernel.NR}
	at := func(y, x int) int { return (ty*m+y)*row + (tx*m+x)*pixel + (p.dy*p.scale*j.width+p.dx)*s.outs + col }
	if s.residual != nil {
		for y := range high {
			s.begin(j.e, out[at(y, 0):], (ty*m+y)*p.scale+p.dy, tx*m*p.scale+p.dx, p.scale, wide, col, n)
		}
	}
	from := j.m[number*kernel.NR:]
	if high == m {
		t.Count = wide / m
		k.Output(j.w, t, out[at(0, 0):], from, s.bias[col:], s.residual != nil, j.temp)
	}
	for i := t.Count; i < count; i++ { // tiles that hang over the edge
		corner := kernel.Tiles{Count: 1, Channels: n, Row: m * n, Pixel: n, Plane: t.Plane, Next: t.Next}
		bias := s.bias[col:]
		if s.residual != nil {
			bias = j.e.program.zeros
		}
		k.Output(j.w, corner, j.corner, from[i*kernel.NR:], bias, false, j.temp)
		for y := range high {
			for x := range min(m, wide-i*m) {
				dst, add := out[at(y, i*m+x):], j.e.program.zeros
				if s.residual != nil {
					add = dst
				}
				k.AddRows(dst, 0, j.corner[(y*m+x)*n:], 0, 1, n, add)
			}
		}
	}
	if s.tanh {
		for y := range high {
			for x := range wide {
				k.Tanh(out[at(y, x):][:n])
			}
		}
	}
}
