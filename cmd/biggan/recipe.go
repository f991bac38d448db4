package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/render"
	"github.com/biggan-zoo/biggan/sample"
)

// recipeKey is the keyword of the text that holds a recipe.
const recipeKey = "biggan"

// recipeVersion is the version of recipes that this program writes and follows.
const recipeVersion = 2

// recipe is what a picture says of its making. replay follows it.
type recipe struct {
	Version    int     `json:"version"`
	Model      string  `json:"model"`
	SHA256     string  `json:"sha256"` // of the model's file
	Backend    string  `json:"backend"`
	Precision  string  `json:"precision"`
	Stats      string  `json:"stats"`
	Truncation float64 `json:"truncation"`
	Noise      string  `json:"noise"`
	Columns    int     `json:"columns,omitempty"` // of the sheet; 0 = the squarest
	Labels     bool    `json:"labels,omitempty"`  // captions
	FPS        float64 `json:"fps,omitempty"`     // of an animation

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

// maxKeptLatents bounds the latent vectors that a recipe keeps, in values.
const maxKeptLatents = 1 << 17

// texts are what a file holds of the recipe.
func (r recipe) texts() ([]render.Text, error) {
	text, err := json.Marshal(r)
	return []render.Text{{Key: "Software", Value: "biggan"}, {Key: recipeKey, Value: string(text)}}, err
}

// public is the recipe without what no reader of --json looks for.
func (r recipe) public() recipe {
	if r.Pictures != nil {
		p := *r.Pictures
		p.Z = nil
		r.Pictures = &p
	}
	return r
}

// errRecipe means that a picture does not say how it was made, or that the recipe cannot be followed.
var errRecipe = errors.New("cannot be replayed")

// readRecipe finds the recipe among a file's texts.
func readRecipe(texts []render.Text) (recipe, error) {
	var r recipe
	for _, t := range texts {
		if t.Key != recipeKey {
			continue
		}
		if err := json.Unmarshal([]byte(t.Value), &r); err != nil {
			return r, fmt.Errorf("%w: its recipe is no recipe: %v", errRecipe, err)
		}
		if r.Version != recipeVersion {
			return r, fmt.Errorf("%w: its recipe has version %d, want %d", errRecipe, r.Version, recipeVersion)
		}
		return r, r.check()
	}
	return r, fmt.Errorf("%w: it says nothing about its making", errRecipe)
}

// check refuses a recipe that no verb wrote.
func (r *recipe) check() error {
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
			return fmt.Errorf("%w: its recipe %s", errRecipe, c.what)
		}
	}
	return nil
}

// sheet is pictures in the order of their sheet, row by row.
type sheet struct {
	images   []image.Image
	captions []string
	rows     []string
	columns  int
	byColumn bool // an animation shows column after column; else row after row
}

// still is one picture of all.
func (s *sheet) still(r recipe) image.Image {
	l := render.Layout{Columns: s.columns}
	if r.Labels {
		l.Captions, l.Rows = s.captions, s.rows
	}
	return render.Sheet(s.images, l)
}

// frames are the pictures of an animation: what a row or a column holds, together.
func (s *sheet) frames(r recipe, rowLength int) []image.Image {
	step, count, within := 1, len(s.images)/rowLength, rowLength
	if s.byColumn {
		step, count, within = rowLength, rowLength, len(s.images)/rowLength
	}
	var frames []image.Image
	for f := range count {
		first := f * rowLength
		if s.byColumn {
			first = f
		}
		var part sheet
		for i := range within {
			part.images = append(part.images, s.images[first+i*step])
			part.captions = append(part.captions, s.captions[first+i*step])
		}
		frames = append(frames, part.still(r))
	}
	return frames
}

// picture extensions that a sheet can be written as.
var pictureExtensions = []string{".png", ".gif", ".apng"}

