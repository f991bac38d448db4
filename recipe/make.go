package recipe

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/sample"
)

// Kitchen is what computes.
type Kitchen struct {
	Backend string // "" = auto
	Options backend.Options
}

// Each sees a picture as soon as it is made: the done-th of n.
type Each func(p biggan.Picture, done, n int) error

// Make follows a recipe, and fills in what only the making tells: classes, indices, the
// backend, its methods. Whose recipe names methods passes them on in k.Options. each may be nil.
func (r *Recipe) Make(ctx context.Context, m *biggan.Model, k Kitchen, each Each) (*Sheet, error) {
	if each == nil {
		each = func(biggan.Picture, int, int) error { return nil }
	}
	if err := r.fits(m); err != nil {
		return nil, err
	}
	if r.Interpolated != nil {
		return r.makeInterpolation(ctx, m, k, each)
	}
	return r.makePictures(ctx, m, k, each)
}

// maxPixels bounds what a sheet or an animation holds in all.
const maxPixels = 1 << 28

// fits refuses a sheet that would not fit into memory. Errors wrap biggan.ErrRequest.
func (r *Recipe) fits(m *biggan.Model) error {
	n := 0
	if r.Interpolated != nil {
		n = r.Rows * min(r.Steps, maxPixels)
		if r.Loop {
			n *= 2
		}
	} else {
		n = len(r.Indices) * len(r.Truncations())
	}
	shape := m.Graph.Outputs[0].Node.Shape
	side := shape[len(shape)-1]
	if most := maxPixels / (side * side); n > most || r.Interpolated != nil && r.Rows > most {
		return fmt.Errorf("%w: %d pictures of %d x %d are too many for one sheet, want at most %d: write them to a folder", biggan.ErrRequest, n, side, side, most)
	}
	return nil
}

// Truncations are those of the rows of a sweep, or the one of all pictures.
func (r *Recipe) Truncations() []float64 {
	if r.Pictures != nil && r.Sweep != nil {
		return r.Sweep
	}
	return []float64{r.Truncation}
}

func (r *Recipe) makePictures(ctx context.Context, m *biggan.Model, k Kitchen, each Each) (*Sheet, error) {
	request, err := r.Request()
	if err != nil {
		return nil, err
	}
	request.Backend, request.Options = k.Backend, k.Options
	truncations := r.Truncations()
	s := &Sheet{columns: r.Columns}
	r.Classes, r.Indices = nil, nil
	for row, t := range truncations {
		request.Truncation = t
		err := m.Each(ctx, request, func(picture biggan.Picture, n int) error {
			name := m.Labels.MixName(picture.Class)
			r.Backend, r.Methods = picture.Backend, picture.Methods
			if row == 0 {
				r.Classes, r.Indices = append(r.Classes, name), append(r.Indices, picture.Index)
			}
			s.Images, s.Captions = append(s.Images, picture.Image), append(s.Captions, name)
			return each(picture, len(s.Images), n*len(truncations))
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

// Request is what a recipe of pictures asks the model for.
func (r *Recipe) Request() (biggan.Request, error) {
	stats, err := backend.ParseStatsMode(r.Stats)
	if err != nil {
		return biggan.Request{}, fmt.Errorf("%w: %v", ErrRecipe, err)
	}
	q := biggan.Request{
		Classes: r.Asked, Drawn: r.Drawn, N: len(r.Indices), Seed: r.Seed, Truncation: r.Truncation,
		Noise: sample.Kind(r.Noise), Stats: stats,
	}
	for i, index := range r.Indices {
		if i == 0 {
			q.First = index
		}
		if index != q.First+i {
			return q, fmt.Errorf("%w: its pictures do not follow each other", ErrRecipe)
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
			return q, fmt.Errorf("%w: its latent vectors came from a file and were too many to keep", ErrRecipe)
		}
		q.Latents = unpackLatents(r.Z)
	}
	return q, nil
}

// PackLatents makes the bytes of Pictures.Z.
func PackLatents(z []float32) []byte {
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

func (r *Recipe) makeInterpolation(ctx context.Context, m *biggan.Model, k Kitchen, each Each) (*Sheet, error) {
	stats, err := backend.ParseStatsMode(r.Stats)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRecipe, err)
	}
	s := &Sheet{byColumn: true}
	r.Classes = nil
	err = m.EachStep(ctx, biggan.Interpolation{
		From: r.From, To: r.To, SeedA: r.SeedA, SeedB: r.SeedB, Rows: r.Rows, Steps: r.Steps, Loop: r.Loop, Path: sample.Path(r.Path),
		Truncation: r.Truncation, Noise: sample.Kind(r.Noise), Stats: stats, Backend: k.Backend, Options: k.Options,
	}, func(step biggan.Step, n int) error {
		r.Backend, r.Methods = step.Backend, step.Methods
		if step.T == 0 || step.T == 1 {
			r.Classes = append(r.Classes, m.Labels.MixName(step.Class))
		}
		s.columns = n / r.Rows
		s.Images, s.Captions = append(s.Images, step.Image), append(s.Captions, stepCaption(m.Labels, step))
		return each(step.Picture, len(s.Images), n)
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
