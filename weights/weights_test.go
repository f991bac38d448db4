package weights

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/goldentest"
)

// TestEvil opens every hostile or odd file of the manifest: a typed error or the right
// values, and less than 1 MB allocated.
func TestEvil(t *testing.T) {
	entries := goldentest.Manifest(t, ".safetensors")
	if len(entries) < 20 {
		t.Fatalf("%d entries in the manifest", len(entries))
	}
	for _, e := range entries {
		t.Run(e.File, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := Open(goldentest.Path(t, "evil/"+e.File))
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
				t.Errorf("%d bytes allocated", allocated)
			}
			e.Judge(t, err)
			if err != nil && !errors.Is(err, ErrFormat) {
				t.Errorf("error %v is not ErrFormat", err)
			}
			if err != nil {
				return
			}
			defer f.Close()
			for name, want := range e.Tensors {
				info, _ := f.Info(name)
				got := make([]float64, info.Elements())
				if err := f.Float64s(got, name); err != nil || !slices.Equal(info.Shape, want.Shape) {
					t.Errorf("%s: %v %v, want %v", name, info.Shape, err, want.Shape)
				}
				for i, v := range want.Values {
					if got[i] != v {
						t.Errorf("%s[%d] = %v, want %v", name, i, got[i], v)
					}
				}
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	values := []float32{1, -2.5, 3e-5, float32(math.Inf(1)), 65504, 1e-8}
	infos := []Info{{"half", F16, []int{2, 3}}, {"brain", BF16, []int{6}}, {"full", F32, []int{3, 2}}, {"none", F32, []int{0, 4}}, {"scalar", F64, nil}}
	meta := Meta{Architecture: "biggan-deep", Config: json.RawMessage(`{"a":1}`), Labels: []string{"A", "<b>"}, Model: "x"}
	w, err := Create(path, CreateOptions{Metadata: meta.Map(), Tensors: infos})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, i := range infos {
		err := w.WriteTensor(i.Name, func(out io.Writer) error {
			if i.DType == F64 {
				return binary.Write(out, binary.LittleEndian, math.Pi)
			}
			return Encode(out, i.DType, values[:i.Elements()])
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := make([]float32, 6)
	if err := f.Float32s(got, "full"); err != nil || !slices.Equal(got, values) {
		t.Errorf("full: %v %v", got, err)
	}
	pi := make([]float64, 1)
	if err := f.Float64s(pi, "scalar"); err != nil || pi[0] != math.Pi {
		t.Errorf("scalar: %v %v", pi, err)
	}
	m, err := ParseMeta(f.Metadata())
	if err != nil || m.Architecture != "biggan-deep" || string(m.Config) != `{"a":1}` || !slices.Equal(m.Labels, meta.Labels) {
		t.Errorf("meta %+v, %v", m, err)
	}
	if err := f.Float32s(got[:1], "full"); err == nil {
		t.Error("a short destination is accepted")
	}
	if _, err := Create(path, CreateOptions{}); !errors.Is(err, atomicfile.ErrExists) {
		t.Errorf("error %v, want atomicfile.ErrExists", err)
	}
}

// TestFailureLeavesNothing checks that no file, whole or temporary, stays behind.
func TestFailureLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	for name, write := range map[string]func(w *Writer) error{
		"too short": func(w *Writer) error {
			return w.WriteTensor("x", func(out io.Writer) error { _, err := out.Write(make([]byte, 4)); return err })
		},
		"too long": func(w *Writer) error {
			return w.WriteTensor("x", func(out io.Writer) error { _, err := out.Write(make([]byte, 12)); return err })
		},
		"unknown": func(w *Writer) error { return w.WriteTensor("y", nil) },
		"never":   func(w *Writer) error { return w.Commit() },
		"failing": func(w *Writer) error { return w.WriteTensor("x", func(io.Writer) error { return io.ErrUnexpectedEOF }) },
	} {
		w, err := Create(filepath.Join(dir, "m.safetensors"), CreateOptions{Tensors: []Info{{"x", F32, []int{2}}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := write(w); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRounding(t *testing.T) {
	for _, c := range []struct {
		value     float32
		f16, bf16 uint16
	}{
		{1, 0x3c00, 0x3f80},
		{1 + 1.0/2048, 0x3c00, 0x3f80},                // tie to even, down
		{1 + 3.0/2048, 0x3c02, 0x3f80},                // tie to even, up
		{1 + 1.0/256, 0x3c04, 0x3f80},                 // bf16 tie to even, down
		{1 + 3.0/256, 0x3c0c, 0x3f82},                 // bf16 tie to even, up
		{float32(math.Ldexp(1, -24)), 0x0001, 0x3380}, // smallest f16 subnormal
		{float32(math.Ldexp(1, -25)), 0x0000, 0x3300}, // tie to zero
		{65520, 0x7c00, 0x4780},                       // rounds to infinity
		{float32(math.Copysign(0, -1)), 0x8000, 0x8000},
		{float32(math.Inf(-1)), 0xfc00, 0xff80},
	} {
		var h, b bytes.Buffer
		if err := errors.Join(Encode(&h, F16, []float32{c.value}), Encode(&b, BF16, []float32{c.value})); err != nil {
			t.Fatal(err)
		}
		if got := binary.LittleEndian.Uint16(h.Bytes()); got != c.f16 {
			t.Errorf("%v as f16 is %#04x, want %#04x", c.value, got, c.f16)
		}
		if got := binary.LittleEndian.Uint16(b.Bytes()); got != c.bf16 {
			t.Errorf("%v as bf16 is %#04x, want %#04x", c.value, got, c.bf16)
		}
	}
	for _, d := range []DType{F16, BF16} {
		var buf bytes.Buffer
		back := make([]float32, 1)
		if err := errors.Join(Encode(&buf, d, []float32{float32(math.NaN())}), Decode32(back, d, buf.Bytes())); err != nil || back[0] == back[0] {
			t.Errorf("NaN as %s becomes %v, %v", d, back[0], err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, e := range goldentest.Manifest(f, ".safetensors") {
		if data := e.Content(f); len(data) < 1<<12 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v is not ErrFormat", err)
			}
			return
		}
		for _, name := range file.Names() {
			info, _ := file.Info(name)
			if bytes, _ := file.Bytes(name); int64(len(bytes)) != info.Bytes() {
				t.Fatalf("%q has %d bytes, want %d", name, len(bytes), info.Bytes())
			}
		}
	})
}

func TestDecimal(t *testing.T) {
	for _, v := range []float64{0, 0.02, 0.3, 0.437, 0.58, 1} {
		if got := Decimal(float32(v)); got != v {
			t.Errorf("float32 of %v becomes %v", v, got)
		}
	}
}

// TestView: float32 tensors are seen where they lie, others are not.
func TestView(t *testing.T) {
	header := []byte(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"h":{"dtype":"F16","shape":[2],"data_offsets":[8,12]}}`)
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	data = append(data, header...)
	data = binary.LittleEndian.AppendUint32(data, math.Float32bits(1.5))
	data = binary.LittleEndian.AppendUint32(data, math.Float32bits(-2))
	f, err := Parse(append(data, 0, 0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := f.View("a"); ok && !slices.Equal(v, []float32{1.5, -2}) {
		t.Errorf("a is %v", v)
	}
	for _, name := range []string{"h", "none"} {
		if _, ok := f.View(name); ok {
			t.Errorf("%s is seen as float32", name)
		}
	}
}

// TestRelease: a tensor whose memory was given back reads as before, of a mapped file and of
// bytes in memory alike.
func TestRelease(t *testing.T) {
	values := make([]float32, 1<<16)
	for i := range values {
		values[i] = float32(i)
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	w, err := Create(path, CreateOptions{Tensors: []Info{{Name: "a", DType: F32, Shape: []int{len(values)}}, {Name: "b", DType: F32, Shape: []int{1}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, x := range []struct {
		name   string
		values []float32
	}{{"a", values}, {"b", []float32{7}}} {
		if err := w.WriteTensor(x.name, func(out io.Writer) error { return Encode(out, F32, x.values) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	mapped, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer mapped.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*File{mapped, parsed} {
		before, ok := f.View("a")
		f.Release("a")
		f.Release("none")
		got, one := make([]float32, len(values)), make([]float32, 1)
		if err := cmp.Or(f.Float32s(got, "a"), f.Float32s(one, "b")); err != nil || !slices.Equal(got, values) || one[0] != 7 {
			t.Errorf("other values after the release: %v", err)
		}
		if ok && !slices.Equal(before, values) {
			t.Error("the view shows other values after the release")
		}
	}
}
