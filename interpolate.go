package biggan

import (
	"context"
	"fmt"
	"image"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/sample"
)

// Interpolation asks for the way between two pictures, Rows times: from row r of SeedA and
// class From to row r of SeedB and class To. The class moves linearly in y, and so in its
// embedding; the latent vector along Path.
type Interpolation struct {
	From, To     string // queries as in Request.Classes; "" = a class drawn from the seed of its end
	SeedA, SeedB uint32
	Rows         int // 0 = 1
	Steps        int // pictures a row, both ends included: from 2; 0 = 5
	// Loop closes the way: it goes on from the last step back to the first, which is not
	// repeated. A row then has 2(Steps-1) pictures.
	Loop       bool
	Path       sample.Path // "" = sample.Linear
	Truncation float64     // 0 to 1
	Noise      sample.Kind

	Stats   backend.StatsMode
	Backend string // "" = auto
	Options backend.Options
}

// Step is one picture on the way.
type Step struct {
	Picture
	Row, Step int
	T         float64 // 0 = From, 1 = To
}

// Interpolate makes the pictures of all rows: Rows slices of Steps pictures, of a loop of 2(Steps-1).
func (m *Model) Interpolate(ctx context.Context, r Interpolation) ([][]image.Image, error) {
	var rows [][]image.Image
	err := m.EachStep(ctx, r, func(s Step, _ int) error {
		if s.Step == 0 {
			rows = append(rows, nil)
		}
		rows[s.Row] = append(rows[s.Row], s.Image)
		return nil
	})
	return rows, err
}

// EachStep makes the pictures of an interpolation, row by row, and hands them to f one by
// one, with their number in all. Errors are those of Each.
func (m *Model) EachStep(ctx context.Context, r Interpolation, f func(s Step, n int) error) error {
	if r.Rows == 0 {
		r.Rows = 1
	}
	if r.Steps == 0 {
		r.Steps = 5
	}
	if r.Rows < 1 || r.Steps < 2 || r.Steps > MaxPictures {
		return fmt.Errorf("%w: %d rows of %d steps, want at least 1 row of 2", ErrRequest, r.Rows, r.Steps)
	}
	path, err := sample.ParsePath(string(r.Path))
	if err != nil {
		return fmt.Errorf("%w: %v", ErrRequest, err)
	}
	steps := sample.Steps(r.Steps, r.Loop)
	if r.Rows > MaxPictures/len(steps) {
		return fmt.Errorf("%w: %d rows of %d pictures are too many", ErrRequest, r.Rows, len(steps))
	}
	n := r.Rows * len(steps)
	if err := m.check(r.Truncation, n, MaxPictures); err != nil {
		return err
	}
	a, err := m.end(r, r.From, r.SeedA)
	if err != nil {
		return err
	}
	b, err := m.end(r, r.To, r.SeedB)
	if err != nil {
		return err
	}
	at := func(i int) sampled {
		row, t := i/len(steps), steps[i%len(steps)]
		return sampled{{path.Between(a[row].z, b[row].z, t), labels.Between(a[row].class, b[row].class, t)}}
	}
	how := drawing{r.Truncation, r.Stats, r.Backend, r.Options, false, 0}
	return m.draw(ctx, how, n, at, func(i int, s sampled, image image.Image, by compiled) error {
		step := i % len(steps)
		return f(Step{Picture{image, i, s[0].class, s[0].z, by.used, by.methods}, i / len(steps), step, steps[step]}, n)
	})
}

// end is what conditions the rows at one end.
func (m *Model) end(r Interpolation, class string, seed uint32) (sampled, error) {
	request := Request{N: r.Rows, Drawn: 1, Seed: seed, Truncation: r.Truncation, Noise: r.Noise}
	if class != "" {
		request.Classes = []string{class}
	}
	p, err := m.plan(request)
	if err != nil {
		return nil, err
	}
	s := make(sampled, r.Rows)
	for row := range s {
		s[row] = p.at(row)[0]
	}
	return s, nil
}
