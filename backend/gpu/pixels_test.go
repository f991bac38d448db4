package gpu

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/backend/gpu/shader"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// picture is a program whose image is its input.
func picture(t testing.TB, a *accelerator, h, w int) *program {
	t.Helper()
	b := graph.New("picture")
	b.Output(backend.Image, b.InputMap("x", 3, h, w))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{graph: g, w: weights.Memory{}}
	if p.state, err = p.build(a); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPixelsShader runs the shader on maps with a stride and an offset of their own, between sentinels that it must
// leave alone, with NaN in some pictures.
func TestPixelsShader(t *testing.T) {
	a := own(t, func(*device.Limits) {})
	const sentinel, batch, base, stride, margin = 0xfeedbeef, 3, 5, 7, 64 // margin in words, 256 bytes
	for _, size := range [][2]int{{1, 1}, {3, 5}, {16, 16}, {19, 27}} {
		h, w := size[0], size[1]
		pixels := h * w
		from := &tensor{size: base + stride*pixels}
		l := &lowering{}
		to := l.toPixels("image", view{t: from, base: base, pixel: stride, c: 3, h: h, w: w})
		floats, want := make([]float32, batch*from.size), make([]byte, 0, 3*pixels*batch)
		for i := range floats {
			floats[i] = float32(math.NaN()) // where nothing may be read
		}
		values := pixelValues()
		for i := range batch * pixels * 3 {
			v := values[(7*i)%len(values)]
			floats[i/3/pixels*from.size+base+i/3%pixels*stride+i%3] = v
			want = append(want, backend.Pixel(v))
		}
		floats[1*from.size+base+(pixels-1)*stride+2] = float32(math.NaN())
		want[2*3*pixels-1] = 0
		got := dispatchAlone(t, a, &l.steps[0], floats, batch, batch*to.size, margin, sentinel)
		for sample := range batch {
			words := got[margin+sample*to.size:][:to.size]
			var bytes []byte
			for _, w := range words[:3*fours(pixels)/4] {
				bytes = binary.LittleEndian.AppendUint32(bytes, w)
			}
			if !slices.Equal(bytes[:3*pixels], want[3*pixels*sample:][:3*pixels]) {
				t.Errorf("%v: picture %d has other bytes", size, sample)
			}
			broken := slices.Contains(words[3*fours(pixels)/4:], 1)
			if broken != (sample == 1) {
				t.Errorf("%v: picture %d: NaN found: %t", size, sample, broken)
			}
		}
		for i, w := range got {
			if (i < margin || i >= margin+batch*to.size) && w != sentinel {
				t.Fatalf("%v: word %d outside of the pictures is written", size, i-margin)
			}
		}
	}
}

// dispatchAlone runs a step of one input and one output, whose words lie between margins of sentinels.
func dispatchAlone(t *testing.T, a *accelerator, s *step, in []float32, batch, words, margin int, sentinel uint32) []uint32 {
	t.Helper()
	buffer := func(kind device.Kind, words int) *device.Buffer {
		b, err := a.NewBuffer(kind, int64(4*words))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Release)
		return b
	}
	g, all := s.grid(batch), words+2*margin
	staging := buffer(device.Upload, len(in)+all+len(g.params))
	at := staging.Bytes()[:0]
	for _, v := range in {
		at = binary.LittleEndian.AppendUint32(at, math.Float32bits(v))
	}
	for range all {
		at = binary.LittleEndian.AppendUint32(at, sentinel)
	}
	for _, w := range g.params {
		at = binary.LittleEndian.AppendUint32(at, w)
	}
	x, y := buffer(device.Storage, len(in)), buffer(device.Storage, all)
	params, back := buffer(device.Uniform, len(g.params)), buffer(device.Readback, all)
	p, err := a.pipeline(s.op, shader.Variant{})
	if err != nil {
		t.Fatal(err)
	}
	group, err := p.Bind(device.Binding{Buffer: x}, device.Binding{Buffer: y, Offset: int64(4 * margin), Size: int64(4 * words)}, device.Binding{Buffer: params})
	if err != nil {
		t.Fatal(err)
	}
	defer group.Release()
	err = a.Run(t.Context(), func(r *device.Recorder) {
		r.Copy(x, 0, staging, 0, int64(4*len(in)))
		r.Copy(y, 0, staging, int64(4*len(in)), int64(4*all))
		r.Copy(params, 0, staging, int64(4*(len(in)+all)), int64(4*len(g.params)))
		r.Dispatch(p, group, g.x, g.y, g.z)
		r.Copy(back, 0, y, 0, int64(4*all))
	})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]uint32, all)
	for i := range got {
		got[i] = binary.LittleEndian.Uint32(back.Bytes()[4*i:])
	}
	return got
}

// TestDraw draws a batch that is split, by the shader and without it, and finds the picture that is broken.
func TestDraw(t *testing.T) {
	a := own(t, func(l *device.Limits) { l.Binding = 3 << 20 })
	p := picture(t, a, 300, 500)
	defer p.Close()
	const batch, values = 5, 3 * 300 * 500
	if p.state.chunk >= batch {
		t.Fatalf("a lane takes %d pictures", p.state.chunk)
	}
	x := make([]float32, batch*values)
	for i := range x {
		x[i] = float32(1.5 * math.Sin(float64(i)))
	}
	in := backend.Inputs{Batch: batch, Truncation: 1, Tensors: map[string][]float32{"x": x}}
	want, err := backend.PixelsOf(backend.Tensor{Shape: []int{batch, 3, 300, 500}, Data: x})
	if err != nil {
		t.Fatal(err)
	}
	if !a.tuning.passed(pixelCheck) {
		t.Errorf("%s fails the self-check of pixels", a.Adapter.Name)
	}
	checked := a.tuning.checked
	for _, passed := range [][]string{checked, slices.DeleteFunc(slices.Clone(checked), func(s string) bool { return s == pixelCheck })} {
		a.tuning.checked = passed
		if got, err := p.Draw(t.Context(), in); err != nil || !slices.Equal(got.Data, want.Data) {
			t.Errorf("passed %q: other bytes, %v", passed, err)
		}
	}
	for _, broken := range []int{0, 4} {
		x[broken*values+values/2] = float32(math.NaN())
		_, err := p.state.pixels(t.Context(), in, p.state.l.pixels())
		if want := backend.NoNumbers(broken); !errors.Is(err, weights.ErrFormat) || err.Error() != want.Error() {
			t.Errorf("error %v, want %v", err, want)
		}
		x[broken*values+values/2] = 0
	}
}

// BenchmarkReadback returns pictures of 512 x 512 as floats, which it turns into bytes, and as bytes.
func BenchmarkReadback(b *testing.B) {
	a, err := openAdapter(adapter(b))
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	p := picture(b, a, 512, 512)
	defer p.Close()
	in := backend.Inputs{Batch: 1, Truncation: 1, Tensors: map[string][]float32{"x": make([]float32, 3*512*512)}}
	s := p.state
	for name, draw := range map[string]func() (backend.Pixels, error){
		"bytes": func() (backend.Pixels, error) { return s.pixels(b.Context(), in, s.l.pixels()) },
		"floats": func() (backend.Pixels, error) {
			out, err := s.run(b.Context(), in)
			if err != nil {
				return backend.Pixels{}, err
			}
			return backend.PixelsOf(out[backend.Image])
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := draw(); err != nil {
					b.Fatal(err)
				}
			}
			for _, e := range s.l.exports {
				if e.pixels == (name == "bytes") {
					b.ReportMetric(float64(4*e.t.size), "readback-bytes")
				}
			}
		})
	}
}
