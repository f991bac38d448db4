package recipe_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/render"
)

func pictures() recipe.Recipe {
	return recipe.Recipe{
		Version: recipe.Version, Model: "letters", Backend: "cpu", Precision: "f32", Stats: "linear", Truncation: 0.5, Noise: "truncated",
		Pictures: &recipe.Pictures{Seed: 7, Indices: []int{3, 4}, Asked: []string{"A", "B"}},
	}
}

// TestTexts: what a file holds is the recipe again.
func TestTexts(t *testing.T) {
	interpolated := recipe.Recipe{
		Version: recipe.Version, Model: "letters", Stats: "linear", FPS: 10, Labels: true, Classes: []string{"A", "B"},
		Interpolated: &recipe.Interpolated{From: "A", To: "B", SeedB: 4294967295, Rows: 2, Steps: 5, Loop: true, Path: "slerp"},
	}
	for _, want := range []recipe.Recipe{pictures(), interpolated} {
		texts, err := want.Texts()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := recipe.Read(texts); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	for _, text := range []string{
		"", "x", "null", "{}", `{"version":1}`, `{"version":2}`, `{"version":2,"indices":[]}`, `{"version":2,"indices":[0],"rows":1,"steps":2}`,
		`{"version":2,"rows":0,"steps":5}`, `{"version":2,"rows":1,"steps":1}`, `{"version":2,"indices":[0],"sweep":[]}`, `{"version":2,"indices":[0],"columns":-1}`,
	} {
		if _, err := recipe.Read([]render.Text{{Key: "biggan", Value: text}}); !errors.Is(err, recipe.ErrRecipe) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := recipe.Read([]render.Text{{Key: "other", Value: "{}"}}); !errors.Is(err, recipe.ErrRecipe) {
		t.Errorf("no recipe: %v", err)
	}
}

// TestMakeErrors: a recipe that was tampered with is refused, not followed into the ground.
func TestMakeErrors(t *testing.T) {
	m, err := biggan.Open(t.Context(), "letters")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for name, change := range map[string]func(r *recipe.Recipe){
		"indices out of order": func(r *recipe.Recipe) { r.Indices = []int{4, 3} },
		"negative index":       func(r *recipe.Recipe) { r.Indices = []int{-4} },
		"stats":                func(r *recipe.Recipe) { r.Stats = "cubic" },
		"noise":                func(r *recipe.Recipe) { r.Noise = "pink" },
		"truncation":           func(r *recipe.Recipe) { r.Truncation = -1 },
		"class":                func(r *recipe.Recipe) { r.Asked = []string{"tiger"} },
		"mix":                  func(r *recipe.Recipe) { r.Mix = []string{"9=seed:1"} },
		"latents left out":     func(r *recipe.Recipe) { r.Latents = true },
		"too few latents":      func(r *recipe.Recipe) { r.Latents, r.Z = true, make([]byte, 8) },
		"too many pictures":    func(r *recipe.Recipe) { r.Indices, r.Sweep = make([]int, 1<<16), make([]float64, 1<<10) },
		"too many steps": func(r *recipe.Recipe) {
			r.Pictures, r.Interpolated = nil, &recipe.Interpolated{Rows: 1 << 40, Steps: 1 << 40}
		},
	} {
		r := pictures()
		change(&r)
		if _, err := r.Make(t.Context(), m, recipe.Kitchen{}, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzRead(f *testing.F) {
	text, err := json.Marshal(pictures())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(`{"version":2,"rows":1,"steps":2}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := recipe.Read([]render.Text{{Key: "biggan", Value: text}})
		if err != nil {
			if !errors.Is(err, recipe.ErrRecipe) {
				t.Error(err)
			}
			return
		}
		if r.Interpolated == nil && len(r.Indices) == 0 {
			t.Errorf("%q: a recipe of nothing", text)
		}
	})
}
