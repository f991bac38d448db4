// Package device is what the gpu backend needs of a GPU: adapters, buffers, compute
// pipelines, recorded runs. It is the only package that knows the library underneath
// (github.com/gogpu/wgpu, its hardware layer), so that the library can be exchanged.
//
// The library is young and checks little: limits, sizes and states are checked here, every
// call is under the device's lock, and a panic inside becomes an error.
package device

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNone means that no adapter fits; the error that wraps it says what to install.
var ErrNone = errors.New("no usable GPU")

// ErrMemory means that the device has no room for a buffer.
var ErrMemory = errors.New("GPU memory exhausted")

// ErrLost means that the device stopped working; a newly opened one may work again.
var ErrLost = errors.New("GPU device lost")

// Adapter is a GPU of this machine, or a program that pretends to be one.
type Adapter struct {
	Index    int    `json:"index"`
	Name     string `json:"name"`
	Type     string `json:"type"`     // discrete, integrated, virtual, software, other
	Backend  string `json:"backend"`  // Vulkan, Metal, DX12
	Driver   string `json:"driver"`   // its version; what is tuned for one holds for no other
	Software bool   `json:"software"` // runs on the CPU: taken only when it is named

	Limits Limits `json:"-"`
}

// Limits are an adapter's own.
type Limits struct {
	Binding     int64  // bytes of a buffer that a shader sees
	Invocations uint32 // of a workgroup
	Shared      uint32 // bytes of workgroup memory
	Groups      uint32 // workgroups a dimension
	Buffers     uint32 // storage buffers of a shader
	Alignment   int64  // of an offset into a buffer
	Memory      int64  // bytes of all buffers; 0 = as many as the driver gives
}

// Required are the least limits that the shaders of the backend are written for.
var Required = Limits{Binding: 1 << 24, Invocations: 256, Shared: 16 << 10, Groups: 65535, Buffers: 6, Alignment: 256}

// shortOf names the first limit that an adapter lacks, or "".
func (l Limits) shortOf(want Limits) string {
	for _, c := range []struct {
		name      string
		got, want int64
	}{
		{"bytes of a storage buffer", l.Binding, want.Binding},
		{"invocations of a workgroup", int64(l.Invocations), int64(want.Invocations)},
		{"bytes of workgroup memory", int64(l.Shared), int64(want.Shared)},
		{"workgroups a dimension", int64(l.Groups), int64(want.Groups)},
		{"storage buffers", int64(l.Buffers), int64(want.Buffers)},
	} {
		if c.got < c.want {
			return fmt.Sprintf("%d %s, want %d", c.got, c.name, c.want)
		}
	}
	return ""
}

// Pick chooses an adapter. An empty name takes the first discrete one, else the first that is
// not software. A name is an index into the list or part of an adapter's name, ignoring case;
// it may mean a software adapter.
func Pick(all []Adapter, name string) (Adapter, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return pickHardware(all)
	}
	if i, err := strconv.Atoi(name); err == nil {
		if i < 0 || i >= len(all) {
			return Adapter{}, fmt.Errorf("%w: --device %d: there are %d adapters (%s)", ErrNone, i, len(all), listed(all))
		}
		return usable(all[i])
	}
	for _, a := range all {
		if strings.Contains(strings.ToLower(a.Name), strings.ToLower(name)) {
			return usable(a)
		}
	}
	return Adapter{}, fmt.Errorf("%w: no adapter is named %q (there are %s)", ErrNone, name, listed(all))
}

func pickHardware(all []Adapter) (Adapter, error) {
	best, found := Adapter{}, false
	for _, a := range all {
		if a.Software || a.Limits.shortOf(Required) != "" {
			continue
		}
		if !found || a.Type == "discrete" && best.Type != "discrete" {
			best, found = a, true
		}
	}
	if found {
		return best, nil
	}
	if len(all) == 0 {
		return Adapter{}, fmt.Errorf("%w: %s", ErrNone, Install)
	}
	return Adapter{}, fmt.Errorf("%w: only %s, which must be named: --device 0, or BIGGAN_GPU=0", ErrNone, listed(all))
}

// usable refuses an adapter whose limits are below what the shaders need.
func usable(a Adapter) (Adapter, error) {
	if short := a.Limits.shortOf(Required); short != "" {
		return Adapter{}, fmt.Errorf("%w: %s offers %s", ErrNone, a.Name, short)
	}
	return a, nil
}

func listed(all []Adapter) string {
	if len(all) == 0 {
		return "none: " + Install
	}
	var names []string
	for _, a := range all {
		names = append(names, fmt.Sprintf("%d: %s (%s)", a.Index, a.Name, a.Type))
	}
	return strings.Join(names, ", ")
}
