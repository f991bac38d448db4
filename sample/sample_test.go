package sample

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/goldentest"
)

// TestNoise compares with draws of NumPy and SciPy, bit for bit.
func TestNoise(t *testing.T) {
	var file struct {
		Cases []struct {
			Seed       uint32
			N, Dim     int
			Truncation float64
			First8     []float32
			SHA256     string `json:"sha256_float32_le"`
		}
	}
	if err := json.Unmarshal(goldentest.Read(t, "seeds.json"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range file.Cases {
		z := Noise(c.Seed, c.N, c.Dim, c.Truncation)
		if !slices.Equal(z[:len(c.First8)], c.First8) {
			t.Errorf("seed %d: %v, want %v", c.Seed, z[:8], c.First8)
		}
		var b bytes.Buffer
		if err := binary.Write(&b, binary.LittleEndian, z); err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b.Bytes()); hex.EncodeToString(sum[:]) != c.SHA256 {
			t.Errorf("seed %d, n %d, dim %d, truncation %v: digest %x, want %s", c.Seed, c.N, c.Dim, c.Truncation, sum, c.SHA256)
		}
	}
}

// TestNoiseIsAPrefix: more samples do not change the first ones.
func TestNoiseIsAPrefix(t *testing.T) {
	if few, many := Noise(7, 2, 5, 1), Noise(7, 4, 5, 1); !slices.Equal(few, many[:10]) {
		t.Error("the first samples changed")
	}
}

// TestClasses compares with draws of NumPy 2.4.6 by the documented formula.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		seed uint32
		n    int
		want []int
	}{
		{0, 26, []int{2, 11, 0, 17}},
		{4294967295, 5, []int{4, 1, 2, 3, 0, 1, 4}},
		{7, 1000, []int{225, 359, 799}},
	} {
		if got := Classes(c.seed, len(c.want), c.n); !slices.Equal(got, c.want) {
			t.Errorf("seed %d of %d: %v, want %v", c.seed, c.n, got, c.want)
		}
	}
}
