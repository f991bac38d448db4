package serve

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/render"
	"github.com/biggan-zoo/biggan/sample"
)

// The limits of a request's body.
const (
	maxBody    = 1 << 20
	maxClasses = 1024
	maxMixes   = 64
	maxText    = 1000 // bytes of a class or a mix
	maxFirst   = 1 << 19
)

// classRef is a class as JSON gives it: a string, or a number.
type classRef string

// UnmarshalJSON takes "tiger" and 292; null is "", as if left out.
func (c *classRef) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var number uint32
	if json.Unmarshal(data, &number) == nil {
		*c = classRef(strconv.FormatUint(uint64(number), 10))
		return nil
	}
	return json.Unmarshal(data, (*string)(c))
}

// generateRequest is the body of POST /v1/generate. What is left out is as in `biggan generate`.
type generateRequest struct {
	common
	Classes []classRef `json:"classes"`
	N       *int       `json:"n"`
	First   int        `json:"first"`
	Drawn   *int       `json:"drawn"`
	Seed    uint32     `json:"seed"`
	Mix     []string   `json:"mix"`
	Columns int        `json:"columns"`
}

// interpolateRequest is the body of POST /v1/interpolate. What is left out is as in `biggan interpolate`.
type interpolateRequest struct {
	common
	From  classRef `json:"from"`
	To    classRef `json:"to"`
	SeedA uint32   `json:"seed_a"`
	SeedB uint32   `json:"seed_b"`
	Rows  *int     `json:"rows"`
	Steps *int     `json:"steps"`
	Loop  bool     `json:"loop"`
	Path  string   `json:"path"`
}

// read decodes the body of a POST: one JSON document, of fields that there are.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &failure{
			status: http.StatusUnsupportedMediaType, Message: fmt.Sprintf("Content-Type %q", r.Header.Get("Content-Type")),
			Hint: "send application/json",
		}
	}
	if r.ContentLength > maxBody {
		return &http.MaxBytesError{Limit: maxBody}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return err
		}
		return &failure{status: http.StatusBadRequest, Message: "the request's body broke off: " + err.Error()}
	}
	// The connection's deadline was that of the body; the drawing may take longer.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return decode(body, into)
}

// decode is the pure part of read. Every error is a failure.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return refuse("", "the request holds more than one JSON document", "")
		}
		return nil
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		field := kind.Field[strings.LastIndexByte(kind.Field, '.')+1:] // without the structs that hold it
		return refuse(field, fmt.Sprintf("%s is a JSON %s, want %s", field, kind.Value, kind.Type), "")
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return refuse(strings.Trim(field, `"`), "there is no field "+field, "/openapi.json lists the fields")
	}
	return refuse("", "the request is no JSON: "+err.Error(), `as in {"classes":["A"],"seed":7}`)
}

// common are the fields of both kinds of requests.
type common struct {
	Model      string   `json:"model"`
	Truncation *float64 `json:"truncation"`
	Noise      string   `json:"noise"`
	Stats      string   `json:"stats"`
	Labels     bool     `json:"labels"` // captions on a sheet
	FPS        *float64 `json:"fps"`    // of an animation
}

// begin checks the common fields.
func (c common) begin(m *served) (recipe.Recipe, error) {
	r := recipe.Recipe{
		Version: recipe.Version, Model: m.argument(), Truncation: or(c.Truncation, 0.5), Noise: cmp.Or(c.Noise, string(sample.Truncated)),
		Stats: cmp.Or(c.Stats, "linear"), Labels: c.Labels, FPS: or(c.FPS, defaultFPS),
	}
	if !(r.Truncation >= 0 && r.Truncation <= 1) {
		return r, refuse("truncation", fmt.Sprintf("truncation %v, want 0 to 1", r.Truncation), "")
	}
	if !slices.Contains(sample.Kinds, sample.Kind(r.Noise)) {
		return r, refuse("noise", fmt.Sprintf("noise %q, want one of %v", r.Noise, sample.Kinds), "")
	}
	if _, err := backend.ParseStatsMode(r.Stats); err != nil {
		return r, refuse("stats", err.Error(), "")
	}
	if !(r.FPS >= 1 && r.FPS <= 50) { // what a GIF can count
		return r, refuse("fps", fmt.Sprintf("fps %v, want 1 to 50", r.FPS), "")
	}
	return r, nil
}

