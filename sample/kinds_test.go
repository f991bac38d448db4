package sample

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// TestKinds compares every kind of noise with NumPy's and SciPy's, bit for bit
// (testdata/noise.py).
func TestKinds(t *testing.T) {
	data, err := os.ReadFile("testdata/noise.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Seed                         uint32
			N, Dim                       int
			Truncation                   float64
			Truncated, Normal, Resampled string
		}
	}
	if err := json.Unmarshal(data, &file); err != nil || len(file.Cases) == 0 {
		t.Fatal(len(file.Cases), err)
	}
	for _, c := range file.Cases {
		for kind, want := range map[Kind]string{Truncated: c.Truncated, Normal: c.Normal, Resampled: c.Resampled, "": c.Truncated} {
			z := fill(t, kind, c.Seed, c.N*c.Dim, c.Truncation)
			var b bytes.Buffer
			if err := binary.Write(&b, binary.LittleEndian, z); err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(b.Bytes()); hex.EncodeToString(sum[:]) != want {
				t.Errorf("%q noise of seed %d, n %d, dim %d, truncation %v: digest %x, want %s", kind, c.Seed, c.N, c.Dim, c.Truncation, sum, want)
			}
		}
	}
}

func fill(t *testing.T, kind Kind, seed uint32, n int, truncation float64) []float32 {
	t.Helper()
	s, err := NewSource(kind, seed, truncation)
	if err != nil {
		t.Fatal(err)
	}
	z := make([]float32, n)
	s.Fill(z)
	return z
}

// TestSkip: a source that skips goes on where one that draws does.
func TestSkip(t *testing.T) {
	for _, kind := range Kinds {
		whole := fill(t, kind, 3, 40, 0.5)
		s, err := NewSource(kind, 3, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		part := make([]float32, 7)
		s.Skip(33)
		if s.Fill(part); !slices.Equal(part, whole[33:]) {
			t.Errorf("%s: %v, want %v", kind, part, whole[33:])
		}
	}
}

func TestSourceErrors(t *testing.T) {
	if _, err := NewSource("pink", 0, 0.5); err == nil {
		t.Error("an unknown kind is no error")
	}
	if _, err := NewSource(Resampled, 0, 1e-9); err == nil {
		t.Error("a truncation that would draw for ever is no error")
	}
	if z := fill(t, Resampled, 0, 5, 0); !slices.Equal(z, make([]float32, 5)) {
		t.Errorf("truncation 0: %v", z)
	}
}

func TestSlerp(t *testing.T) {
	a, b := []float32{3, 0, 0}, []float32{0, 3, 0}
	half := float32(3 / math.Sqrt2)
	for _, c := range []struct {
		a, b []float32
		t    float64
		want []float32
	}{
		{a, b, 0, a}, {a, b, 1, b}, {a, b, 0.5, []float32{half, half, 0}}, {a, a, 0.3, a},
		{a, []float32{-3, 0, 0}, 0.25, []float32{1.5, 0, 0}}, {a, []float32{0, 0, 0}, 0.5, []float32{1.5, 0, 0}},
	} {
		got := Slerp.Between(c.a, c.b, c.t)
		for i := range got {
			if math.Abs(float64(got[i]-c.want[i])) > 1e-6 {
				t.Errorf("%v to %v at %v: %v, want %v", c.a, c.b, c.t, got, c.want)
				break
			}
		}
	}
	if got := Linear.Between(a, b, 0.5); !slices.Equal(got, []float32{1.5, 1.5, 0}) {
		t.Errorf("linear: %v", got)
	}
}

// TestSteps: numpy.linspace(0, 1, k), and back.
func TestSteps(t *testing.T) {
	if got, want := Steps(4, false), []float64{0, 1.0 / 3, 2 * (1.0 / 3), 1}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := Steps(3, true), []float64{0, 0.5, 1, 0.5}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
