// Package biggan runs BigGAN and BigGAN-deep generators: open a model by name or file,
// generate pictures.
package biggan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"math"
	"sync"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/render"
	"github.com/biggan-zoo/biggan/sample"
	"github.com/biggan-zoo/biggan/weights"
	"github.com/biggan-zoo/biggan/zoo"
)

var (
	// ErrNotFound means that a model is neither on this machine by name nor a file. errors.Is
	// also finds fs.ErrNotExist in errors that wrap it.
	ErrNotFound error = notFound{}
	// ErrRequest means that a request asks for what cannot be: a truncation out of range, latent vectors that do not fit.
	ErrRequest = errors.New("bad request")
)

type notFound struct{}

func (notFound) Error() string        { return "model not found" }
func (notFound) Is(target error) bool { return target == fs.ErrNotExist }

// Model is an open generator: its graph, its weights, and the programs compiled so far. It
// is safe for concurrent use.
type Model struct {
	Name   string       // registry name or path
	Meta   weights.Meta // provenance and config
	Graph  *graph.Graph
	Labels labels.List // class names

	file *weights.File

	mu       sync.Mutex
	programs map[string]compiled // by backend and options
}

type compiled struct {
	backend.Program
	used string // the backend
}

// Open opens a model by its registry name or the path of a converted .safetensors file.
// Close it when done. Errors wrap ErrNotFound or, about the file's content, weights.ErrFormat.
func Open(ctx context.Context, nameOrPath string) (*Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := open(nameOrPath)
	if err != nil {
		return nil, err
	}
	m, err := newModel(nameOrPath, file)
	if err != nil {
		file.Close()
		return nil, err
	}
	return m, nil
}

func open(nameOrPath string) (*weights.File, error) {
	if data, ok := zoo.Embedded(nameOrPath); ok {
		return weights.Parse(data)
	}
	file, err := weights.Open(nameOrPath)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if _, unknown := registry.FindModel(nameOrPath); unknown != nil {
		return nil, fmt.Errorf("%w: %q is no file, and %v", ErrNotFound, nameOrPath, unknown)
	}
	return nil, fmt.Errorf("%w: %s is not on this machine: convert its checkpoint with `biggan convert` and give the file's path", ErrNotFound, nameOrPath)
}

func newModel(name string, file *weights.File) (*Model, error) {
	meta, err := weights.ParseMeta(file.Metadata())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	g, err := registry.Network(meta.Architecture, meta.Config)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", weights.ErrFormat, name, err)
	}
	if err := backend.CheckWeights(g, file); err != nil {
		return nil, fmt.Errorf("%w: %s: %v", weights.ErrFormat, name, err)
	}
	y, _ := g.Input("y")
	return &Model{Name: name, Meta: meta, Graph: g, Labels: labels.For(meta.Labels, y.Elements()), file: file}, nil
}

// Close releases the programs and the weights. No call may be under way.
func (m *Model) Close() error {
	var errs []error
	for _, p := range m.programs {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, m.file.Close())...)
}

// Weights are the tensors of the model.
func (m *Model) Weights() *weights.File { return m.file }

// Digest is the SHA-256 of the model's file, in hexadecimal.
func (m *Model) Digest() (string, error) {
	h := sha256.New()
	if _, err := m.file.WriteTo(h); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Compile makes a program on a backend of the registry and says on which; "" and "auto"
// take the first that can compute with the options here. The caller closes it.
func (m *Model) Compile(backendName string, o backend.Options) (p backend.Program, used string, err error) {
	return registry.Compile(backendName, m.Graph, m.file, o)
}

// Prepare compiles the model for a backend, so that the first picture need not wait for it,
// and says which one "" and "auto" mean.
func (m *Model) Prepare(backendName string, o backend.Options) (used string, err error) {
	p, err := m.program(backendName, o)
	return p.used, err
}

// program compiles once for each backend and options; the model closes what it returns.
func (m *Model) program(backendName string, o backend.Options) (compiled, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := fmt.Sprintf("%q %#v", backendName, o)
	if p, ok := m.programs[key]; ok {
		return p, nil
	}
	p, used, err := m.Compile(backendName, o)
	if err != nil {
		return compiled{}, err
	}
	if m.programs == nil {
		m.programs = map[string]compiled{}
	}
	m.programs[key] = compiled{p, used}
	return m.programs[key], nil
}

// ZDim is the length of a latent vector; 0 for a discriminator.
func (m *Model) ZDim() int {
	z, ok := m.Graph.Input("z")
	if !ok {
		return 0
	}
	return z.Elements()
}

// OneTruncation reports whether the model is a generator with one set of statistics,
// measured at truncation 1, for all truncations.
func (m *Model) OneTruncation() bool { return m.Graph.Grid.Rows == 0 && m.ZDim() > 0 }

// Score is the logit that a discriminator gives each picture, as one of the class beside it:
// higher is more like the pictures that it was trained on. Pictures have the model's size;
// bytes become b/127.5 - 1, as in BigGAN-PyTorch's training.
func (m *Model) Score(ctx context.Context, pictures []image.Image, classes []int, backendName string, o backend.Options) ([]float32, error) {
	x, ok := m.Graph.Input("x")
	if !ok {
		return nil, fmt.Errorf("%w: %s is a generator: it scores nothing", ErrRequest, m.Name)
	}
	if len(pictures) != len(classes) || len(pictures) == 0 {
		return nil, fmt.Errorf("%w: %d pictures and %d classes", ErrRequest, len(pictures), len(classes))
	}
	values, err := render.Pixels(pictures, x.Shape[1], x.Shape[2])
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrRequest, err)
	}
	program, err := m.program(backendName, o)
	if err != nil {
		return nil, err
	}
	out, err := program.Run(ctx, backend.Inputs{
		Batch: len(pictures), Truncation: 1,
		Tensors: map[string][]float32{"x": values, "y": labels.OneHot(classes, m.Labels.Len())},
	})
	return out["logit"].Data, err
}

