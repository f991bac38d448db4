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
		if !ok {
			return in, fmt.Errorf("%w: no tensor %q, want %s", weights.ErrFormat, n.Name, samples(n.Shape))
		}
		if len(info.Shape) < 1 || info.Shape[0] < 1 || !slices.Equal(info.Shape[1:], n.Shape) {
			return in, fmt.Errorf("%w: %q is %v, want %s", weights.ErrFormat, n.Name, info.Shape, samples(n.Shape))
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
		return in, fmt.Errorf("%w: no tensor \"truncation\" of one value", weights.ErrFormat)
	}
	t, err := float32s(f, info)
	if err != nil {
		return in, err
	}
	if in.Truncation = weights.Decimal(t[0]); in.Truncation-in.Truncation != 0 {
		return in, fmt.Errorf("%w: truncation %v, want a finite number", weights.ErrFormat, in.Truncation)
	}
	in.Truncation = min(max(in.Truncation, 0), farTruncation) // as the nearest row is taken there anyway
	return in, nil
}

// farTruncation is beyond the rows of all statistics.
const farTruncation = 1e6

// samples writes a shape with its batch axis.
func samples(shape []int) string { return "[n " + strings.Trim(fmt.Sprint(shape), "[]") + "]" }

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
	every    int         // of the picture, each n-th row and column
	channels int         // the first so many are compared; 0 = all
	reshape  *graph.Node // that makes a map of a flat node, or nil
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
		name, m.every = picture, 4
	case "image_f64":
		name = picture
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
	if len(info.Shape) == 4 && feedsPicture(g, m.node) && info.Shape[1] != want[1] && min(info.Shape[1], want[1]) == rgb {
		m.channels, want[1] = rgb, info.Shape[1]
	}
	if !slices.Equal(info.Shape, want) {
		return m, fmt.Sprintf("shape %v, the node has %v", info.Shape, want)
	}
	m.reshape = reshaped(g, m.node)
	return m, ""
}

// rgb is the number of channels of a picture.
const rgb = 3

// sigmaTolerance is for spectral norms, relative: they are computed in float64 and
// recorded in float32.
const sigmaTolerance = 1e-6

// recording is a file whose tensors have found their nodes.
type recording struct {
	file    *weights.File
	in      backend.Inputs
	matches []match
	sigma   []weights.Info
	skipped []Skipped
	o       Options
}

// AgainstRecording compares with a recording: the picture, every node that it holds, every
// spectral norm.
func AgainstRecording(f *weights.File, g *graph.Graph, o Options) (Against, backend.Inputs, error) {
	in, err := ReadInputs(f, g)
	if err != nil {
		return nil, in, fmt.Errorf("verify: %s: %w", o.Name, err)
	}
	r := &recording{file: f, in: in, o: o}
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		if _, input := g.Input(name); input || name == "truncation" {
			continue
		}
		if strings.HasPrefix(name, sigmaPrefix) {
			r.sigma = append(r.sigma, info)
			continue
		}
		m, why := matchNode(g, info, in.Batch)
		if why != "" {
			r.skipped = append(r.skipped, Skipped{name, why})
			continue
		}
		r.matches = append(r.matches, m)
	}
	if len(r.matches) == 0 {
		return nil, in, fmt.Errorf("verify: %s: %w: nothing to compare: no tensor is named after a node of the network", o.Name, weights.ErrFormat)
	}
	slices.SortStableFunc(r.matches, func(a, b match) int { return a.node.ID - b.node.ID })
	return r.against, in, nil
}

// Recording compares a network on a backend with a recording. Errors about its content wrap
// weights.ErrFormat.
func Recording(ctx context.Context, g *graph.Graph, w weights.Source, compile func(keep []string) (backend.Program, error), f *weights.File, against string, o Options) (*Report, error) {
	o.Name = against
	compare, _, err := AgainstRecording(f, g, o)
	if err != nil {
		return nil, err
	}
	side := fixed(g, compile)
	side.Weights, side.Stats = w, o.Stats
	return compare(ctx, side, nil)
}

