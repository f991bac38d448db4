package synth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/goldentest"
)

// recipe is what PyTorch's side of the recipe wrote down.
type recipe struct {
	Models map[string]struct {
		SHA256 string `json:"sha256_all_but_uv_sorted_keys"`
		N      int    `json:"n_tensors"`
	}
	Vectors []struct {
		Name  string
		Index int
		U     float64
	}
}

func readRecipe(t *testing.T) recipe {
	t.Helper()
	var r recipe
	if err := json.Unmarshal(goldentest.Read(t, "fullsize/fullsize.json"), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVectors(t *testing.T) {
	for _, v := range readRecipe(t).Vectors {
		if got := u(v.Name, v.Index); got != v.U {
			t.Errorf("%s %d: %v, want %v", v.Name, v.Index, got, v.U)
		}
	}
}

// TestHashes compares every tensor of all six networks, but the singular vectors, which may
// differ in the last bit.
func TestHashes(t *testing.T) {
	r := readRecipe(t)
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := r.Models[strings.TrimPrefix(name, "biggan-")]
			if !strings.HasPrefix(name, "biggan-deep") {
				want = r.Models[name]
			}
			ck, err := New(name)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, info := range ck.Tensors() {
				if !vector(info.Name) {
					names = append(names, info.Name)
				}
			}
			slices.Sort(names)
			h := sha256.New()
			for _, n := range names {
				data, err := ck.Bytes(n)
				if err != nil {
					t.Fatal(err)
				}
				h.Write(data)
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != want.SHA256 {
				t.Errorf("%d tensors hash to %s, want %s", len(names), got, want.SHA256)
			}
		})
	}
}

func vector(name string) bool {
	return strings.HasSuffix(name, ".weight_u") || strings.HasSuffix(name, ".weight_v") || strings.HasSuffix(name, ".u0")
}

// TestSingularVectors: the stored vectors are unit and give nearly the same norm forth and back.
func TestSingularVectors(t *testing.T) {
	w := []float64{3, 0, 0, 0, 1, 0} // 2 x 3, singular values 3 and 1
	left, right := powerIteration(w, 2, 3, "generator.x.weight_u")
	if left[0]*left[0] < 0.999 || right[0]*right[0] < 0.999 {
		t.Errorf("%v, %v", left, right)
	}
}

func TestUnknownName(t *testing.T) {
	if _, err := Write(t.Context(), "biggan-1024", filepath.Join(t.TempDir(), "x"), convert.Options{}); err == nil || !strings.Contains(err.Error(), "biggan-deep-512") {
		t.Errorf("%v", err)
	}
}
