package biggan

import (
	"context"
	"fmt"
	"image"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/render"
)

// defaultBatch is how many pictures are computed at a time.
const defaultBatch = 4

// condition is what a place of the network is told: [ZDim] values and a class.
type condition struct {
	z     []float32
	class labels.Mix
}

// sampled conditions one picture: by one condition for the whole network, or by one for the
// first linear layer and one a block.
type sampled []condition

// drawing is how pictures are computed.
type drawing struct {
	truncation float64
	stats      backend.StatsMode
	backend    string
	options    backend.Options
	perBlock   bool
	batch      int // 0 = defaultBatch
}

// draw computes pictures 0 .. n-1, asking for what conditions them in order, and hands them
// to f one by one with the program that computed them.
func (m *Model) draw(ctx context.Context, how drawing, n int, at func(i int) sampled, f func(i int, s sampled, image image.Image, by compiled) error) error {
	program, err := m.program(how.backend, how.options, how.perBlock)
	if err != nil {
		return err
	}
	batch := how.batch
	if batch < 1 {
		batch = defaultBatch
	}
	for from := 0; from < n; from += batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		samples := make([]sampled, min(batch, n-from))
		for i := range samples {
			samples[i] = at(from + i)
		}
		pixels, err := backend.Draw(ctx, program.Program, backend.Inputs{
			Batch: len(samples), Tensors: m.inputs(program.graph, samples), Truncation: how.truncation, Stats: how.stats,
		})
		if err != nil {
			return err
		}
		for i, image := range render.Images(pixels) {
			if err := f(from+i, samples[i], image, program); err != nil {
				return err
			}
		}
	}
	return nil
}

// inputs are the tensors of a graph's inputs for a batch.
func (m *Model) inputs(g *graph.Graph, samples []sampled) map[string][]float32 {
	tensors := map[string][]float32{}
	for place := range samples[0] {
		zName, yName := "z", "y"
		if place > 0 {
			zName, yName = graph.BlockInput("z", place-1), graph.BlockInput("y", place-1)
		}
		var z []float32
		var classes []labels.Mix
		for _, s := range samples {
			z = append(z, s[place].z...)
			classes = append(classes, s[place].class)
		}
		if _, ok := g.Input(zName); ok {
			tensors[zName] = z
		}
		tensors[yName] = labels.Dense(classes, m.Labels.Len())
	}
	return tensors
}

// compiled is a program that the model keeps.
type compiled struct {
	backend.Program
	graph   *graph.Graph
	used    string            // the backend
	methods map[string]string // as Picture has them
}

// Prepare compiles the model for a backend, so that the first picture need not wait for it,
// and says which one "" and "auto" mean.
func (m *Model) Prepare(backendName string, o backend.Options) (used string, err error) {
	p, err := m.program(backendName, o, false)
	return p.used, err
}

// program compiles once for each backend, options and graph: the plain one, or the one whose
// blocks are conditioned one by one. The model closes what it returns.
func (m *Model) program(backendName string, o backend.Options, perBlock bool) (compiled, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := fmt.Sprintf("%q %#v %v", backendName, o, perBlock)
	if p, ok := m.programs[key]; ok {
		return p, nil
	}
	g := m.Graph
	if perBlock {
		var err error
		if g, err = registry.PerBlock(m.Meta.Architecture, m.Meta.Config); err != nil {
			return compiled{}, err
		}
	}
	p, used, err := registry.Compile(backendName, g, m.file, o)
	if err != nil {
		return compiled{}, err
	}
	if m.programs == nil {
		m.programs = map[string]compiled{}
	}
	c := compiled{Program: p, graph: g, used: used}
	if chooser, ok := p.(backend.Chooser); ok {
		c.methods = chooser.Methods()
	}
	m.programs[key] = c
	return c, nil
}