func (rec *recording) against(ctx context.Context, s Side, only *Focus) (*Report, error) {
	in := rec.in
	if only != nil {
		in = sample(in, only.Sample)
	}
	var keep []string
	var matches []match
	for _, m := range rec.matches {
		if only == nil || m.recorded.Name == only.Node {
			matches = append(matches, m)
			keep = append(keep, m.node.Name)
		}
	}
	out, err := s.run(ctx, in, keep)
	if err != nil {
		return nil, err
	}
	r := &Report{Against: rec.o.Name, Tolerance: rec.o.Tolerance, OK: true}
	for _, m := range matches {
		if err := rec.add(r, m, out[m.node.Name], only); err != nil {
			return nil, err
		}
	}
	if only != nil {
		return r, nil
	}
	r.Skipped = slices.Clone(rec.skipped)
	for _, info := range rec.sigma {
		if err := r.sigma(rec.file, s.Weights, info); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// add compares a node with what was recorded of it.
func (rec *recording) add(r *Report, m match, got backend.Tensor, only *Focus) error {
	values := make([]float64, m.recorded.Elements())
	if err := rec.file.Float64s(values, m.recorded.Name); err != nil {
		return fmt.Errorf("verify: %s: %w: %v", rec.o.Name, weights.ErrFormat, err)
	}
	shape := slices.Clone(m.recorded.Shape)
	if only != nil {
		values, shape[0] = part(values, shape[0], only.Sample), 1
	}
	data, note := thin(got, m.every), ""
	if m.channels > 0 {
		note = fmt.Sprintf("the first %d of %d channels", m.channels, max(m.node.Shape[0], shape[1]))
		data = leading(data, shape[0], m.node.Shape[0], m.channels)
		values = leading(values, shape[0], shape[1], m.channels)
		shape[1] = m.channels
	}
	want := func(i int) float64 { return values[i] }
	d := compare(m.recorded.Name, shape, data, want, r.Tolerance)
	if m.reshape != nil && !d.OK {
		if turned := compare(m.recorded.Name, shape, transposed(data, m.reshape), want, r.Tolerance); turned.Max < d.Max {
			d, note = turned, fmt.Sprintf("laid out as %s here, otherwise there", m.reshape.Order)
		}
	}
	d.Note = note
	r.add(&r.Nodes, d)
	if m.node.Name == picture && len(shape) == 4 {
		r.Got, r.Want = backend.Tensor{Shape: shape, Data: data}, backend.Tensor{Shape: shape, Data: narrowed(values)}
	}
	return nil
}

func narrowed(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}

// transposed lays flat vectors out in the order that the node after them does not take.
func transposed(data []float32, reshape *graph.Node) []float32 {
	channels, plane := reshape.Shape[0], reshape.Shape[1]*reshape.Shape[2]
	out := make([]float32, len(data))
	for i := range data {
		from, at := i/(channels*plane)*channels*plane, i%(channels*plane)
		c, p := at/plane, at%plane // as [c,h,w]
		if reshape.Order == graph.CHW {
			out[from+p*channels+c] = data[i]
		} else {
			out[i] = data[from+p*channels+c]
		}
	}
	return out
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

// sigmaPrefix is how recordings name spectral norms: sigma.LAYER.
const sigmaPrefix = "sigma."

// sigma compares a recorded spectral norm with the model's.
func (r *Report) sigma(f *weights.File, w weights.Source, info weights.Info) error {
	name := strings.TrimPrefix(info.Name, sigmaPrefix) + ".sigma"
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
	magnitude := math.Abs(want[0])
	d := Difference{Name: info.Name, Shape: []int{1}, Magnitude: magnitude, Tolerance: sigmaTolerance * magnitude}
	d.Max = min(math.Abs(got[0]-want[0]), math.MaxFloat64)
	d.Mean, d.Relative, d.OK = d.Max, relative(d.Max, magnitude), d.Max <= d.Tolerance
	r.add(&r.Sigma, d)
	return nil
}
