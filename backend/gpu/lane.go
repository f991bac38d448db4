package gpu

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/backend/gpu/shader"
)

// lane is the memory of one run in flight, for a batch, with everything bound: a run only copies
// its inputs, replays the steps and reads the outputs.
type lane struct {
	state    *state
	batch    int
	slots    []*device.Buffer
	norms    *device.Buffer
	params   *device.Buffer // of all steps
	blend    *device.Buffer // the truncation's rows
	in, out  *device.Buffer // the host's sides
	groups   []*device.Group
	jobs     []dispatch
	outAt    []int64 // of each export in out
	inAt     []int64 // of each input in in; the blend comes first
	released bool
}

// dispatch is a step that is ready to be recorded.
type dispatch struct {
	pipeline *device.Pipeline
	group    *device.Group
	x, y, z  int
	tile     string // of a convolution
}

// blendBytes is the size of the shader's struct Run, as a buffer.
const blendBytes = 16

// newLane reserves memory for a batch, writes the parameters and binds the steps. Errors wrap
// device.ErrMemory if there is no room.
func (s *state) newLane(batch int) (_ *lane, err error) {
	c := &lane{state: s, batch: batch}
	defer func() {
		if err != nil {
			c.release()
		}
	}()
	if err := c.reserve(); err != nil {
		return nil, err
	}
	grids := make([]grid, len(s.l.steps))
	for i, st := range s.l.steps {
		grids[i] = st.grid(batch)
	}
	if err := c.fill(grids); err != nil {
		return nil, err
	}
	for i := range s.l.steps {
		d, err := c.prepare(i, grids[i])
		if err != nil {
			return nil, err
		}
		c.jobs = append(c.jobs, d)
	}
	return c, nil
}

// reserve makes the buffers.
func (c *lane) reserve() error {
	s := c.state
	inSize, outSize := int64(blendBytes), int64(0)
	for _, in := range s.l.inputs {
		c.inAt = append(c.inAt, inSize)
		inSize += 4 * int64(in.t.size*c.batch)
	}
	for _, e := range s.l.exports {
		c.outAt = append(c.outAt, outSize)
		outSize += 4 * int64(e.t.size*c.batch)
	}
	normSize := 8 * int64(s.l.normTotal*c.batch)
	for _, b := range []struct {
		to   **device.Buffer
		kind device.Kind
		size int64
	}{
		{&c.in, device.Upload, inSize}, {&c.out, device.Readback, outSize}, {&c.norms, device.Storage, normSize},
		{&c.blend, device.Uniform, blendBytes}, {&c.params, device.Uniform, int64(len(s.l.steps)) * s.align()},
	} {
		buffer, err := s.g.NewBuffer(b.kind, b.size)
		if err != nil {
			return err
		}
		*b.to = buffer
	}
	for _, slot := range s.slots {
		buffer, err := s.g.NewBuffer(device.Storage, slot.bytes(c.batch))
		if err != nil {
			return err
		}
		c.slots = append(c.slots, buffer)
	}
	return nil
}

func (s *state) align() int64 { return s.g.Limits.Alignment }

// fill uploads the parameters of all steps, each at an aligned place, and zeroes the other buffers, so
// that padding is finite from the start.
func (c *lane) fill(grids []grid) error {
	staging, err := c.state.g.NewBuffer(device.Upload, c.params.Size)
	if err != nil {
		return err
	}
	defer staging.Release()
	clear(staging.Bytes())
	for i, g := range grids {
		at := staging.Bytes()[int64(i)*c.state.align():]
		for j, w := range g.params {
			binary.LittleEndian.PutUint32(at[4*j:], w)
		}
	}
	return c.state.g.Run(context.Background(), func(r *device.Recorder) {
		r.Copy(c.params, 0, staging, 0, c.params.Size)
		for _, b := range append(c.slots, c.norms) {
			r.Clear(b)
		}
	})
}

// prepare compiles a step's shader, binds it and sizes its grid; a convolution gets its tile.
func (c *lane) prepare(i int, g grid) (dispatch, error) {
	s, st := c.state, &c.state.l.steps[i]
	if st.conv == nil {
		return c.bind(i, shader.Variant{}, g.x, g.y, g.z)
	}
	j := st.conv.job(c.batch, s.half)
	t, err := s.g.tuning.tile(s.g, j, func(t shader.Tile) (dispatch, error) { return c.bindConv(i, j, t) })
	if err != nil {
		return dispatch{}, fmt.Errorf("gpu: %s: %w", st.name, err)
	}
	d, err := c.bindConv(i, j, t)
	if err != nil {
		return dispatch{}, fmt.Errorf("gpu: %s: %w", st.name, err)
	}
	c.groups = append(c.groups, d.group)
	d.tile = t.String()
	return d, nil
}

func (c *lane) bindConv(i int, j job, t shader.Tile) (dispatch, error) {
	x, y, z := j.groups(t)
	return c.bindTo(i, shader.Variant{Tile: t, Norm: j.norms(t), Half: j.half}, x, y, z)
}

