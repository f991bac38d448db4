//go:build (linux || windows || darwin) && (amd64 || arm64) && !nogpu

package device

import (
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"github.com/gogpu/gputypes"
	"github.com/gogpu/wgpu/hal"
)

// instance holds what lives as long as the process: opening and closing drivers again and
// again is what they are tested least for.
var instance struct {
	once     sync.Once
	adapters []Adapter
	exposed  []hal.ExposedAdapter
	err      error
}

// Adapters lists the GPUs of this machine, by Vulkan, Metal and Direct3D 12. A machine without
// a driver has none; that is no error.
func Adapters() ([]Adapter, error) {
	instance.once.Do(func() { instance.err = guard(enumerate) })
	return slices.Clone(instance.adapters), instance.err
}

func enumerate() error {
	for _, k := range kinds {
		b, ok := hal.GetBackend(k.backend)
		if !ok {
			continue
		}
		i, err := b.CreateInstance(&hal.InstanceDescriptor{Backends: gputypes.Backends(1) << k.backend})
		if err != nil {
			continue // no driver of this kind
		}
		found := i.EnumerateAdapters(nil)
		if len(found) == 0 {
			continue
		}
		drivers, err := k.drivers()
		if err != nil {
			drivers = nil // an adapter without a version works as well
		}
		for _, e := range found {
			instance.adapters = append(instance.adapters, describe(len(instance.adapters), e, drivers))
			instance.exposed = append(instance.exposed, e)
		}
	}
	return nil
}

// kind is a way to GPUs: the library's name for it, and what tells the drivers' versions, which the library does not.
type kind struct {
	backend gputypes.Backend
	drivers func() (map[hardware]string, error)
}

// hardware names a model of GPU; the zero value stands for all.
type hardware struct{ vendor, device uint32 }

// describeDriver is the interface's version and the driver's, as far as it is known.
func describeDriver(e hal.ExposedAdapter, drivers map[hardware]string) string {
	version, ok := drivers[hardware{e.Info.VendorID, e.Info.DeviceID}]
	if !ok {
		version, ok = drivers[hardware{}]
	}
	if !ok {
		return e.Info.DriverInfo
	}
	return e.Info.DriverInfo + ", " + version
}

func describe(index int, e hal.ExposedAdapter, drivers map[hardware]string) Adapter {
	l := e.Capabilities.Limits
	return Adapter{
		Index: index, Name: e.Info.Name, Type: typeNames[e.Info.DeviceType], Backend: e.Info.Backend.String(),
		Driver:   describeDriver(e, drivers),
		Software: e.Info.DeviceType == gputypes.DeviceTypeCPU,
		Limits: Limits{
			Binding: int64(min(l.MaxStorageBufferBindingSize, 1<<31-4)), Invocations: l.MaxComputeInvocationsPerWorkgroup,
			Shared: l.MaxComputeWorkgroupStorageSize, Groups: l.MaxComputeWorkgroupsPerDimension,
			Buffers:   l.MaxStorageBuffersPerShaderStage,
			Alignment: int64(max(l.MinStorageBufferOffsetAlignment, l.MinUniformBufferOffsetAlignment, 256)),
		},
	}
}

var typeNames = map[gputypes.DeviceType]string{
	gputypes.DeviceTypeOther: "other", gputypes.DeviceTypeIntegratedGPU: "integrated", gputypes.DeviceTypeDiscreteGPU: "discrete",
	gputypes.DeviceTypeVirtualGPU: "virtual", gputypes.DeviceTypeCPU: "software",
}

// guard turns a panic of the library into an error.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("gpu: panic in the driver library: %v", r)
		}
	}()
	return f()
}

// Device is an open adapter. It is safe for concurrent use: one call at a time reaches the
// library.
type Device struct {
	Adapter Adapter
	Limits  Limits

	mu       sync.Mutex
	dev      hal.Device
	queue    hal.Queue
	layouts  map[string]layout
	encoders []hal.CommandEncoder // idle
	lost     error
	closed   bool
	counts   Counts
}

// layout is how the bindings of a shader are declared to the library.
type layout struct {
	group    hal.BindGroupLayout
	pipeline hal.PipelineLayout
}

