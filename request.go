package biggan

import (
	"context"
	"fmt"
	"image"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/render"
	"github.com/biggan-zoo/biggan/sample"
)

// Request asks for pictures. The same request gives the same pictures.
type Request struct {
	// Classes are taken in turn. Each is a name, synonym, number, wnid or broader term as
	// labels.List.Lookup has them, or a mix of them ("tiger:0.6,lion:0.4"); a term of several
	// classes ("dog") means one of them, drawn from the seed for every picture. Without
	// classes the seed draws Drawn of them.
	Classes []string
	// Drawn is how many different classes are drawn where Classes names none, at most all;
	// 0 = as many as a square grid of N has columns.
	Drawn int
	// First is the number of the first picture among those of the seed, from 0.
	First int
	// N is how many pictures; 0 = one a class or a latent vector, at least one.
	N int
	// Seed is that of the latent vectors and of classes that are drawn.
	Seed uint32
	// Truncation, 0 to 1, is the spread of the latent vectors and picks the statistics.
	Truncation float64
	// Noise is the distribution of the latent vectors; "" = sample.Truncated, the Colab demo's.
	Noise sample.Kind
	// Latents [n, ZDim] are latent vectors, already truncated; nil = drawn from the seed.
	Latents []float32
	// Mix gives blocks latent vectors or classes of their own; later entries win.
	Mix []Mix

	// Batch is how many pictures are computed at a time; 0 = 4. It changes no picture.
	Batch int

	Stats   backend.StatsMode
	Backend string // "" = auto
	Options backend.Options
}

// Picture is one result.
type Picture struct {
	Image image.Image
	Index int        // among those of the seed
	Class labels.Mix // one class of weight 1, or a mix
	Z     []float32  // the latent vector

	Backend string            // that computed it
	Methods map[string]string // those of Options.Methods by which it differs from a picture without; nil = none
}

// Generate makes pictures of the model's resolution.
func (m *Model) Generate(ctx context.Context, r Request) ([]image.Image, error) {
	var images []image.Image
	err := m.Each(ctx, r, func(p Picture, _ int) error {
		images = append(images, p.Image)
		return nil
	})
	return images, err
}

// Each makes the pictures of a request and hands them to f one by one, with their number in
// all. Errors are those of f, of the context, and ErrRequest, labels.ErrUnknown or
// labels.ErrWeight about the request.
func (m *Model) Each(ctx context.Context, r Request, f func(p Picture, n int) error) error {
	p, err := m.plan(r)
	if err != nil {
		return err
	}
	how := drawing{r.Truncation, r.Stats, r.Backend, r.Options, len(r.Mix) > 0, r.Batch}
	return m.draw(ctx, how, p.n, p.at, func(i int, s sampled, image image.Image, by compiled) error {
		return f(Picture{image, r.First + i, s[0].class, s[0].z, by.used, by.methods}, p.n)
	})
}

// Classes are those of the pictures of a request, without drawing them.
func (m *Model) Classes(r Request) ([]labels.Mix, error) {
	p, err := m.plan(r)
	if err != nil {
		return nil, err
	}
	classes := make([]labels.Mix, p.n)
	for i := range classes {
		classes[i] = p.class(i)
	}
	return classes, nil
}

// MaxPictures bounds a request: no picture has this number or a higher one.
const MaxPictures = 1 << 20

// plan is a request that was checked.
type plan struct {
	n      int
	z      func() []float32 // the latent vector of the next picture
	turn   []chooser
	first  int
	blocks int
	mixes  []plannedMix
}

// chooser settles the class of the picture that is the i-th of those that share a query.
type chooser func(i int) labels.Mix

// class is that of picture i, before any mix of blocks.
func (p *plan) class(i int) labels.Mix {
	index := p.first + i
	return p.turn[index%len(p.turn)](index / len(p.turn))
}

// at is what conditions picture i: called for 0, 1, ... in order.
func (p *plan) at(i int) sampled {
	index := p.first + i
	base := condition{p.z(), p.class(i)}
	if p.mixes == nil {
		return sampled{base}
	}
	s := make(sampled, 1+p.blocks)
	for place := range s {
		s[place] = base
	}
	for _, mix := range p.mixes {
		mix.apply(s, index)
	}
	return s
}

// check refuses what no generator can do.
func (m *Model) check(truncation float64, n, most int) error {
	if !(truncation >= 0 && truncation <= 1) {
		return fmt.Errorf("%w: truncation %v, want 0 to 1", ErrRequest, truncation)
	}
	if m.ZDim() == 0 {
		return fmt.Errorf("%w: %s is a discriminator: it draws nothing", ErrRequest, m.Name)
	}
	if n < 1 || n > most {
		return fmt.Errorf("%w: %d pictures, want 1 to %d", ErrRequest, n, most)
	}
	return nil
}

