//go:build (linux || windows || darwin) && (amd64 || arm64) && !nogpu

package device

import (
	"context"
	"fmt"
	"time"

	"github.com/gogpu/gputypes"
	"github.com/gogpu/wgpu/hal"
)

// Recorder collects the commands of one run. Each command sees what those before it wrote.
type Recorder struct {
	device *Device
	enc    hal.CommandEncoder
	pass   hal.ComputePassEncoder
	err    error
}

// Dispatch runs a pipeline on x·y·z workgroups.
func (r *Recorder) Dispatch(p *Pipeline, g *Group, x, y, z int) {
	if limit := int(r.device.Limits.Groups); x < 1 || y < 1 || z < 1 || x > limit || y > limit || z > limit {
		r.fail(fmt.Errorf("gpu: %d·%d·%d workgroups, want 1 to %d each", x, y, z, limit))
		return
	}
	if r.pass == nil {
		r.pass = r.enc.BeginComputePass(&hal.ComputePassDescriptor{})
	}
	r.pass.SetPipeline(p.hal)
	r.pass.SetBindGroup(0, g.hal, nil)
	r.pass.Dispatch(uint32(x), uint32(y), uint32(z)) // the library puts a barrier behind each
}

// Copy copies size bytes, a multiple of 4.
func (r *Recorder) Copy(dst *Buffer, dstOffset int64, src *Buffer, srcOffset, size int64) {
	if dst.hal == nil || src.hal == nil {
		r.fail(fmt.Errorf("gpu: copy of a buffer that was released"))
		return
	}
	if size < 4 || size%4 != 0 || dstOffset+size > dst.Size || srcOffset+size > src.Size {
		r.fail(fmt.Errorf("gpu: copy of %d bytes from %d of %d to %d of %d", size, srcOffset, src.Size, dstOffset, dst.Size))
		return
	}
	r.endPass()
	r.transition(src, gputypes.BufferUsageCopySrc, false)
	r.transition(dst, gputypes.BufferUsageCopyDst, false)
	r.enc.CopyBufferToBuffer(src.hal, dst.hal, []hal.BufferCopy{
		{SrcOffset: uint64(srcOffset), DstOffset: uint64(dstOffset), Size: uint64(size)},
	})
	r.transition(src, gputypes.BufferUsageCopySrc, true)
	r.transition(dst, gputypes.BufferUsageCopyDst, true)
}

// Clear zeroes a buffer.
func (r *Recorder) Clear(b *Buffer) {
	r.endPass()
	r.transition(b, gputypes.BufferUsageCopyDst, false)
	r.enc.ClearBuffer(b.hal, 0, uint64(b.Size))
	r.transition(b, gputypes.BufferUsageCopyDst, true)
}

// transition orders a copy behind the shaders before it, or the shaders after it behind the
// copy. The library does so between shaders, not between shaders and copies.
func (r *Recorder) transition(b *Buffer, copying gputypes.BufferUsage, back bool) {
	rest := gputypes.BufferUsageStorage
	switch b.kind {
	case Uniform:
		rest = gputypes.BufferUsageUniform
	case Upload, Readback:
		return // the host's side is ordered by submission and completion
	}
	from, to := rest, copying
	if back {
		from, to = copying, rest
	}
	r.enc.TransitionBuffers([]hal.BufferBarrier{{Buffer: b.hal, Usage: hal.BufferUsageTransition{OldUsage: from, NewUsage: to}}})
}

func (r *Recorder) endPass() {
	if r.pass != nil {
		r.pass.End()
		r.pass = nil
	}
}

func (r *Recorder) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Run records commands, hands them to the device and waits until they are done. Runs of several
// goroutines are in flight together. When the context ends before, its error is
// returned after the device has finished: its buffers are free again.
func (d *Device) Run(ctx context.Context, record func(r *Recorder)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var sub submission
	err := d.locked(func() (err error) {
		sub, err = d.submit(record)
		return err
	})
	if err != nil {
		return err
	}
	if err := d.wait(sub.index); err != nil {
		return err
	}
	if err := d.locked(func() error { d.recycle(sub.enc, sub.commands); return nil }); err != nil {
		return err
	}
	return ctx.Err()
}

// submission is a run in flight.
type submission struct {
	enc      hal.CommandEncoder
	commands hal.CommandBuffer
	index    uint64
}

func (d *Device) submit(record func(r *Recorder)) (submission, error) {
	enc, err := d.encoder()
	if err != nil {
		return submission{}, d.lose(err)
	}
	if err := enc.BeginEncoding("run"); err != nil {
		return submission{}, d.lose(err)
	}
	r := &Recorder{device: d, enc: enc}
	record(r)
	r.endPass()
	if r.err != nil {
		enc.DiscardEncoding()
		d.recycle(enc)
		return submission{}, r.err
	}
	commands, err := enc.EndEncoding()
	if err != nil {
		return submission{}, d.lose(err)
	}
	index, err := d.queue.Submit([]hal.CommandBuffer{commands})
	if err != nil {
		return submission{}, d.lose(err)
	}
	return submission{enc, commands, index}, nil
}

// encoder takes an idle encoder or makes one. Encoders are kept: left to itself the library would allocate
// command buffers for every run and never free them.
func (d *Device) encoder() (hal.CommandEncoder, error) {
	if last := len(d.encoders) - 1; last >= 0 {
		enc := d.encoders[last]
		d.encoders = d.encoders[:last]
		return enc, nil
	}
	enc, err := d.dev.CreateCommandEncoder(&hal.CommandEncoderDescriptor{Label: "run"})
	if err != nil {
		return nil, err
	}
	if kept, ok := enc.(interface{ SetPoolManaged(bool) }); ok {
		kept.SetPoolManaged(true)
	}
	return enc, nil
}

// recycle takes back an encoder whose commands are done.
func (d *Device) recycle(enc hal.CommandEncoder, done ...hal.CommandBuffer) {
	enc.ResetAll(done)
	d.encoders = append(d.encoders, enc)
}

// lose marks the device as lost: nothing but a lost device makes these calls fail.
func (d *Device) lose(err error) error {
	d.lost = fmt.Errorf("%w: %s: %v", ErrLost, d.Adapter.Name, err)
	return d.lost
}

// stalled is how long a run may be silent before the device is asked whether it lives.
const stalled = 10 * time.Second

// wait polls for a submission without blocking in the driver: other goroutines submit meanwhile.
func (d *Device) wait(index uint64) error {
	pause := 20 * time.Microsecond
	for start := time.Now(); ; {
		var done bool
		err := d.locked(func() error {
			done = d.queue.PollCompleted() >= index
			if !done && time.Since(start) > stalled {
				start = time.Now()
				if err := d.dev.WaitIdle(); err != nil {
					return d.lose(err)
				}
			}
			return nil
		})
		if done || err != nil {
			return err
		}
		time.Sleep(pause)
		pause = min(pause*2, time.Millisecond)
	}
}
