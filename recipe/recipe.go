// Package recipe holds what a picture says of its making, and makes pictures by it: a sheet, an
// animation, or one picture after another.
package recipe

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/biggan-zoo/biggan/render"
)

// key is the keyword of the text that holds a recipe.
const key = "biggan"

// Version is the version of recipes that this package writes and follows.
const Version = 2

// Recipe is what a picture says of its making. One of Pictures and Interpolated is set.
type Recipe struct {
	Version   int    `json:"version"`
	Model     string `json:"model"`
	SHA256    string `json:"sha256"` // of the model's file
	Backend   string `json:"backend"`
	Precision string `json:"precision"`
	// Methods are what a table of the machine had computed otherwise than every machine computes it
	// without one (backend.Options.Methods): with them the picture is the same without the table.
	Methods    map[string]string `json:"methods,omitempty"`
	Stats      string            `json:"stats"`
	Truncation float64           `json:"truncation"`
	Noise      string            `json:"noise"`
	Columns    int               `json:"columns,omitempty"` // of the sheet; 0 = the squarest
	Labels     bool              `json:"labels,omitempty"`  // captions
	FPS        float64           `json:"fps,omitempty"`     // of an animation

	*Pictures
	*Interpolated

	Classes []string `json:"classes"` // of each picture; of an interpolation, of the ends of each row
}

// Pictures is the part of a recipe of what generate makes.
type Pictures struct {
	Seed    uint32    `json:"seed"`
	Indices []int     `json:"indices"`           // of each picture among those of the seed
	Asked   []string  `json:"asked,omitempty"`   // classes as asked for
	Drawn   int       `json:"drawn,omitempty"`   // classes drawn where none is asked for
	Mix     []string  `json:"mix,omitempty"`     // of blocks
	Sweep   []float64 `json:"sweep,omitempty"`   // truncations, a row each
	Latents bool      `json:"latents,omitempty"` // given by a file, not drawn from the seed
	Z       []byte    `json:"z,omitempty"`       // those, float32, little endian
}

// Interpolated is the part of a recipe of what interpolate makes.
type Interpolated struct {
	From  string `json:"from"`
	To    string `json:"to"`
	SeedA uint32 `json:"seed_a"`
	SeedB uint32 `json:"seed_b"`
	Rows  int    `json:"rows"`
	Steps int    `json:"steps"`
	Loop  bool   `json:"loop,omitempty"`
	Path  string `json:"path"`
}

// Texts are what a file holds of the recipe.
func (r Recipe) Texts() ([]render.Text, error) {
	text, err := json.Marshal(r)
	return []render.Text{{Key: "Software", Value: "biggan"}, {Key: key, Value: string(text)}}, err
}

// Public is the recipe without what no reader of --json looks for.
func (r Recipe) Public() Recipe {
	if r.Pictures != nil {
		p := *r.Pictures
		p.Z = nil
		r.Pictures = &p
	}
	return r
}

// ErrRecipe means that a picture does not say how it was made, or that the recipe cannot be followed.
var ErrRecipe = errors.New("cannot be replayed")

// Read finds the recipe among a file's texts. Errors wrap ErrRecipe.
func Read(texts []render.Text) (Recipe, error) {
	var r Recipe
	for _, t := range texts {
		if t.Key != key {
			continue
		}
		if err := json.Unmarshal([]byte(t.Value), &r); err != nil {
			return r, fmt.Errorf("%w: its recipe is no recipe: %v", ErrRecipe, err)
		}
		if r.Version != Version {
			return r, fmt.Errorf("%w: its recipe has version %d, want %d", ErrRecipe, r.Version, Version)
		}
		return r, r.check()
	}
	return r, fmt.Errorf("%w: it says nothing about its making", ErrRecipe)
}

// check refuses a recipe that no verb wrote.
func (r *Recipe) check() error {
	for _, c := range []struct {
		bad  bool
		what string
	}{
		{(r.Pictures == nil) == (r.Interpolated == nil), "is neither of pictures nor of an interpolation"},
		{r.Columns < 0, "has a negative number of columns"},
		{r.Pictures != nil && len(r.Indices) == 0, "has no pictures"},
		{r.Pictures != nil && r.Sweep != nil && len(r.Sweep) == 0, "has an empty sweep"},
		{r.Interpolated != nil && (r.Rows < 1 || r.Steps < 2), "has no rows or no steps"},
	} {
		if c.bad {
			return fmt.Errorf("%w: its recipe %s", ErrRecipe, c.what)
		}
	}
	return nil
}