// plan checks a request.
func (m *Model) plan(r Request) (*plan, error) {
	dim := m.ZDim()
	n := r.N
	if n == 0 {
		n = max(len(r.Classes), len(r.Latents)/max(dim, 1), 1)
	}
	if err := m.check(r.Truncation, n, MaxPictures); err != nil {
		return nil, err
	}
	if r.First < 0 || r.First > MaxPictures-n {
		return nil, fmt.Errorf("%w: first picture %d, want 0 to %d", ErrRequest, r.First, MaxPictures-n)
	}
	p := &plan{n: n, first: r.First}
	var err error
	if p.z, err = m.latents(r, n); err != nil {
		return nil, err
	}
	if p.turn, err = m.turn(r, n); err != nil {
		return nil, err
	}
	if len(r.Mix) > 0 {
		p.blocks, p.mixes, err = m.planMixes(r, n)
	}
	return p, err
}

// latents yields the latent vectors of the pictures in order.
func (m *Model) latents(r Request, n int) (func() []float32, error) {
	dim := m.ZDim()
	if rest := r.Latents; rest != nil {
		if len(rest) != n*dim {
			return nil, fmt.Errorf("%w: %d latent values, want %d pictures of %d", ErrRequest, len(rest), n, dim)
		}
		return func() (z []float32) {
			z, rest = rest[:dim:dim], rest[dim:]
			return z
		}, nil
	}
	source, err := sample.NewSource(r.Noise, r.Seed, r.Truncation)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRequest, err)
	}
	source.Skip(r.First * dim)
	return func() []float32 {
		z := make([]float32, dim)
		source.Fill(z)
		return z
	}, nil
}

// turn is what picture 0, 1, ... takes its class from.
func (m *Model) turn(r Request, n int) ([]chooser, error) {
	classes := m.Labels.Len()
	if len(r.Classes) == 0 {
		drawn := r.Drawn
		if drawn == 0 {
			drawn = render.Columns(n)
		}
		if drawn < 0 {
			return nil, fmt.Errorf("%w: %d classes to draw", ErrRequest, drawn)
		}
		var turn []chooser
		for _, c := range sample.Classes(r.Seed, min(drawn, classes), classes) {
			turn = append(turn, func(int) labels.Mix { return labels.One(c) })
		}
		return turn, nil
	}
	var turn []chooser
	for i, text := range r.Classes {
		uses := (r.First+n)/len(r.Classes) + 1
		choose, err := m.chooser(text, r.Seed, uint32(i), uses)
		if err != nil {
			return nil, err
		}
		turn = append(turn, choose)
	}
	return turn, nil
}

// termStream is the first stream of the draws of terms that mean several classes: plus 64 a
// query, plus one a term.
const termStream = 2

// chooser settles query number q for as many pictures as use it.
func (m *Model) chooser(text string, seed, q uint32, uses int) (chooser, error) {
	query, err := m.Labels.Query(text)
	if err != nil {
		return nil, err
	}
	if len(query) > 64 {
		return nil, fmt.Errorf("%w: a mix of %d classes, want at most 64", ErrRequest, len(query))
	}
	draws := make([][]int, len(query))
	for t, term := range query {
		if len(term.Classes) > 1 {
			draws[t] = sample.Choose(seed, termStream+64*q+uint32(t), uses, len(term.Classes))
		}
	}
	return func(i int) labels.Mix {
		return query.Mix(func(term, _ int) int { return draws[term][i] })
	}, nil
}

// Inputs are the latent vectors and classes of a request's pictures, as Generate feeds them to
// the network: z [N, ZDim] and y [N, classes]. A request with Mix has none, but an ErrRequest.
func (m *Model) Inputs(r Request) (backend.Inputs, error) {
	if len(r.Mix) > 0 {
		return backend.Inputs{}, fmt.Errorf("%w: blocks of their own have no z and y of the network", ErrRequest)
	}
	p, err := m.plan(r)
	if err != nil {
		return backend.Inputs{}, err
	}
	samples := make([]sampled, p.n)
	for i := range samples {
		samples[i] = p.at(i)
	}
	return backend.Inputs{Batch: p.n, Tensors: m.inputs(m.Graph, samples), Truncation: r.Truncation, Stats: r.Stats}, nil
}
