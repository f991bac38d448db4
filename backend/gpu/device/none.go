//go:build !((linux || windows || darwin) && (amd64 || arm64)) || nogpu

package device

import (
	"context"
	"fmt"
)

// Install is what a build without GPU support lacks.
const Install = "this build has no GPU support: it needs Linux, Windows or macOS on amd64 or arm64, and no tag nogpu"

// MayHaveHardware reports whether drivers are worth loading.
func MayHaveHardware() bool { return false }

// Adapters lists no GPU.
func Adapters() ([]Adapter, error) { return nil, nil }

// The types of other builds. None is ever made here.
type (
	// Device is an open adapter.
	Device struct {
		Adapter Adapter
		Limits  Limits
	}
	// Buffer is a piece of memory.
	Buffer struct{ Size int64 }
	// Pipeline is a compiled shader.
	Pipeline struct{ Bindings string }
	// Group binds buffers to a pipeline's bindings.
	Group struct{}
	// Recorder collects the commands of one run.
	Recorder struct{}
)

var errNone = fmt.Errorf("%w: %s", ErrNone, Install)

// Open opens no adapter.
func Open(Adapter) (*Device, error) { return nil, errNone }

// NewBuffer reserves no memory.
func (*Device) NewBuffer(Kind, int64) (*Buffer, error) { return nil, errNone }

// NewPipeline compiles nothing.
func (*Device) NewPipeline(_, _, _ string) (*Pipeline, error) { return nil, errNone }

// Run runs nothing.
func (*Device) Run(context.Context, func(*Recorder)) error { return errNone }

// Counts reports no objects.
func (*Device) Counts() Counts { return Counts{} }

// Lose has nothing to lose.
func (*Device) Lose() {}

// Drain has nothing to wait for.
func (*Device) Drain() {}

// Close has nothing to release.
func (*Device) Close() error { return nil }

// Release has nothing to release.
func (*Buffer) Release() {}

// Bytes is nothing.
func (*Buffer) Bytes() []byte { return nil }

// Bind binds nothing.
func (*Pipeline) Bind(...Binding) (*Group, error) { return nil, errNone }

// Release has nothing to release.
func (*Pipeline) Release() {}

// Release has nothing to release.
func (*Group) Release() {}

// Dispatch records nothing.
func (*Recorder) Dispatch(_ *Pipeline, _ *Group, _, _, _ int) {}

// Copy records nothing.
func (*Recorder) Copy(_ *Buffer, _ int64, _ *Buffer, _, _ int64) {}

// Clear records nothing.
func (*Recorder) Clear(*Buffer) {}
