package serve

import (
	"context"
	"image"
	"net/http"
	"strings"
	"time"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/render"
	"github.com/biggan-zoo/biggan/sample"
)

// drawn is the pictures of one request and how they were made.
type drawn struct {
	recipe recipe.Recipe
	sheet  *recipe.Sheet
	each   []pictureJSON // beside the pictures of the sheet
	took   time.Duration // of the drawing, without the wait for a place and the encoding
}

// pictureJSON is what an answer says about one picture.
type pictureJSON struct {
	Class string   `json:"class"` // a name, or names and shares: A:0.25,B:0.75
	Index int      `json:"index"` // among those of the seed; of an interpolation, row by row
	Row   *int     `json:"row,omitempty"`
	Step  *int     `json:"step,omitempty"`
	T     *float64 `json:"t,omitempty"` // 0 = from, 1 = to
	PNG   []byte   `json:"png"`
}

// generate answers POST /v1/generate.
func (s *Server) generate(w http.ResponseWriter, r *http.Request) error {
	var body generateRequest
	m, err := s.ask(w, r, &body, &body.Model)
	if err != nil {
		return err
	}
	asked, err := body.recipe(m)
	if err != nil {
		return err
	}
	return s.answer(w, r, m, asked)
}

// interpolate answers POST /v1/interpolate.
func (s *Server) interpolate(w http.ResponseWriter, r *http.Request) error {
	var body interpolateRequest
	m, err := s.ask(w, r, &body, &body.Model)
	if err != nil {
		return err
	}
	asked, err := body.recipe(m)
	if err != nil {
		return err
	}
	return s.answer(w, r, m, asked)
}

// ask reads a request and finds its model.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, body any, model *string) (*served, error) {
	if err := read(w, r, body); err != nil {
		return nil, err
	}
	m, f := s.find(*model)
	if f != nil {
		return nil, f
	}
	return m, nil
}

// answer draws in a place of the queue, and encodes and sends what the client accepts. A
// client that reads slowly holds no place.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, m *served, asked recipe.Recipe) error {
	kind, f := choose(r.Header.Get("Accept"), kinds())
	if f != nil {
		return f
	}
	digest, err := m.digest()
	if err != nil {
		return err
	}
	asked.SHA256, asked.Precision = digest, string(s.config.Options.Precision)
	if !strings.HasSuffix(kind, "gif") && !strings.HasSuffix(kind, "apng") {
		asked.FPS = 0 // of an animation only, as the command line has it
	}
	d := &drawn{recipe: asked}
	var body []byte
	err = s.queue.do(r.Context(), func() error {
		if err := d.draw(r.Context(), m, recipe.Kitchen{Backend: s.config.Backend, Options: s.config.Options}); err != nil {
			return err
		}
		s.metrics.pictures.WithLabelValues(m.Name).Add(float64(len(d.each)))
		return nil
	}, func() (err error) {
		body, err = encode(kind, d)
		return err
	})
	if err != nil {
		return err
	}
	send(w, kind, body)
	return nil
}

func (d *drawn) draw(ctx context.Context, m *served, k recipe.Kitchen) (err error) {
	start := time.Now()
	var steps []float64 // of a row
	if d.recipe.Interpolated != nil {
		steps = sample.Steps(d.recipe.Steps, d.recipe.Loop)
	}
	d.sheet, err = m.make(ctx, &d.recipe, k, func(p biggan.Picture, done, _ int) error {
		about := pictureJSON{Class: m.Labels.MixName(p.Class), Index: p.Index}
		if steps != nil {
			row, step := (done-1)/len(steps), (done-1)%len(steps)
			about.Row, about.Step, about.T = &row, &step, &steps[step]
		}
		d.each = append(d.each, about)
		return nil
	})
	d.took = time.Since(start)
	return err
}

// single is the recipe of one picture of several, if it has one of its own.
func (d *drawn) single(i int) (r recipe.Recipe, ok bool) {
	if d.recipe.Pictures == nil {
		return r, false
	}
	r = d.recipe
	own := *r.Pictures
	own.Indices = []int{d.each[i].Index}
	r.Pictures, r.Columns, r.Classes = &own, 0, []string{d.each[i].Class}
	return r, true
}

// one is the sheet of one picture.
func (d *drawn) one(i int) *recipe.Sheet {
	return &recipe.Sheet{Images: []image.Image{d.sheet.Images[i]}, Captions: []string{d.each[i].Class}}
}

// columns are those of the sheet.
func (d *drawn) columns() int {
	switch {
	case d.recipe.Interpolated != nil:
		return len(d.each) / d.recipe.Rows
	case d.recipe.Columns > 0:
		return min(d.recipe.Columns, len(d.each))
	}
	return render.Columns(len(d.each))
}
