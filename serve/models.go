package serve

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/recipe"
)

// served is a model under its name.
type served struct {
	Model
	side   int // pixels
	blocks int // that a mix can condition
	digest func() (string, error)
	make   maker
}

// maker follows a recipe with a model; recipe.Recipe.Make is one.
type maker func(ctx context.Context, r *recipe.Recipe, k recipe.Kitchen, each recipe.Each) (*recipe.Sheet, error)

// The limits of one request.
const (
	maxPictures = 1024
	maxPixels   = 1 << 24 // of all pictures together
)

// most is the number of pictures of one request that the model draws.
func (m *served) most() int { return min(maxPictures, maxPixels/(m.side*m.side)) }

func serveAll(models []Model) ([]*served, error) {
	if len(models) == 0 {
		return nil, fmt.Errorf("serve: %w: no models", ErrConfig)
	}
	var all []*served
	for _, m := range models {
		if m.ZDim() == 0 {
			return nil, fmt.Errorf("serve: %w: %s is a discriminator: it draws nothing", ErrConfig, m.Name)
		}
		if slices.ContainsFunc(all, func(other *served) bool { return other.Name == m.Name }) {
			return nil, fmt.Errorf("serve: %w: two models would be called %q", ErrConfig, m.Name)
		}
		image, _ := m.Graph.Node("image")
		all = append(all, &served{
			Model: m, side: image.Shape[1], blocks: m.Blocks(), digest: sync.OnceValues(m.Digest),
			make: func(ctx context.Context, r *recipe.Recipe, k recipe.Kitchen, each recipe.Each) (*recipe.Sheet, error) {
				return r.Make(ctx, m.Model, k, each)
			},
		})
	}
	return all, nil
}

// find looks a model up by its name; "" is the first. Clients name no files.
func (s *Server) find(name string) (*served, *failure) {
	if name == "" {
		return s.models[0], nil
	}
	var names []string
	for _, m := range s.models {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return nil, &failure{
		status: http.StatusNotFound, Message: fmt.Sprintf("no model %q is served here", name), Field: "model",
		Hint: fmt.Sprintf("there is %q; --model adds others", names),
	}
}

type modelJSON struct {
	Name         string `json:"name"`
	Architecture string `json:"architecture"`
	Side         int    `json:"side"` // pixels
	Classes      int    `json:"classes"`
	ZDim         int    `json:"z_dim"`
	Parameters   int64  `json:"parameters"`
	Blocks       int    `json:"blocks"`         // that a mix can condition
	OneStats     bool   `json:"one_statistics"` // exact at truncation 1 only
	MaxPictures  int    `json:"max_pictures"`   // of one request
	Argument     string `json:"argument"`       // what the command line calls it, beside -m
}

// argument is what the command line calls the model; of a file its name alone: clients know no folders.
func (m *served) argument() string { return filepath.Base(m.Model.Model.Name) }

func (m *served) describe() modelJSON {
	return modelJSON{
		Name: m.Name, Architecture: m.Meta.Architecture, Side: m.side, Classes: m.Labels.Len(), ZDim: m.ZDim(), Blocks: m.blocks,
		Parameters: m.Graph.ParamCount(), OneStats: m.OneTruncation(), MaxPictures: m.most(), Argument: m.argument(),
	}
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) error {
	var doc struct {
		Models []modelJSON `json:"models"`
		Flags  []string    `json:"flags"` // of the command line that draws the same
	}
	doc.Flags = append([]string{}, s.config.Flags...)
	for _, m := range s.models {
		doc.Models = append(doc.Models, m.describe())
	}
	writeJSON(w, http.StatusOK, doc)
	return nil
}

// listClasses finds classes of a model: ?q= (none = all), ?model=, ?limit=.
func (s *Server) listClasses(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	m, f := s.find(query.Get("model"))
	if f != nil {
		return f
	}
	limit := m.Labels.Len()
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return refuse("limit", fmt.Sprintf("limit %q, want a number from 1", text), "")
		}
		limit = n
	}
	writeJSON(w, http.StatusOK, m.search(query.Get("q"), limit))
	return nil
}

// classesJSON is what a search found.
type classesJSON struct {
	Model   string      `json:"model"`
	Found   int         `json:"found"` // classes in all; the list may be cut
	Group   *groupJSON  `json:"group,omitempty"`
	Classes []classJSON `json:"classes"`
}

// groupJSON is several classes that one argument means: a drawing takes one of them by seed.
type groupJSON struct {
	Argument string `json:"argument"`
	Classes  int    `json:"classes"`
}

type classJSON struct {
	labels.Class
	Argument string `json:"argument"` // means this class alone: its name, or its number where others are called so too
}

// search finds classes: first those that the query means as a class argument, then those
// with its text in a name, a synonym or a narrower term. "" finds all.
func (m *served) search(query string, limit int) classesJSON {
	doc := classesJSON{Model: m.Name, Classes: []classJSON{}}
	var found []int
	if match, err := m.Labels.Lookup(query); err == nil {
		found = slices.Clone(match.Classes)
		if len(found) > 1 {
			doc.Group = &groupJSON{query, len(found)}
		}
	}
	for i := range m.Labels.Len() {
		if query == "" {
			found = append(found, i)
		}
	}
	for _, i := range m.Labels.Search(query) {
		if !slices.Contains(found, i) {
			found = append(found, i)
		}
	}
	doc.Found = len(found)
	for _, i := range found[:min(limit, len(found))] {
		c := classJSON{m.Labels.Class(i), m.Labels.Name(i)}
		if one, err := m.Labels.Find(c.Argument); err != nil || one != i {
			c.Argument = strconv.Itoa(i)
		}
		doc.Classes = append(doc.Classes, c)
	}
	return doc
}