// within refuses a number outside its range.
func within(field string, n, least, most int) *failure {
	if n >= least && n <= most {
		return nil
	}
	return refuse(field, fmt.Sprintf("%s %d, want %d to %d", field, n, least, most), "")
}

// checkClass refuses what means no class of the model; "" leaves the choice to the seed.
func checkClass(m *served, field, text string) *failure {
	if text == "" {
		return nil
	}
	if len(text) > maxText {
		return refuse(field, fmt.Sprintf("a text of %d bytes, want at most %d", len(text), maxText), "")
	}
	_, err := m.Labels.Query(text)
	if err == nil {
		return nil
	}
	f := refuse(field, err.Error(), "GET /v1/classes?q= finds classes")
	if errors.Is(err, labels.ErrUnknown) {
		f.status = http.StatusNotFound
	}
	return f
}

// checkMix refuses what the model has no blocks or classes for.
func checkMix(m *served, text string) *failure {
	if len(text) > maxText {
		return refuse("mix", fmt.Sprintf("a text of %d bytes, want at most %d", len(text), maxText), "")
	}
	mix, err := biggan.ParseMix(text)
	if err != nil {
		return refuse("mix", err.Error(), "")
	}
	if mix.From >= m.blocks || mix.To >= m.blocks {
		return refuse("mix", fmt.Sprintf("mix %q: %s has the blocks 0 to %d", text, m.Name, m.blocks-1), "")
	}
	return checkClass(m, "mix", mix.Class)
}

// first is the first of the failures that is one.
func first(failures ...*failure) error {
	for _, f := range failures {
		if f != nil {
			return f
		}
	}
	return nil
}

// recipe checks the request: it can be made, but for what only a drawing finds out.
func (g generateRequest) recipe(m *served) (recipe.Recipe, error) {
	r, err := g.begin(m)
	if err != nil {
		return r, err
	}
	p := &recipe.Pictures{Seed: g.Seed, Mix: g.Mix}
	n := or(g.N, max(len(g.Classes), 1))
	if err := first(
		within("classes", len(g.Classes), 0, maxClasses), within("mix", len(g.Mix), 0, maxMixes), within("n", n, 1, m.most()),
		within("first", g.First, 0, maxFirst), within("drawn", or(g.Drawn, 1), 1, m.Labels.Len()), within("columns", g.Columns, 0, maxPictures),
	); err != nil {
		return r, err
	}
	for i, class := range g.Classes {
		if class == "" {
			return r, refuse("classes", fmt.Sprintf("class %d is empty", i), "leave classes out to have the seed draw them")
		}
		if f := checkClass(m, "classes", string(class)); f != nil {
			return r, f
		}
		p.Asked = append(p.Asked, string(class))
	}
	for _, mix := range g.Mix {
		if f := checkMix(m, mix); f != nil {
			return r, f
		}
	}
	for i := range n {
		p.Indices = append(p.Indices, g.First+i)
	}
	if len(p.Asked) == 0 {
		p.Drawn = or(g.Drawn, render.Columns(n))
	}
	r.Pictures, r.Columns = p, g.Columns
	return r, nil
}

// recipe checks the request: it can be made, but for what only a drawing finds out.
func (i interpolateRequest) recipe(m *served) (recipe.Recipe, error) {
	r, err := i.begin(m)
	if err != nil {
		return r, err
	}
	p := &recipe.Interpolated{
		From: string(i.From), To: string(i.To), SeedA: i.SeedA, SeedB: i.SeedB, Rows: or(i.Rows, 1), Steps: or(i.Steps, 5),
		Loop: i.Loop, Path: cmp.Or(i.Path, string(sample.Linear)),
	}
	if _, err := sample.ParsePath(p.Path); err != nil {
		return r, refuse("path", err.Error(), "")
	}
	if err := first(
		within("rows", p.Rows, 1, maxPictures), within("steps", p.Steps, 2, maxPictures), checkClass(m, "from", p.From), checkClass(m, "to", p.To),
	); err != nil {
		return r, err
	}
	if n := p.Rows * len(sample.Steps(p.Steps, p.Loop)); n > m.most() {
		return r, refuse("steps", fmt.Sprintf("%d rows of %d steps are %d pictures, want at most %d", p.Rows, p.Steps, n, m.most()), "")
	}
	r.Interpolated = p
	return r, nil
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