func (c *lane) bind(i int, v shader.Variant, x, y, z int) (dispatch, error) {
	d, err := c.bindTo(i, v, x, y, z)
	if err == nil {
		c.groups = append(c.groups, d.group)
	}
	return d, err
}

// bindTo makes the dispatch of a step as a variant.
func (c *lane) bindTo(i int, v shader.Variant, x, y, z int) (dispatch, error) {
	s, st := c.state, &c.state.l.steps[i]
	p, err := s.g.pipeline(st.op, v)
	if err != nil {
		return dispatch{}, err
	}
	var bindings []device.Binding
	for _, o := range st.bind {
		switch {
		case o.norms:
			bindings = append(bindings, device.Binding{Buffer: c.norms})
		case o.tensor != nil:
			bindings = append(bindings, device.Binding{Buffer: c.slots[s.slotOf[o.tensor.id]]})
		default:
			bindings = append(bindings, device.Binding{Buffer: s.arenas[o.constant.arena], Offset: o.constant.offset, Size: o.constant.bytes(s.half)})
		}
	}
	bindings = append(bindings, device.Binding{Buffer: c.params, Offset: int64(i) * s.align(), Size: s.align()})
	if st.op == shader.Norm {
		bindings = append(bindings, device.Binding{Buffer: c.blend})
	}
	g, err := p.Bind(bindings...)
	return dispatch{pipeline: p, group: g, x: x, y: y, z: z}, err
}

// write lays the inputs of samples [from, from+batch) out for the upload.
func (c *lane) write(in backend.Inputs, blend backend.StatsBlend, from int) {
	data := c.in.Bytes()
	for i, w := range []uint32{
		uint32(blend.Row0), uint32(blend.Row1), math.Float32bits(float32(blend.W0)), math.Float32bits(float32(blend.W1)),
	} {
		binary.LittleEndian.PutUint32(data[4*i:], w)
	}
	for i, x := range c.state.l.inputs {
		values := in.Tensors[x.name][from*x.n:]
		for sample := range c.batch {
			row := data[c.inAt[i]+4*int64(sample*x.t.size):][:4*x.t.size]
			for j, v := range values[sample*x.n:][:x.n] {
				binary.LittleEndian.PutUint32(row[4*j:], math.Float32bits(v))
			}
		}
	}
}

// record replays the run for bytes or for floats: what makes the others is left out.
func (c *lane) record(r *device.Recorder, pixels bool) {
	c.recordInputs(r)
	for i := range c.jobs {
		if c.state.l.steps[i].export < 0 || c.state.l.exports[c.state.l.steps[i].export].pixels == pixels {
			c.recordStep(r, i)
		}
	}
}

func (c *lane) recordInputs(r *device.Recorder) {
	s := c.state
	r.Copy(c.blend, 0, c.in, 0, blendBytes)
	for i, x := range s.l.inputs {
		r.Copy(c.slots[s.slotOf[x.t.id]], 0, c.in, c.inAt[i], 4*int64(x.t.size*c.batch))
	}
}

// recordStep replays one step, and the copy to the host of what it exports.
func (c *lane) recordStep(r *device.Recorder, i int) {
	s, d := c.state, c.jobs[i]
	r.Dispatch(d.pipeline, d.group, d.x, d.y, d.z)
	if e := s.l.steps[i].export; e >= 0 {
		t := s.l.exports[e].t
		r.Copy(c.out, c.outAt[e], c.slots[s.slotOf[t.id]], 0, 4*int64(t.size*c.batch))
	}
}

// read copies the results of the lane's samples, from one on, to the run's tensors.
func (c *lane) read(out map[string]backend.Tensor, from int) {
	for i, e := range c.state.l.exports {
		if e.pixels {
			continue
		}
		n := e.t.size
		to := out[e.name].Data[from*n:][:c.batch*n]
		data := c.out.Bytes()[c.outAt[i]:]
		for j := range to {
			to[j] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*j:]))
		}
	}
}

// readPixels copies the bytes of the lane's samples, from one on, to the run's pictures.
func (c *lane) readPixels(out backend.Pixels, at, from int) error {
	n, picture := 4*c.state.l.exports[at].t.size, 3*out.H*out.W
	flags := 3 * fours(out.H*out.W)
	for i := range c.batch {
		data := c.out.Bytes()[c.outAt[at]+int64(i*n):][:n]
		copy(out.Data[(from+i)*picture:][:picture], data)
		if slices.ContainsFunc(data[flags:], func(b byte) bool { return b != 0 }) {
			return backend.NoNumbers(from + i)
		}
	}
	return nil
}

// release frees everything. The device must have finished with it.
func (c *lane) release() {
	if c.released {
		return
	}
	c.released = true
	for _, g := range c.groups {
		g.Release()
	}
	for _, b := range append(c.slots, c.norms, c.params, c.blend, c.in, c.out) {
		b.Release()
	}
}
