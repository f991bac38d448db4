//go:build (linux || windows || darwin) && (amd64 || arm64) && !nogpu

package device

import (
	"fmt"

	"github.com/gogpu/gputypes"
	"github.com/gogpu/wgpu/hal"
)

// Pipeline is a compiled shader.
type Pipeline struct {
	Bindings string

	device *Device
	module hal.ShaderModule
	hal    hal.ComputePipeline
	layout layout
}

// Group binds buffers to a pipeline's bindings.
type Group struct {
	device *Device
	hal    hal.BindGroup
}

var bindingTypes = map[rune]gputypes.BufferBindingType{
	'r': gputypes.BufferBindingTypeReadOnlyStorage, 'w': gputypes.BufferBindingTypeStorage, 'u': gputypes.BufferBindingTypeUniform,
}

// NewPipeline compiles WGSL with the entry point main. bindings has a letter for each
// binding of group 0 in order: r for storage that is read, w for storage that is
// written, u for a uniform.
func (d *Device) NewPipeline(name, wgsl, bindings string) (*Pipeline, error) {
	p := &Pipeline{Bindings: bindings, device: d}
	err := d.locked(func() (err error) {
		if p.layout, err = d.layoutOf(bindings); err != nil {
			return err
		}
		p.module, err = d.dev.CreateShaderModule(&hal.ShaderModuleDescriptor{Label: name, Source: hal.ShaderSource{WGSL: wgsl}})
		if err != nil {
			return err
		}
		p.hal, err = d.dev.CreateComputePipeline(&hal.ComputePipelineDescriptor{
			Label: name, Layout: p.layout.pipeline, Compute: hal.ComputeState{Module: p.module, EntryPoint: "main"},
		})
		if err != nil {
			d.dev.DestroyShaderModule(p.module)
			return err
		}
		d.counts.Pipelines++
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("gpu: shader %s: %w", name, err)
	}
	return p, nil
}

// layoutOf declares bindings once.
func (d *Device) layoutOf(bindings string) (layout, error) {
	if l, ok := d.layouts[bindings]; ok {
		return l, nil
	}
	var entries []gputypes.BindGroupLayoutEntry
	for i, letter := range bindings {
		entries = append(entries, gputypes.BindGroupLayoutEntry{
			Binding: uint32(i), Visibility: gputypes.ShaderStageCompute, Buffer: &gputypes.BufferBindingLayout{Type: bindingTypes[letter]},
		})
	}
	group, err := d.dev.CreateBindGroupLayout(&hal.BindGroupLayoutDescriptor{Entries: entries})
	if err != nil {
		return layout{}, err
	}
	pipeline, err := d.dev.CreatePipelineLayout(&hal.PipelineLayoutDescriptor{BindGroupLayouts: []hal.BindGroupLayout{group}})
	if err != nil {
		d.dev.DestroyBindGroupLayout(group)
		return layout{}, err
	}
	d.layouts[bindings] = layout{group, pipeline}
	return d.layouts[bindings], nil
}

// Release frees the pipeline.
func (p *Pipeline) Release() {
	d := p.device
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.counts.Pipelines--
	_ = guard(func() error {
		d.dev.DestroyComputePipeline(p.hal)
		d.dev.DestroyShaderModule(p.module)
		return nil
	}) // nothing can be done about it
}

// Bind makes a group for a pipeline, one binding for each letter of its Bindings.
func (p *Pipeline) Bind(bindings ...Binding) (*Group, error) {
	if len(bindings) != len(p.Bindings) {
		return nil, fmt.Errorf("gpu: %d bindings, the shader has %d", len(bindings), len(p.Bindings))
	}
	d := p.device
	g := &Group{device: d}
	err := d.locked(func() (err error) {
		var entries []gputypes.BindGroupEntry
		for i, b := range bindings {
			if b.Buffer == nil || b.Buffer.hal == nil {
				return fmt.Errorf("gpu: binding %d: no buffer, or one that was released", i)
			}
			size := b.Size
			if size == 0 {
				size = b.Buffer.Size - b.Offset
			}
			if b.Offset%d.Limits.Alignment != 0 || size < 1 || b.Offset+size > b.Buffer.Size {
				return fmt.Errorf("gpu: binding %d: [%d:%d] of a buffer of %d bytes", i, b.Offset, b.Offset+size, b.Buffer.Size)
			}
			entries = append(entries, gputypes.BindGroupEntry{Binding: uint32(i), Resource: gputypes.BufferBinding{
				Buffer: b.Buffer.hal.NativeHandle(), Offset: uint64(b.Offset), Size: uint64(size),
			}})
		}
		g.hal, err = d.dev.CreateBindGroup(&hal.BindGroupDescriptor{Layout: p.layout.group, Entries: entries})
		if err == nil {
			d.counts.Groups++
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// Release frees the group. The device must have finished with it.
func (g *Group) Release() {
	d := g.device
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.counts.Groups--
	_ = guard(func() error { d.dev.DestroyBindGroup(g.hal); return nil }) // nothing can be done about it
}