// encodeSheet makes a file of a sheet; the extension says which. Metadata may be unwanted.
func encodeSheet(s *sheet, r recipe, extension string, metadata bool) ([]byte, error) {
	var texts []render.Text
	var err error
	if metadata {
		if texts, err = r.texts(); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	if extension != ".gif" && extension != ".apng" {
		err = render.WritePNG(&b, s.still(r), texts)
		return b.Bytes(), err
	}
	rowLength := 1
	if s.byColumn || len(s.rows) > 0 {
		rowLength = s.columns
	}
	a := render.Animation{Frames: s.frames(r, rowLength), FPS: r.FPS, Texts: texts}
	if extension == ".gif" {
		err = render.WriteGIF(&b, a)
	} else {
		err = render.WriteAPNG(&b, a)
	}
	return b.Bytes(), err
}

// extensionOf is the kind of picture that a path asks for; of a path without one, a PNG file.
func extensionOf(path string) string {
	if path == "" || path == "-" {
		return ".png"
	}
	return strings.ToLower(filepath.Ext(path))
}

// cook follows a recipe, and fills in what only the making tells: classes, indices, the
// backend. each sees every picture as it comes, with its number in all; it may be nil.
func (a *app) cook(ctx context.Context, m *biggan.Model, r *recipe, each func(p biggan.Picture, n int) error) (*sheet, error) {
	stats, err := parseStats(r.Stats)
	if err != nil {
		return nil, err
	}
	if each == nil {
		each = func(biggan.Picture, int) error { return nil }
	}
	p := a.newProgress("drawing", false)
	defer p.finish()
	if r.Interpolated != nil {
		return a.cookInterpolation(ctx, m, r, stats, p, each)
	}
	return a.cookPictures(ctx, m, r, stats, p, each)
}

func (a *app) cookPictures(ctx context.Context, m *biggan.Model, r *recipe, stats backend.StatsMode, p *progress, each func(biggan.Picture, int) error) (*sheet, error) {
	request, err := r.request(stats)
	if err != nil {
		return nil, err
	}
	request.Backend, request.Options = a.backend, a.options()
	truncations := r.Sweep
	if truncations == nil {
		truncations = []float64{r.Truncation}
	}
	s := &sheet{columns: r.Columns}
	r.Classes, r.Indices = nil, nil
	for row, t := range truncations {
		request.Truncation = t
		a.warnStats(m, t)
		err := m.Each(ctx, request, func(picture biggan.Picture, n int) error {
			name := m.Labels.MixName(picture.Class)
			r.Backend = picture.Backend
			if row == 0 {
				r.Classes, r.Indices = append(r.Classes, name), append(r.Indices, picture.Index)
			}
			s.images, s.captions = append(s.images, picture.Image), append(s.captions, name)
			p.update(int64(len(s.images)), int64(n*len(truncations)))
			return each(picture, n)
		})
		if err != nil {
			return nil, err
		}
		if r.Sweep != nil {
			s.rows = append(s.rows, strconv.FormatFloat(t, 'g', -1, 64))
			s.columns = len(r.Classes)
		}
	}
	return s, nil
}

// request is what a recipe of pictures asks the model for.
func (r *recipe) request(stats backend.StatsMode) (biggan.Request, error) {
	q := biggan.Request{
		Classes: r.Asked, Drawn: r.Drawn, N: len(r.Indices), Seed: r.Seed, Truncation: r.Truncation,
		Noise: sample.Kind(r.Noise), Stats: stats,
	}
	for i, index := range r.Indices {
		if i == 0 {
			q.First = index
		}
		if index != q.First+i {
			return q, fmt.Errorf("%w: its pictures do not follow each other", errRecipe)
		}
	}
	for _, text := range r.Mix {
		mix, err := biggan.ParseMix(text)
		if err != nil {
			return q, err
		}
		q.Mix = append(q.Mix, mix)
	}
	if r.Latents {
		if len(r.Z) == 0 || len(r.Z)%4 != 0 {
			return q, fmt.Errorf("%w: its latent vectors came from a file and were too many to keep", errRecipe)
		}
		q.Latents = unpackLatents(r.Z)
	}
	return q, nil
}

func packLatents(z []float32) []byte {
	var out []byte
	for _, v := range z {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

func unpackLatents(data []byte) []float32 {
	z := make([]float32, len(data)/4)
	for i := range z {
		z[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return z
}

func (a *app) cookInterpolation(ctx context.Context, m *biggan.Model, r *recipe, stats backend.StatsMode, p *progress, each func(biggan.Picture, int) error) (*sheet, error) {
	s := &sheet{byColumn: true}
	a.warnStats(m, r.Truncation)
	r.Classes = nil
	err := m.EachStep(ctx, biggan.Interpolation{
		From: r.From, To: r.To, SeedA: r.SeedA, SeedB: r.SeedB, Rows: r.Rows, Steps: r.Steps, Loop: r.Loop, Path: sample.Path(r.Path),
		Truncation: r.Truncation, Noise: sample.Kind(r.Noise), Stats: stats, Backend: a.backend, Options: a.options(),
	}, func(step biggan.Step, n int) error {
		r.Backend = step.Backend
		if step.T == 0 || step.T == 1 {
			r.Classes = append(r.Classes, m.Labels.MixName(step.Class))
		}
		s.columns = n / r.Rows
		s.images, s.captions = append(s.images, step.Image), append(s.captions, stepCaption(m.Labels, step))
		p.update(int64(step.Index+1), int64(n))
		return each(step.Picture, n)
	})
	return s, err
}

// stepCaption names the ends and numbers what is between.
func stepCaption(l labels.List, step biggan.Step) string {
	if step.T == 0 || step.T == 1 {
		return l.MixName(step.Class)
	}
	return strconv.FormatFloat(step.T, 'f', 2, 64)
}
