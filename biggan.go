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
	"os"
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

// Option steers Open.
type Option func(*opening)

type opening struct {
	store string
	pull  *zoo.PullOptions
}

// WithStore takes models from a folder of one's own instead of the store of the environment
// (zoo.DefaultFolder, BIGGAN_STORE).
func WithStore(folder string) Option { return func(o *opening) { o.store = folder } }

// WithPull downloads a model that is not on this machine, from the mirrors that the
// environment names or else from where it is published. Without it Open never uses the network.
func WithPull() Option {
	return func(o *opening) { o.pull = &zoo.PullOptions{Converter: "biggan"} }
}

// Open opens a model by its registry name, if it is embedded or was pulled, or by the path of
// a converted .safetensors file. A name of the registry is never taken for a path: ./NAME is
// one. Close it when done. Errors wrap ErrNotFound or, about the file's content,
// weights.ErrFormat or zoo.ErrRefused; with WithPull also those of zoo.Store.Pull.
func Open(ctx context.Context, nameOrPath string, options ...Option) (*Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var o opening
	for _, option := range options {
		option(&o)
	}
	file, err := o.open(ctx, nameOrPath)
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

func (o opening) open(ctx context.Context, nameOrPath string) (*weights.File, error) {
	known, unknown := zoo.Find(nameOrPath)
	if unknown != nil {
		file, err := weights.Open(nameOrPath)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %q is no file, and %v", ErrNotFound, nameOrPath, unknown)
		}
		return file, err
	}
	if data, ok := zoo.Embedded(nameOrPath); ok {
		return weights.Parse(data)
	}
	settings, err := zoo.Environment()
	if o.store != "" {
		settings.Folder = o.store
	} else if err != nil {
		return nil, err
	}
	if o.pull != nil {
		if err != nil {
			return nil, err
		}
		return o.pulled(ctx, known, settings)
	}
	file, err := zoo.OpenIn(ctx, settings.Folder, nameOrPath)
	if errors.Is(err, zoo.ErrNotPulled) {
		return nil, fmt.Errorf("%w: %w%s", ErrNotFound, err, besides(nameOrPath))
	}
	return file, err
}

// besides tells of a file that has a model's name.
func besides(name string) string {
	if info, err := os.Stat(name); err != nil || info.IsDir() {
		return ""
	}
	return fmt.Sprintf(" (the file here is ./%s)", name)
}

// pulled opens a model of the store, downloading it if it is not there.
func (o opening) pulled(ctx context.Context, m zoo.Model, settings zoo.Settings) (*weights.File, error) {
	store, err := zoo.OpenStore(settings.Folder, true)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	o.pull.Mirrors, o.pull.Offline = settings.Mirrors, settings.Offline
	p, err := store.Pull(ctx, m, *o.pull)
	if err != nil {
		return nil, err
	}
	return weights.Open(p.Path)
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
	values, err := render.Values(pictures, x.Shape[1], x.Shape[2])
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
