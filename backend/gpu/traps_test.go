package gpu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/backend/gpu/shader"
	"github.com/biggan-zoo/biggan/backend/reference"
	"github.com/biggan-zoo/biggan/graph"
)

// small is a network of all that fuses, on weights that do not vanish.
func small(t testing.TB) (*graph.Graph, ramp) {
	t.Helper()
	g, err := deep.Generator("small", deep.Config{
		OutputDim: 32, ZDim: 8, ClassEmbedDim: 8, ChannelWidth: 16, NumClasses: 5, AttentionLayerPosition: 2, Eps: 1e-4, NStats: 3,
		Layers: []deep.Layer{{Up: true, In: 4, Out: 4}, {Up: false, In: 4, Out: 2}, {Up: true, In: 2, Out: 2}, {Up: true, In: 2, Out: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, ramp{g}
}

func smallInputs(batch, seed int) backend.Inputs {
	in := backend.Inputs{Batch: batch, Truncation: 0.4, Tensors: map[string][]float32{"z": make([]float32, 8*batch), "y": make([]float32, 5*batch)}}
	for i := range in.Tensors["z"] {
		in.Tensors["z"][i] = float32(math.Sin(float64(7*i + seed)))
	}
	for i := range batch {
		in.Tensors["y"][5*i+(i+seed)%5] = 1
	}
	return in
}

// own opens the adapter for one test alone, with limits of its own.
func own(t testing.TB, limit func(*device.Limits)) *accelerator {
	t.Helper()
	a := adapter(t)
	limit(&a.Limits)
	g, err := openAdapter(a)
	if err != nil {
		t.Fatal(err)
	}
	g.tuning.path = ""
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// compileOn makes a program on an accelerator.
func compileOn(t *testing.T, a *accelerator, o backend.Options) (*program, error) {
	t.Helper()
	g, w := small(t)
	p := &program{graph: g, w: w, options: o}
	var err error
	p.state, err = p.build(a)
	return p, err
}

// oracle is the image of float64.
func oracle(t *testing.T, in backend.Inputs) []float32 {
	t.Helper()
	g, w := small(t)
	p, err := reference.Compile(g, w, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out["image"].Data
}

// far is the largest difference.
func far(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	largest := 0.0
	for i, v := range want {
		d := math.Abs(float64(v - got[i]))
		if !(d <= largest) {
			largest = d
		}
	}
	return largest
}

// TestTiles runs every tile, in float32 and with weights in float16.
func TestTiles(t *testing.T) {
	a := own(t, func(*device.Limits) {})
	in := smallInputs(3, 1)
	want := oracle(t, in)
	for _, tile := range shader.Tiles {
		if tile.Shared && a.Adapter.Software && os.Getenv("BIGGAN_CI") == "" {
			continue // compiles for seconds
		}
		for precision, tolerance := range map[backend.Precision]float64{backend.F32: 1e-4, backend.F16: 2. / 255} {
			t.Run(fmt.Sprint(tile, precision), func(t *testing.T) {
				a.tuning.forced = &tile
				p, err := compileOn(t, a, backend.Options{Precision: precision})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				out, err := p.Run(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				if d := far(out["image"].Data, want); d > tolerance {
					t.Errorf("the image differs by %g, want at most %g", d, tolerance)
				}
			})
		}
	}
}

// TestShaders compiles every shader by itself: the driver, not the library, finds what is wrong with one.
func TestShaders(t *testing.T) {
	a := own(t, func(*device.Limits) {})
	for op := range shader.Bindings {
		if _, err := a.pipeline(op, shader.Variant{Tile: shader.Tiles[4]}); err != nil {
			t.Error(err)
		}
	}
	for _, tile := range shader.Tiles {
		for _, norm := range []string{"", "group", "row"} {
			for _, half := range []bool{false, true} {
				if _, err := a.pipeline(shader.Conv, shader.Variant{Tile: tile, Norm: norm, Half: half}); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestBadShader wants errors, and a device that works afterwards.
func TestBadShader(t *testing.T) {
	a := own(t, func(*device.Limits) {})
	for name, source := range map[string]string{
		"syntax":      "fn main( {",
		"type":        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n@compute @workgroup_size(1) fn main() { y[0] = vec2<f32>(1.0, 2.0); }",
		"entry point": "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n@compute @workgroup_size(1) fn other() { y[0] = 1.0; }",
		"empty":       "",
	} {
		if p, err := a.NewPipeline(name, source, "w"); err == nil {
			p.Release()
			t.Errorf("%s: no error", name)
		}
	}
	p, err := compileOn(t, a, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(t.Context(), smallInputs(1, 0)); err != nil {
		t.Error(err)
	}
}

// TestConcurrent wants eight goroutines to get what a serial run gets, bit for bit: floats, or bytes every other time.
func TestConcurrent(t *testing.T) {
	p, err := compileOn(t, own(t, func(*device.Limits) {}), backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const goroutines, rounds = 8, 10
	var want [goroutines][]float32
	var pixels [goroutines]backend.Pixels
	for i := range want {
		out, err := p.Run(t.Context(), smallInputs(1+i%3, i))
		if err != nil {
			t.Fatal(err)
		}
		want[i] = out["image"].Data
		if pixels[i], err = backend.PixelsOf(out["image"]); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for round := range rounds {
				if round%2 == 1 {
					got, err := p.Draw(context.Background(), smallInputs(1+i%3, i))
					if err != nil || !slices.Equal(got.Data, pixels[i].Data) {
						t.Errorf("goroutine %d: other bytes than of the serial run, %v", i, err)
						return
					}
					continue
				}
				out, err := p.Run(context.Background(), smallInputs(1+i%3, i))
				if err != nil {
					t.Error(err)
					return
				}
				if !slices.Equal(out["image"].Data, want[i]) {
					t.Errorf("goroutine %d: differs from the serial run by %g", i, far(out["image"].Data, want[i]))
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestSmallBuffers splits a batch where the device's buffers hold one sample.
func TestSmallBuffers(t *testing.T) {
	whole, err := compileOn(t, own(t, func(*device.Limits) {}), backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	largest := int64(0)
	for _, s := range whole.state.slots {
		largest = max(largest, s.bytes(1))
	}
	weights := int64(0)
	for _, c := range whole.state.l.constants {
		weights = max(weights, c.bytes(false))
	}
	whole.Close()
	limit := max(2*largest, weights)
	p, err := compileOn(t, own(t, func(l *device.Limits) { l.Binding = limit }), backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.state.chunk >= 5 {
		t.Fatalf("a lane takes %d samples in buffers of %d bytes", p.state.chunk, limit)
	}
	in := smallInputs(5, 3)
	out, err := p.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if d := far(out["image"].Data, oracle(t, in)); d > 1e-4 {
		t.Errorf("the image differs by %g", d)
	}
}

// TestSmallMemory splits a batch where the device has no room for it, and refuses a network that does not
// fit with what it needs.
func TestSmallMemory(t *testing.T) {
	a := own(t, func(*device.Limits) {})
	p, err := compileOn(t, a, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	used := a.Counts().Bytes
	perSample, _ := p.state.laneBytes(1)
	p.Close()
	if left := a.Counts(); left.Bytes != 0 || left.Buffers != 0 || left.Groups != 0 {
		t.Errorf("a closed program leaves %+v", left)
	}
	in := smallInputs(6, 2)
	tight := own(t, func(l *device.Limits) { l.Memory = used + 3*perSample })
	if p, err = compileOn(t, tight, backend.Options{}); err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if d := far(out["image"].Data, oracle(t, in)); d > 1e-4 {
		t.Errorf("the image differs by %g", d)
	}
	p.Close()
	none := own(t, func(l *device.Limits) { l.Memory = used / 3 })
	_, err = compileOn(t, none, backend.Options{})
	if !errors.Is(err, backend.ErrUnavailable) || !errors.Is(err, device.ErrMemory) || !strings.Contains(err.Error(), "--precision f16") || !strings.Contains(err.Error(), "needs") {
		t.Errorf("too little memory: %v", err)
	}
	if left := none.Counts(); left.Bytes != 0 || left.Groups != 0 {
		t.Errorf("a refused program leaves %+v", left)
	}
}

// TestOversized wants errors where the library itself would take any value.
func TestOversized(t *testing.T) {
	a := own(t, func(*device.Limits) {})
	for _, size := range []int64{a.Limits.Binding + 1, 100 << 30, math.MaxInt64 - 15} {
		if b, err := a.NewBuffer(device.Storage, size); !errors.Is(err, device.ErrMemory) {
			b.Release()
			t.Errorf("a buffer of %d bytes: %v", size, err)
		}
	}
	b, err := a.NewBuffer(device.Storage, 1024)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	p, err := a.pipeline(shader.Softmax, shader.Variant{})
	if err != nil {
		t.Fatal(err)
	}
	for name, bindings := range map[string][]device.Binding{
		"too few":    {{Buffer: b}},
		"no buffer":  {{}, {Buffer: b}},
		"beyond":     {{Buffer: b, Offset: 256, Size: 1024}, {Buffer: b}},
		"misaligned": {{Buffer: b, Offset: 4}, {Buffer: b}},
	} {
		if g, err := p.Bind(bindings...); err == nil {
			g.Release()
			t.Errorf("%s: no error", name)
		}
	}
	u, err := a.NewBuffer(device.Uniform, 16)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Release()
	g, err := p.Bind(device.Binding{Buffer: b}, device.Binding{Buffer: u})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Release()
	released, err := a.NewBuffer(device.Storage, 64)
	if err != nil {
		t.Fatal(err)
	}
	released.Release()
	released.Release() // twice is nothing
	for name, record := range map[string]func(r *device.Recorder){
		"workgroups": func(r *device.Recorder) { r.Dispatch(p, g, int(a.Limits.Groups)+1, 1, 1) },
		"none":       func(r *device.Recorder) { r.Dispatch(p, g, 0, 1, 1) },
		"copy":       func(r *device.Recorder) { r.Copy(b, 0, b, 512, 1024) },
		"released":   func(r *device.Recorder) { r.Copy(released, 0, b, 0, 64) },
	} {
		if err := a.Run(t.Context(), record); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestLost loses the device: a run moves to a new one once; a run without one fails.
func TestLost(t *testing.T) {
	a := adapter(t)
	g, w := small(t)
	compiled, err := Compile(g, w, backend.Options{Device: fmt.Sprint(a.Index)})
	if err != nil {
		t.Fatal(err)
	}
	defer compiled.Close()
	p := compiled.(*program)
	in := smallInputs(2, 5)
	want, err := p.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	first := p.state.g
	first.Lose()
	pixels, err := backend.PixelsOf(want["image"])
	if err != nil {
		t.Fatal(err)
	}
	if drawn, err := p.Draw(t.Context(), in); err != nil || !slices.Equal(drawn.Data, pixels.Data) {
		t.Errorf("after the loss: other bytes, %v", err)
	}
	got, err := p.Run(t.Context(), in)
	if err != nil || !slices.Equal(got["image"].Data, want["image"].Data) {
		t.Errorf("after the loss: %v, a difference of %g", err, far(got["image"].Data, want["image"].Data))
	}
	if p.state.g == first {
		t.Error("the program stayed on the lost device")
	}
	p.state.g.Lose()
	p.options.Device = "no such device"
	if _, err := p.Run(t.Context(), in); !errors.Is(err, backend.ErrUnavailable) {
		t.Errorf("lost for good: %v", err)
	}
}

// TestLostTogether loses the device under runs of several goroutines: all of them end right.
func TestLostTogether(t *testing.T) {
	a := adapter(t)
	g, w := small(t)
	compiled, err := Compile(g, w, backend.Options{Device: fmt.Sprint(a.Index)})
	if err != nil {
		t.Fatal(err)
	}
	defer compiled.Close()
	in := smallInputs(1, 5)
	want, err := compiled.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 10 {
				got, err := compiled.Run(context.Background(), in)
				if err != nil || !slices.Equal(got["image"].Data, want["image"].Data) {
					t.Errorf("%v, a difference of %g", err, far(got["image"].Data, want["image"].Data))
				}
			}
		})
	}
	state, err := compiled.(*program).current()
	if err != nil {
		t.Fatal(err)
	}
	state.g.Lose()
	wg.Wait()
}

// TestSecondOpen opens and closes the adapter again and again.
func TestSecondOpen(t *testing.T) {
	for range 20 {
		a, err := openAdapter(adapter(t))
		if err != nil {
			t.Fatal(err)
		}
		b, err := a.NewBuffer(device.Upload, 64)
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.NewBuffer(device.Storage, 64); !errors.Is(err, device.ErrLost) {
			t.Fatalf("a closed device: %v", err)
		}
	}
}

// TestGrowth runs a program a thousand times: neither the device's objects nor the process may grow.
func TestGrowth(t *testing.T) {
	a := own(t, func(*device.Limits) {})
	p, err := compileOn(t, a, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	in := smallInputs(1, 0)
	run := func(n int) {
		for range n {
			if _, err := p.Run(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(100)
	counts, before := a.Counts(), resident(t)
	run(1000)
	if got := a.Counts(); got != counts {
		t.Errorf("the device holds %+v, before %+v", got, counts)
	}
	if after := resident(t); after > before+64<<20 {
		t.Errorf("the process grew from %d to %d bytes", before, after)
	}
}

// resident is the memory of the process in bytes; 0 where it cannot be told.
func resident(t *testing.T) int64 {
	t.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestCancel ends a context before and while a run is in flight.
func TestCancel(t *testing.T) {
	p, err := compileOn(t, own(t, func(*device.Limits) {}), backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, err := p.Run(ctx, smallInputs(2, 1)); err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				return
			}
		}
	})
	cancel()
	wg.Wait()
	if _, err := p.Run(t.Context(), smallInputs(2, 1)); err != nil {
		t.Error(err)
	}
}

// TestDriver wants the version of the driver, by which the tuning is kept; of Vulkan in its own words, and its build.
func TestDriver(t *testing.T) {
	a := adapter(t)
	want := map[string]string{
		"Vulkan": `^Vulkan \d+\.\d+\.\d+, .*\d.*, build [0-9a-f]{8}$`,
		"DX12":   `, driver \d+\.\d+\.\d+\.\d+$`,
		"Metal":  `, macOS \d+\..*, build \w+$`,
	}[a.Backend]
	if !regexp.MustCompile(want).MatchString(a.Driver) {
		t.Errorf("driver %q, want %s", a.Driver, want)
	}
	if strings.HasPrefix(a.Name, "llvmpipe") && !strings.Contains(a.Driver, "llvmpipe Mesa ") {
		t.Errorf("driver %q of %s, want Mesa's version", a.Driver, a.Name)
	}
}

// TestTuningFile keeps what was measured, and takes no harm from a file that is damaged.
func TestTuningFile(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	a := device.Adapter{Name: "some GPU", Backend: "Vulkan", Driver: "1.2"}
	first := loadTuning(a)
	if first.path == "" {
		t.Skip("no cache folder")
	}
	first.tiles["job"], first.dirty = "tile", true
	if err := first.save(a); err != nil {
		t.Fatal(err)
	}
	if got := loadTuning(a).tiles["job"]; got != "tile" {
		t.Errorf("read back %q", got)
	}
	if got := loadTuning(device.Adapter{Name: "some GPU", Backend: "Vulkan", Driver: "1.3"}).tiles; len(got) != 0 {
		t.Errorf("another driver has %v", got)
	}
	for _, damage := range []string{"", "{", `{"version": 1}`, `{"tiles": 7}`} {
		if err := os.WriteFile(first.path, []byte(damage), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := loadTuning(a); got.tiles == nil || len(got.tiles) != 0 {
			t.Errorf("damaged by %q: %v", damage, got.tiles)
		}
	}
	if leftovers, err := os.ReadDir(filepath.Dir(first.path)); err != nil || len(leftovers) != 1 {
		t.Errorf("%d files, %v", len(leftovers), err)
	}
}

// TestNoDriver runs this test's program where no Vulkan driver is: no adapters, and an error that says what
// to install.
func TestNoDriver(t *testing.T) {
	if os.Getenv("BIGGAN_TEST_NO_DRIVER") != "" {
		all, err := device.Adapters()
		if err != nil || len(all) != 0 {
			t.Fatalf("%v, %v", all, err)
		}
		g, w := small(t)
		if _, err := Compile(g, w, backend.Options{Device: "0"}); !errors.Is(err, backend.ErrNoDevice) || !strings.Contains(err.Error(), "install") {
			t.Fatalf("error %v", err)
		}
		return
	}
	if _, err := os.Stat("/usr/share/vulkan"); err != nil {
		t.Skip("no Vulkan loader that could be left without drivers")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^TestNoDriver$")
	cmd.Env = append(os.Environ(), "BIGGAN_TEST_NO_DRIVER=1", "VK_ICD_FILENAMES="+os.DevNull, "VK_DRIVER_FILES="+os.DevNull)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestCheck wants the self-check to find wrong values, NaN among them, and to leave the plain ones alone.
func TestCheck(t *testing.T) {
	_, w, err := checkNetwork()
	if err != nil {
		t.Fatal(err)
	}
	want := checkResult(w, checkValues(checkChannels*checkSide*checkSide, 1))
	got, spread := make([]float32, len(want)), 0.0
	for i, v := range want {
		got[i] = float32(v)
		spread = max(spread, math.Abs(v))
	}
	if spread < 0.1 || spread > 0.99 {
		t.Errorf("the self-check's values reach %v: they hide errors", spread)
	}
	if err := compareCheck(got, want); err != nil {
		t.Error(err)
	}
	for _, wrong := range []float32{got[17] + 0.001, float32(math.NaN()), float32(math.Inf(1))} {
		got[17] = wrong
		if err := compareCheck(got, want); err == nil {
			t.Errorf("%v passes for %v", wrong, want[17])
		}
	}
}
