package contact

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/biggan-zoo/biggan/recipe"
)

// caption is the lines below a picture that says r of its making, nil for nothing.
func caption(p part, r *recipe.Recipe, c Caption) []string {
	switch {
	case c == Silent:
		return nil
	case c == Name || r == nil:
		return []string{p.base()}
	case r.Interpolated != nil:
		return []string{strings.Join(once(r.Classes), " to "), fmt.Sprintf("seeds %d, %d", r.SeedA, r.SeedB), "trunc. " + decimal(r.Truncation)}
	}
	return []string{strings.Join(once(r.Classes), ", "), source(r), "trunc. " + truncation(r)}
}

// source is the seed of a picture and its number among those of the seed, or that it has none.
func source(r *recipe.Recipe) string {
	first, last := r.Indices[0], r.Indices[len(r.Indices)-1]
	switch {
	case r.Latents:
		return "z of a file"
	case first != last:
		return fmt.Sprintf("seed %d #%d-%d", r.Seed, first, last)
	}
	return fmt.Sprintf("seed %d #%d", r.Seed, first)
}

// truncation is that of a picture, or the first and the last of a sweep.
func truncation(r *recipe.Recipe) string {
	all := r.Truncations()
	if len(all) == 1 {
		return decimal(all[0])
	}
	return decimal(all[0]) + "-" + decimal(all[len(all)-1])
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// once names each text once, in order.
func once(texts []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, t := range texts {
		if !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return out
}

// totals is what a header says of all pictures.
type totals struct {
	pictures, silent    int // in all; that say nothing of their making
	models, truncations map[string]bool
	classes, seeds      map[string]bool
	model, seed, trunc  string // the one, as long as there is one
}

const headerLines = 2

// add counts a picture that says r of its making, nil for nothing.
func (t *totals) add(r *recipe.Recipe) {
	t.pictures++
	if r == nil {
		t.silent++
		return
	}
	if t.models == nil {
		t.models, t.truncations, t.classes, t.seeds = map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	t.model = strings.TrimSuffix(filepath.Base(r.Model), ".safetensors")
	if len(r.SHA256) >= 12 {
		t.model += " " + r.SHA256[:12]
	}
	t.models[t.model] = true
	t.trunc = truncation(r)
	t.truncations[t.trunc] = true
	for _, c := range r.Classes {
		t.classes[c] = true
	}
	if r.Pictures != nil && !r.Latents {
		t.seed = strconv.FormatUint(uint64(r.Seed), 10)
		t.seeds[t.seed] = true
	}
}

// header is the lines at the top of page i: what made the pictures, and how many they are.
func (s *Sheet) header(i int) []string {
	t := &s.totals
	title := s.options.Title
	if title == "" {
		title = several(t.models, t.model, "models", "contact sheet")
	}
	facts := []string{count(t.pictures, "picture")}
	if n := len(t.classes); n > 0 {
		facts = append(facts, count(n, "class", "classes"))
	}
	if n := len(t.seeds); n > 0 {
		facts = append(facts, several(t.seeds, "seed "+t.seed, "seeds", ""))
	}
	if n := len(t.truncations); n > 0 {
		facts = append(facts, several(t.truncations, "truncation "+t.trunc, "truncations", ""))
	}
	if t.silent > 0 && t.silent < t.pictures {
		facts = append(facts, fmt.Sprintf("%d without metadata", t.silent))
	}
	if s.Pages() > 1 {
		facts = append(facts, fmt.Sprintf("page %d of %d", i+1, s.Pages()))
	}
	return []string{title, strings.Join(facts, ", ")}
}

// several is the one, or how many there are.
func several(set map[string]bool, one, many, none string) string {
	switch len(set) {
	case 0:
		return none
	case 1:
		return one
	}
	return fmt.Sprintf("%d %s", len(set), many)
}

func count(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}
