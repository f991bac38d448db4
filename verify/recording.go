package verify

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// ReadInputs takes z, y and truncation (of a discriminator, x and y) of a recording or of a file of inputs, checked
// against the graph. Errors wrap weights.ErrFormat.
func ReadInputs(f *weights.File, g *graph.Graph) (backend.Inputs, error) {
	in := backend.Inputs{Tensors: map[string][]float32{}}
	for _, n := range g.Nodes {
		if n.Op != graph.Input {
			continue
		}
		info, ok := f.Info(n.Name)
		if !ok || len(info.Shape) < 1 || info.Shape[0] < 1 || !slices.Equal(info.Shape[1:], n.Shape) {
			return in, fmt.Errorf("%w: input %q is %v, want %v for each sample", weights.ErrFormat, n.Name, info.Shape, n.Shape)
		}
		if in.Batch != 0 && in.Batch != info.Shape[0] {
			return in, fmt.Errorf("%w: input %q has %d samples, another has %d", weights.ErrFormat, n.Name, info.Shape[0], in.Batch)
		}
		in.Batch = info.Shape[0]
		values, err := float32s(f, info)
		if err != nil {
			return in, err
		}
		in.Tensors[n.Name] = values
	}
	if _, generator := g.Input("z"); !generator {
		in.Truncation = 1 // a discriminator has none
		return in, nil
	}
	info, ok := f.Info("truncation")
	if !ok || info.Elements() != 1 {
		return in, fmt.Errorf("%w: no truncation of one value", weights.ErrFormat)
	}
	t, err := float32s(f, info)
	if err != nil {
		return in, err
	}
	in.Truncation = weights.Decimal(t[0])
	if !(in.Truncation >= 0 && in.Truncation <= math.MaxFloat32) {
		return in, fmt.Errorf("%w: truncation %v", weights.ErrFormat, in.Truncation)
	}
	return in, nil
}

func float32s(f *weights.File, info weights.Info) ([]float32, error) {
	values := make([]float32, info.Elements())
	if err := f.Float32s(values, info.Name); err != nil {
		return nil, fmt.Errorf("%w: %v", weights.ErrFormat, err)
	}
	return values, nil
}

// match is a recorded tensor and the node that it records.
type match struct {
	recorded weights.Info
	node     *graph.Node
	every    int // of the picture, each n-th row and column
}

// everyFourth is how recordings of 512 px name a thinned picture.
const everyFourth = "image_every_4th_pixel"

// matchNode finds the node that a recorded tensor names, by its name in the framework that
// wrote it, and says why not.
func matchNode(g *graph.Graph, info weights.Info, batch int) (match, string) {
	m := match{recorded: info, every: 1}
	name := info.Name
	switch name {
	case everyFourth:
		name, m.every = "image", 4
	case "image_f64":
		name = "image"
	case "output_layer": // a Sequential of norm, ReLU and convolution
		name = "output_layer.2"
	}
	var ok bool
	if m.node, ok = g.Node(name); !ok || name == "linear" && len(info.Shape) == 4 {
		if m.node = byRole(g, name); m.node == nil {
			return m, "no node of this name"
		}
	}
	want := []int{batch}
	for i, d := range m.node.Shape {
		if i > 0 {
			d = (d + m.every - 1) / m.every
		}
		want = append(want, d)
	}
	if !slices.Equal(info.Shape, want) {
		return m, fmt.Sprintf("shape %v, the node has %v", info.Shape, want)
	}
	return m, ""
}

// byRole finds a node by the short name that recordings of TensorFlow give it: linear (the
// first map), blockI (the I-th residual block), attention, pretanh.
func byRole(g *graph.Graph, name string) *graph.Node {
	pick := func(op graph.Op, number int) *graph.Node {
		for _, n := range g.Nodes {
			if n.Op == op && len(n.Shape) == 3 {
				if number == 0 {
					return n
				}
				number--
			}
		}
		return nil
	}
	switch name {
	case "linear":
		return pick(graph.Reshape, 0)
	case "attention":
		return pick(graph.AddScaled, 0)
	case "pretanh":
		if tanh := pick(graph.Tanh, 0); tanh != nil {
			return tanh.In[0]
		}
	}
	if number, ok := strings.CutPrefix(name, "block"); ok {
		if i, err := strconv.Atoi(number); err == nil && i >= 0 {
			return pick(graph.Add, i)
		}
	}
	return nil
}

