// Package registry holds the tables of what can be chosen by name: architectures,
// models and backends. It knows how nothing works.
package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu"
	"github.com/biggan-zoo/biggan/backend/gpu"
	"github.com/biggan-zoo/biggan/backend/reference"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/nearest"
	"github.com/biggan-zoo/biggan/weights"
)

// ErrUnknown means that a name is in no table; the error that wraps it lists the valid
// ones and the nearest.
var ErrUnknown = errors.New("unknown name")

// Architecture builds networks of one family.
type Architecture struct {
	Name string
	// Network builds the graph from the JSON config that a weights file carries.
	Network func(name string, config []byte) (*graph.Graph, error)
	// PerBlock builds the generator whose blocks have inputs of their own; nil for discriminators.
	PerBlock func(name string, config []byte) (*graph.Graph, error)
}

// Architectures are the network families.
var Architectures = []Architecture{
	{"biggan", network(biggan.ParseConfig, biggan.Generator), network(biggan.ParseConfig, biggan.PerBlock)},
	{"biggan-deep", network(deep.ParseConfig, deep.Generator), network(deep.ParseConfig, deep.PerBlock)},
	{"biggan-discriminator", network(biggan.ParseDiscriminatorConfig, biggan.Discriminator), nil},
	{"biggan-deep-discriminator", network(deep.ParseDiscriminatorConfig, deep.Discriminator), nil},
}

// network joins a config's parser and a constructor.
func network[C any](parse func([]byte) (C, error), build func(string, C) (*graph.Graph, error)) func(string, []byte) (*graph.Graph, error) {
	return func(name string, config []byte) (*graph.Graph, error) {
		c, err := parse(config)
		if err != nil {
			return nil, err
		}
		return build(name, c)
	}
}

// Model is a network that is known by name.
type Model struct {
	Name         string
	Architecture string
	Resolution   int // pixels a side
	Config       any // the architecture's Config
	Embedded     bool
	Licence      string // what is known about the licence of the weights
}

// ConfigJSON is the config as a weights file carries it.
func (m Model) ConfigJSON() ([]byte, error) { return json.Marshal(m.Config) }

// Graph builds the generator.
func (m Model) Graph() (*graph.Graph, error) {
	config, err := m.ConfigJSON()
	if err != nil {
		return nil, err
	}
	a, err := FindArchitecture(m.Architecture)
	if err != nil {
		return nil, err
	}
	return a.Network(m.Name, config)
}

const deepMindLicence = "DeepMind's hub documentation, as far as found, states no licence for the weights"

// Models are the embedded one, the six released generators, and the networks that
// BigGAN-PyTorch's author trained with that repository.
var Models = []Model{
	{"letters", "biggan-deep", 32, lettersConfig, true, "the project's own, under the project's licence"},
	{"biggan-128", "biggan", 128, biggan.BigGAN128, false, deepMindLicence},
	{"biggan-256", "biggan", 256, biggan.BigGAN256, false, deepMindLicence},
	{"biggan-512", "biggan", 512, biggan.BigGAN512, false, deepMindLicence},
	{"biggan-deep-128", "biggan-deep", 128, deep.Deep128, false, deepMindLicence},
	{"biggan-deep-256", "biggan-deep", 256, deep.Deep256, false, deepMindLicence},
	{"biggan-deep-512", "biggan-deep", 512, deep.Deep512, false, deepMindLicence},
	{"biggan-pytorch-128-g", "biggan", 128, pytorch128, false, pytorchLicence},
	{"biggan-pytorch-128-g-ema", "biggan", 128, pytorch128, false, pytorchLicence},
	{"biggan-pytorch-128-d", "biggan-discriminator", 128, pytorch128D, false, pytorchLicence},
}

const pytorchLicence = "BigGAN-PyTorch's code is under the MIT licence; nothing was found that states one for its weights"

// pytorch128 is BigGAN128 with the epsilons of BigGAN-PyTorch's training script, pytorch128D
// its discriminator (launch_BigGAN_bs256x8.sh).
var (
	pytorch128 = func() biggan.Config {
		c := biggan.BigGAN128
		c.BNEps, c.FinalBNEps = 1e-5, 1e-5
		return c
	}()
	pytorch128D = biggan.DiscriminatorConfig{
		Resolution: 128, NumClasses: 1000, Channels: []int{3, 96, 192, 384, 768, 1536, 1536}, Pools: 5, Attention: []int{0},
	}
)