// Request asks for pictures.
type Request struct {
	Classes    []string  // names or numbers, taken in turn; none = drawn from the seed, as many as a square grid has columns
	N          int       // pictures in all; 0 = one a class or a latent vector, at least one
	Seed       uint32    // of the latent vectors and of classes that are drawn
	Truncation float64   // 0 to 1: the spread of the latent vectors, and the row of the statistics
	Latents    []float32 // [n, ZDim], already truncated; nil = drawn from the seed
	Stats      backend.StatsMode
	Backend    string // "" = auto
	Options    backend.Options
}

// Picture is one result.
type Picture struct {
	Image image.Image
	Index int // 0 to n-1
	Class int
	Z     []float32 // the latent vector

	Backend string // that computed it
}

// Generate makes pictures of the model's resolution. The same request gives the same pictures.
func (m *Model) Generate(ctx context.Context, r Request) ([]image.Image, error) {
	var images []image.Image
	err := m.Each(ctx, r, func(p Picture, _ int) error {
		images = append(images, p.Image)
		return nil
	})
	return images, err
}

// batch is how many pictures Each computes at a time.
const batch = 4

// Each makes the pictures of a request and hands them to f one by one, with their number in all.
func (m *Model) Each(ctx context.Context, r Request, f func(p Picture, n int) error) error {
	n, classes, z, err := m.plan(r)
	if err != nil {
		return err
	}
	program, err := m.program(r.Backend, r.Options)
	if err != nil {
		return err
	}
	dim := m.ZDim()
	for from := 0; from < n; from += batch {
		to := min(from+batch, n)
		out, err := program.Run(ctx, backend.Inputs{
			Batch:      to - from,
			Tensors:    map[string][]float32{"z": z[from*dim : to*dim], "y": labels.OneHot(classes[from:to], m.Labels.Len())},
			Truncation: r.Truncation,
			Stats:      r.Stats,
		})
		if err != nil {
			return err
		}
		images, err := render.Images(out["image"])
		if err != nil {
			return fmt.Errorf("%w: %v", weights.ErrFormat, err)
		}
		for i, image := range images {
			at := from + i
			if err := f(Picture{image, at, classes[at], z[at*dim : (at+1)*dim], program.used}, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxPictures bounds a request.
const maxPictures = 1 << 20

// plan checks a request and settles its number of pictures, their classes and latent vectors.
func (m *Model) plan(r Request) (n int, classes []int, z []float32, err error) {
	if !(r.Truncation >= 0 && r.Truncation <= 1) || math.IsNaN(r.Truncation) {
		return 0, nil, nil, fmt.Errorf("%w: truncation %v, want 0 to 1", ErrRequest, r.Truncation)
	}
	dim := m.ZDim()
	if dim == 0 {
		return 0, nil, nil, fmt.Errorf("%w: %s is a discriminator: it draws nothing", ErrRequest, m.Name)
	}
	n = r.N
	if n == 0 {
		n = max(len(r.Classes), len(r.Latents)/dim, 1)
	}
	if n < 0 || n > maxPictures {
		return 0, nil, nil, fmt.Errorf("%w: %d pictures, want 1 to %d", ErrRequest, n, maxPictures)
	}
	if z = r.Latents; z == nil {
		z = sample.Noise(r.Seed, n, dim, r.Truncation)
	}
	if len(z) != n*dim {
		return 0, nil, nil, fmt.Errorf("%w: %d latent values, want %d pictures of %d", ErrRequest, len(z), n, dim)
	}
	turn, err := m.Labels.FindAll(r.Classes)
	if err != nil {
		return 0, nil, nil, err
	}
	if len(turn) == 0 {
		turn = sample.Classes(r.Seed, render.Columns(n), m.Labels.Len())
	}
	classes = make([]int, n)
	for i := range classes {
		classes[i] = turn[i%len(turn)]
	}
	return n, classes, z, nil
}