// Options steer a comparison with a recording.
type Options struct {
	Tolerance float64
	Stats     backend.StatsMode
}

// sigmaTolerance is for spectral norms, relative: they are computed in float64 and
// recorded in float32.
const sigmaTolerance = 1e-6

// Recording compares a network on a backend with a recording: the picture, every node
// that it holds, every spectral norm. Errors about its content wrap weights.ErrFormat.
func Recording(ctx context.Context, g *graph.Graph, w weights.Source, compile func(keep []string) (backend.Program, error), f *weights.File, against string, o Options) (*Report, error) {
	in, err := ReadInputs(f, g)
	if err != nil {
		return nil, fmt.Errorf("verify: %s: %w", against, err)
	}
	in.Stats = o.Stats
	r := &Report{Against: against, Tolerance: o.Tolerance, OK: true}
	var matches []match
	var keep []string
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		if _, input := g.Input(name); input || name == "truncation" {
			continue
		}
		if layer, ok := strings.CutPrefix(name, "sigma."); ok {
			if err := r.sigma(f, w, layer, info); err != nil {
				return nil, err
			}
			continue
		}
		m, why := matchNode(g, info, in.Batch)
		if why != "" {
			r.Skipped = append(r.Skipped, Skipped{name, why})
			continue
		}
		matches = append(matches, m)
		keep = append(keep, m.node.Name)
	}
	if len(matches) == 0 {
		return nil, fmt.Errorf("verify: %s: %w: nothing to compare: no tensor is named after a node of the network", against, weights.ErrFormat)
	}
	out, err := runOnce(ctx, compile, keep, in)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(matches, func(a, b match) int { return a.node.ID - b.node.ID })
	for _, m := range matches {
		want := make([]float64, m.recorded.Elements())
		if err := f.Float64s(want, m.recorded.Name); err != nil {
			return nil, fmt.Errorf("verify: %s: %w: %v", against, weights.ErrFormat, err)
		}
		got := thin(out[m.node.Name], m.every)
		r.add(&r.Nodes, compare(m.recorded.Name, m.recorded.Shape, got, func(i int) float64 { return want[i] }, o.Tolerance))
	}
	return r, nil
}

// thin takes each n-th row and column of maps.
func thin(t backend.Tensor, every int) []float32 {
	if every == 1 {
		return t.Data
	}
	h, w := t.Shape[2], t.Shape[3]
	var out []float32
	for plane := range t.Shape[0] * t.Shape[1] {
		for y := 0; y < h; y += every {
			for x := 0; x < w; x += every {
				out = append(out, t.Data[(plane*h+y)*w+x])
			}
		}
	}
	return out
}

// sigma compares a recorded spectral norm with the model's.
func (r *Report) sigma(f *weights.File, w weights.Source, layer string, info weights.Info) error {
	name := layer + ".sigma"
	if _, ok := w.Info(name); !ok || info.Elements() != 1 {
		r.Skipped = append(r.Skipped, Skipped{info.Name, "the model has no spectral norm of this name"})
		return nil
	}
	var got, want [1]float64
	if err := w.Float64s(got[:], name); err != nil {
		return err
	}
	if err := f.Float64s(want[:], info.Name); err != nil {
		return fmt.Errorf("verify: %w: %v", weights.ErrFormat, err)
	}
	diff := math.Abs(got[0] - want[0])
	tolerance := sigmaTolerance * math.Abs(want[0])
	r.add(&r.Sigma, Difference{
		Name: info.Name, Shape: []int{1}, Max: diff, Mean: diff, Magnitude: math.Abs(want[0]), Tolerance: tolerance, OK: diff <= tolerance,
	})
	return nil
}