// lettersConfig is a BigGAN-deep of 32x32 pixels and 26 classes, A to Z.
var lettersConfig = deep.Config{
	OutputDim: 32, ZDim: 64, ClassEmbedDim: 64, ChannelWidth: 16, NumClasses: 26,
	Layers: []deep.Layer{
		{Up: false, In: 16, Out: 16}, {Up: true, In: 16, Out: 8}, {Up: false, In: 8, Out: 8}, {Up: true, In: 8, Out: 4},
		{Up: false, In: 4, Out: 4}, {Up: true, In: 4, Out: 2}, {Up: false, In: 2, Out: 1},
	},
	AttentionLayerPosition: 4, Eps: 1e-4, NStats: 51,
}

// Backend computes networks.
type Backend struct {
	Name    string
	Title   string
	Auto    bool // may be chosen by "auto"
	Compile backend.Compile
}

// Backends are in the order that "auto" tries.
var Backends = []Backend{
	{"gpu", "float32 by Vulkan, Metal or Direct3D 12", true, gpu.Compile},
	{"cpu", "float32 in Go, parallel", true, cpu.Compile},
	{"reference", "float64 on spaGO, the oracle", false, reference.Compile},
}

// FindArchitecture looks an architecture up.
func FindArchitecture(name string) (Architecture, error) {
	return find("architecture", Architectures, func(a Architecture) string { return a.Name }, name)
}

// FindModel looks a model up.
func FindModel(name string) (Model, error) {
	return find("model", Models, func(m Model) string { return m.Name }, name)
}

// FindBackend looks a backend up.
func FindBackend(name string) (Backend, error) {
	return find("backend", Backends, func(b Backend) string { return b.Name }, name)
}

// Compile makes a program on a backend and says on which. "auto" and "" try those marked
// so in turn and pass over what is unavailable; o.Note is told,
// but for hardware that is not there and for arithmetic that is another backend's.
func Compile(name string, g *graph.Graph, w weights.Source, o backend.Options) (p backend.Program, used string, err error) {
	if name != "auto" && name != "" {
		b, err := FindBackend(name)
		if err != nil {
			return nil, "", err
		}
		p, err = b.Compile(g, w, o)
		return p, name, err
	}
	for _, b := range Backends {
		if !b.Auto {
			continue
		}
		if p, err = b.Compile(g, w, o); !errors.Is(err, backend.ErrUnavailable) {
			return p, b.Name, err
		}
		if o.Note != nil && !errors.Is(err, backend.ErrNoDevice) && !errors.Is(err, backend.ErrPrecision) {
			o.Note(fmt.Sprintf("not on %s: %v", b.Name, err))
		}
	}
	return nil, "", err
}

// Network builds a network of an architecture from the JSON config of a weights file.
func Network(architecture string, config []byte) (*graph.Graph, error) {
	a, err := FindArchitecture(architecture)
	if err != nil {
		return nil, err
	}
	return a.Network(architecture, config)
}

// PerBlock builds the generator of an architecture whose blocks have inputs of their own.
func PerBlock(architecture string, config []byte) (*graph.Graph, error) {
	a, err := FindArchitecture(architecture)
	if err != nil {
		return nil, err
	}
	if a.PerBlock == nil {
		return nil, fmt.Errorf("registry: %s has no blocks to condition one by one", architecture)
	}
	return a.PerBlock(architecture, config)
}

func find[T any](kind string, table []T, nameOf func(T) string, name string) (T, error) {
	var names []string
	for _, entry := range table {
		if nameOf(entry) == name {
			return entry, nil
		}
		names = append(names, nameOf(entry))
	}
	var none T
	hint := ""
	if near := Nearest(name, names); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return none, fmt.Errorf("%w: %q is no %s (there are %s)%s", ErrUnknown, name, kind, strings.Join(names, ", "), hint)
}

// Nearest is the candidate that a typing error most likely meant, or "".
func Nearest(name string, candidates []string) string { return nearest.Of(name, candidates) }