// Open opens an adapter that Adapters listed. Close it when done.
func Open(a Adapter) (*Device, error) {
	if _, err := Adapters(); err != nil {
		return nil, err
	}
	d := &Device{Adapter: a, Limits: a.Limits, layouts: map[string]layout{}}
	err := guard(func() error {
		e := instance.exposed[a.Index]
		open, err := e.Adapter.Open(0, e.Capabilities.Limits)
		if err != nil {
			return fmt.Errorf("%w: %s does not open: %w", ErrNone, a.Name, err)
		}
		d.dev, d.queue = open.Device, open.Queue
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// locked calls f with the library to itself.
func (d *Device) locked(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("%w: closed", ErrLost)
	}
	if d.lost != nil {
		return d.lost
	}
	return guard(f)
}

// Counts reports the live objects.
func (d *Device) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Lose makes every further call fail as if the device had been lost. For tests.
func (d *Device) Lose() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = fmt.Errorf("%w: made to fail", ErrLost)
}

// Drain waits for what a lost device may still have in flight: until then its memory is not free. Of others
// every run waits for its own work.
func (d *Device) Drain() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed && d.lost != nil {
		_ = guard(d.dev.WaitIdle) // a device that is truly lost says so, and has none
	}
}

// Close waits for the device and releases it. Buffers, pipelines and groups must have been
// released before; what they still hold goes with the device.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	return guard(func() error {
		err := d.dev.WaitIdle()
		for _, enc := range d.encoders {
			enc.Destroy()
		}
		for _, l := range d.layouts {
			d.dev.DestroyPipelineLayout(l.pipeline)
			d.dev.DestroyBindGroupLayout(l.group)
		}
		d.dev.Destroy()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		return nil
	})
}

var usages = [...]gputypes.BufferUsage{
	Storage:  gputypes.BufferUsageStorage | gputypes.BufferUsageCopySrc | gputypes.BufferUsageCopyDst,
	Uniform:  gputypes.BufferUsageUniform | gputypes.BufferUsageCopyDst,
	Upload:   gputypes.BufferUsageMapWrite | gputypes.BufferUsageCopySrc,
	Readback: gputypes.BufferUsageMapRead | gputypes.BufferUsageCopyDst,
}

// Buffer is a piece of memory.
type Buffer struct {
	Size int64

	kind   Kind
	device *Device
	hal    hal.Buffer
	mapped []byte // Upload and Readback
}

// NewBuffer reserves memory, rounded up to 16 bytes. A size beyond the device's limits and a
// device without room are errors that wrap ErrMemory.
func (d *Device) NewBuffer(kind Kind, size int64) (*Buffer, error) {
	size = max(size+15, 16) &^ 15
	if kind == Storage && size > d.Limits.Binding {
		return nil, fmt.Errorf("%w: a buffer of %d bytes, %s allows %d", ErrMemory, size, d.Adapter.Name, d.Limits.Binding)
	}
	b := &Buffer{Size: size, kind: kind, device: d}
	err := d.locked(func() (err error) {
		if limit := d.Limits.Memory; limit > 0 && d.counts.Bytes+size > limit {
			return fmt.Errorf("%w: %d bytes beside %d, the limit is %d", ErrMemory, size, d.counts.Bytes, limit)
		}
		b.hal, err = d.dev.CreateBuffer(&hal.BufferDescriptor{Size: uint64(size), Usage: usages[kind]})
		if err != nil {
			return fmt.Errorf("%w: %d bytes beside %d: %v", ErrMemory, size, d.counts.Bytes, err)
		}
		if kind == Upload || kind == Readback {
			m, err := d.dev.MapBuffer(b.hal, 0, uint64(size))
			if err != nil {
				d.dev.DestroyBuffer(b.hal)
				return fmt.Errorf("gpu: mapping %d bytes: %w", size, err)
			}
			b.mapped = unsafe.Slice((*byte)(m.Ptr), size)
		}
		d.counts.Buffers++
		d.counts.Bytes += size
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Release frees the memory. The device must have finished with it.
func (b *Buffer) Release() {
	if b == nil || b.hal == nil {
		return
	}
	d := b.device
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		_ = guard(func() error { d.dev.DestroyBuffer(b.hal); return nil }) // nothing can be done about it
		d.counts.Buffers--
		d.counts.Bytes -= b.Size
	}
	b.hal, b.mapped = nil, nil
}

// Bytes is the host's side of an Upload or Readback buffer. While the device uses the
// buffer it must not be touched.
func (b *Buffer) Bytes() []byte { return b.mapped }
