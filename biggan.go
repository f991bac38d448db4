// Package biggan runs BigGAN and BigGAN-deep generators: open a model by name or file,
// generate pictures, interpolate between them.
package biggan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"sync"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/render"
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
	program, err := m.program(backendName, o, false)
	if err != nil {
		return nil, err
	}
	out, err := program.Run(ctx, backend.Inputs{
		Batch: len(pictures), Truncation: 1,
		Tensors: map[string][]float32{"x": values, "y": labels.OneHot(classes, m.Labels.Len())},
	})
	return out["logit"].Data, err
}
