package gunzip

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// samples are contents of every kind of block and match.
func samples() map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 700<<10)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	floats := make([]byte, 0, 1<<20)
	for range 1 << 18 {
		bits := math.Float32bits(float32(random.NormFloat64()) / 20)
		floats = append(floats, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
	}
	skewed := make([]byte, 1<<20) // codes of all lengths up to 15
	for i := range skewed {
		skewed[i] = byte(random.ExpFloat64() * 9)
	}
	var far []byte // matches from 1 to 32768 back
	for n := 1; len(far) < 1<<20; n = n*5/4 + 1 {
		far = append(far, noise[:n%(33<<10)]...)
		far = append(far, bytes.Repeat([]byte{byte(n)}, n%500)...)
	}
	return map[string][]byte{
		"empty": {}, "one": {7}, "noise": noise, "floats": floats, "skewed": skewed, "far": far,
		"zeros": make([]byte, 1<<20), "text": []byte(strings.Repeat("one two three four, ", 5000)),
	}
}

func zipped(t testing.TB, level int, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	z.Name, z.Comment, z.Extra = "name", "comment", []byte("extra")
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unzip(src io.Reader) ([]byte, error) {
	r, err := NewReader(src)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// TestLevels decompresses what the standard library compressed, in large and in small reads.
func TestLevels(t *testing.T) {
	for name, content := range samples() {
		for _, level := range []int{gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression, gzip.HuffmanOnly} {
			data := zipped(t, level, content)
			if got, err := unzip(bytes.NewReader(data)); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s, level %d: %d bytes, %v; want %d", name, level, len(got), err, len(content))
			}
			if got, err := unzip(iotest.HalfReader(bytes.NewReader(data))); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s, level %d, in halves: %d bytes, %v", name, level, len(got), err)
			}
		}
	}
	content := samples()["text"]
	data := zipped(t, gzip.DefaultCompression, content)
	if got, err := unzip(iotest.OneByteReader(bytes.NewReader(data))); err != nil || !bytes.Equal(got, content) {
		t.Errorf("byte by byte: %d bytes, %v", len(got), err)
	}
	if got, err := unzip(iotest.DataErrReader(bytes.NewReader(data))); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the end with the last bytes: %d bytes, %v", len(got), err)
	}
}

// TestMembers reads members one behind the other; none reaches into the one before.
func TestMembers(t *testing.T) {
	var data, want []byte
	for _, name := range []string{"floats", "empty", "text", "zeros"} {
		data = append(data, zipped(t, gzip.BestSpeed, samples()[name])...)
		want = append(want, samples()[name]...)
	}
	if got, err := unzip(bytes.NewReader(data)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
	}
	text := zipped(t, gzip.BestSpeed, []byte("a"))
	reaching := append(text[:len(text):len(text)], 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0)
	reaching = append(reaching, 0x03, 0x02, 0x00) // fixed codes: a match of 3, 1 back
	if _, err := unzip(bytes.NewReader(reaching)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a match into another member: %v", err)
	}
}

// TestErrors: what is cut off, changed or followed by something else is refused.
func TestErrors(t *testing.T) {
	content := samples()["text"][:3000]
	data := zipped(t, gzip.DefaultCompression, content)
	for n := 1; n < len(data); n++ {
		if _, err := unzip(bytes.NewReader(data[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v", n, len(data), err)
		}
	}
	if _, err := unzip(bytes.NewReader(nil)); err != io.EOF {
		t.Errorf("nothing: %v", err)
	}
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 0x10
		got, err := unzip(bytes.NewReader(changed))
		if err == nil && !bytes.Equal(got, content) {
			t.Errorf("byte %d changed: %d other bytes", i, len(got))
		}
	}
	if _, err := unzip(bytes.NewReader(append(data, "more"...))); !errors.Is(err, ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("something behind: %v", err)
	}
	broken := errors.New("broken disk")
	if _, err := unzip(io.MultiReader(bytes.NewReader(data[:len(data)/2]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
}

// FuzzReader compares with the standard library: the same bytes, or both refuse.
func FuzzReader(f *testing.F) {
	for _, content := range samples() {
		content = content[:min(len(content), 2000)]
		for _, level := range []int{gzip.NoCompression, gzip.BestCompression, gzip.HuffmanOnly} {
			f.Add(zipped(f, level, content))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := unzip(io.LimitReader(bytes.NewReader(data), 1<<16))
		var want []byte
		theirs, wantErr := gzip.NewReader(bytes.NewReader(data[:min(len(data), 1<<16)]))
		if wantErr == nil {
			want, wantErr = io.ReadAll(theirs)
		}
		if (err == nil) != (wantErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v; want %d, %v", len(got), err, len(want), wantErr)
		}
	})
}

// BenchmarkReader decompresses weights, beside the standard library.
func BenchmarkReader(b *testing.B) {
	for _, name := range []string{"floats", "noise", "text"} {
		content := samples()[name]
		data := zipped(b, gzip.BestCompression, content)
		for _, c := range []struct {
			who  string
			open func(io.Reader) (io.Reader, error)
		}{
			{"ours", func(r io.Reader) (io.Reader, error) { return NewReader(r) }},
			{"standard", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		} {
			b.Run(name+"/"+c.who, func(b *testing.B) {
				b.SetBytes(int64(len(content)))
				for b.Loop() {
					r, err := c.open(bytes.NewReader(data))
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
