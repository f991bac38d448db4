package verify_test

import (
	"context"
	"errors"
	"io"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/modeltest"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/sample"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/weights"
)

// backends are judged against recordings with the tolerances of the project.
var backends = map[string]float64{"reference": 1e-5, "cpu": 3e-5}

func compiler(t *testing.T, name string, g *graph.Graph, w weights.Source) func([]string) (backend.Program, error) {
	t.Helper()
	b, err := registry.FindBackend(name)
	if err != nil {
		t.Fatal(err)
	}
	return func(keep []string) (backend.Program, error) {
		return b.Compile(g, w, backend.Options{Keep: keep})
	}
}

// tfRecordings are pictures at several truncations, and one recording of nodes.
func tfRecordings(module string, nodes int, images ...string) map[string][2]int {
	all := map[string][2]int{"tfhub/" + module + "/tf_nodes_t0.40.safetensors": {nodes, 0}}
	for _, name := range images {
		all["tfhub/"+module+"/"+name+".safetensors"] = [2]int{1, 0}
	}
	return all
}

// TestRecordings compares with what PyTorch and TensorFlow computed, every recorded node by name.
func TestRecordings(t *testing.T) {
	for _, c := range []struct {
		src, config string
		recordings  map[string][2]int // nodes and spectral norms that must have been compared
	}{
		{"letters", "", map[string][2]int{
			"letters/hf_t0.02.safetensors": {1, 0}, "letters/hf_t0.40.safetensors": {1, 0},
			"letters/hf_t0.50.safetensors": {100, 0}, "letters/hf_t1.00.safetensors": {1, 0},
		}},
		{"biggan-pytorch/biggan64/G_ema.pth", "biggan-pytorch/biggan64/config.json", map[string][2]int{"biggan-pytorch/biggan64/recording.safetensors": {9, 34}}},
		{"biggan-pytorch/biggan64-wrapped/G_ema.pth", "biggan-pytorch/biggan64-wrapped/config.json", map[string][2]int{"biggan-pytorch/biggan64-wrapped/recording.safetensors": {9, 34}}},
		{"biggan-pytorch/biggandeep64/G_ema.pth", "biggan-pytorch/biggandeep64/config.json", map[string][2]int{"biggan-pytorch/biggandeep64/recording.safetensors": {13, 102}}},
		{"biggan-pytorch/biggan64/D.pth", "biggan-pytorch/biggan64/config.json", map[string][2]int{"biggan-pytorch/biggan64/d_recording.safetensors": {8, 21}}},
		{"biggan-pytorch/biggandeep64/D.pth", "biggan-pytorch/biggandeep64/config.json", map[string][2]int{"biggan-pytorch/biggandeep64/d_recording.safetensors": {11, 43}}},
		{"studiogan/biggan32/G_ema.pth", "", map[string][2]int{"studiogan/biggan32/recording.safetensors": {6, 0}}},
		{"studiogan/biggan64-plain/G_ema.pth", "", map[string][2]int{"studiogan/biggan64-plain/recording.safetensors": {6, 0}}},
		{"studiogan/deep-legacy32/G_ema.pth", "", map[string][2]int{"studiogan/deep-legacy32/recording.safetensors": {9, 0}}},
		{"studiogan/deep64/G_ema.pth", "", map[string][2]int{"studiogan/deep64/recording.safetensors": {11, 0}}},
		{"mmgeneration/biggan32/iter_1.pth", "", map[string][2]int{"mmgeneration/biggan32/recording.safetensors": {5, 0}}},
		{"mmgeneration/biggan32-torch/iter_1.pth", "", map[string][2]int{"mmgeneration/biggan32-torch/recording.safetensors": {5, 0}}},
		{"mmgeneration/biggan32-cifar/iter_1.pth", "", map[string][2]int{"mmgeneration/biggan32-cifar/recording.safetensors": {4, 0}}},
		{"mmgeneration/deep32/iter_1.pth", "", map[string][2]int{"mmgeneration/deep32/recording.safetensors": {8, 0}}},
		{"mmgeneration/deep32-ajbrock/iter_1.pth", "mmgeneration/deep32-ajbrock/config.json", map[string][2]int{"mmgeneration/deep32-ajbrock/recording.safetensors": {5, 0}}},
		{"ivclab/biggan128/biggan128-release.pt", "", map[string][2]int{
			"ivclab/biggan128/recording_t0.02.safetensors": {1, 0}, "ivclab/biggan128/recording_t0.40.safetensors": {4, 0}, "ivclab/biggan128/recording_t1.00.safetensors": {1, 0},
		}},
		{"ivclab/biggan512/biggan512-release.pt", "", map[string][2]int{"ivclab/biggan512/recording_t0.58.safetensors": {4, 0}}},
		{"tfhub/letters/module.tar.gz", "", tfRecordings("letters", 11, "tf_t0.00", "tf_t0.02", "tf_t0.40", "tf_t1.00")},
		{"tfhub/deep-random-tiny/module.tar.gz", "", tfRecordings("deep-random-tiny", 11, "tf_t0.00", "tf_t0.02", "tf_t0.40", "tf_t1.00")},
		{"tfhub/deep-random-tiny-const/module.tar.gz", "", tfRecordings("deep-random-tiny-const", 8, "tf_t0.00", "tf_t0.40", "tf_t1.00")},
		{"tfhub/biggan-raw-ema/module.tar.gz", "", map[string][2]int{"tfhub/biggan-raw-ema/tf_t0.30.safetensors": {1, 0}, "tfhub/biggan-raw-ema/tf_t1.00.safetensors": {1, 0}}},
		{"tfhub/biggan-512-like/module.tar.gz", "", map[string][2]int{"tfhub/biggan-512-like/tf_t0.58.safetensors": {1, 0}}},
		{"tfhub/biggan-no-tables/module.tar.gz", "", map[string][2]int{"tfhub/biggan-no-tables/tf_t1.00.safetensors": {1, 0}}},
		{"tfhub/deep-no-tables/module.tar.gz", "", map[string][2]int{"tfhub/deep-no-tables/tf_t1.00.safetensors": {1, 0}}},
		{"tfhub/deep-const-k/module.tar.gz", "", map[string][2]int{"tfhub/deep-const-k/tf_t0.14.safetensors": {1, 0}, "tfhub/deep-const-k/tf_t0.58.safetensors": {1, 0}}},
		{"tfhub/biggan-tiny/module.tar.gz", "", tfRecordings("biggan-tiny", 8, "tf_t0.02", "tf_t0.40", "tf_t1.00")},
	} {
		w, g := modeltest.Open(t, c.src, c.config)
		for recording, compared := range c.recordings {
			for name, tolerance := range backends {
				r, err := verify.Recording(t.Context(), g, w, compiler(t, name, g, w), modeltest.OpenFile(t, goldentest.Path(t, recording)), recording, verify.Options{Tolerance: tolerance})
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range append(r.Nodes, r.Sigma...) {
					if !d.OK {
						t.Errorf("%s on %s: %s differs by %g at %d, tolerance %g", recording, name, d.Name, d.Max, d.At, d.Tolerance)
					}
				}
				if len(r.Nodes) != compared[0] || len(r.Sigma) != compared[1] || len(r.Skipped) > 0 {
					t.Errorf("%s: compared %d nodes and %d norms, want %v; skipped %v", recording, len(r.Nodes), len(r.Sigma), compared, r.Skipped)
				}
			}
		}
	}
}

// TestMyBN compares the layout that stores sums of statistics; its file is no recording.
func TestMyBN(t *testing.T) {
	const folder = "biggan-pytorch/biggan32-mybn/"
	w, g := modeltest.Open(t, folder+"G_ema.pth", folder+"config.json")
	f := modeltest.OpenFile(t, goldentest.Path(t, folder+"expected.safetensors"))
	info, _ := f.Info("z")
	n := info.Shape[0]
	z := make([]float32, info.Elements())
	classes, _ := f.Bytes("y")
	if err := f.Float32s(z, "z"); err != nil {
		t.Fatal(err)
	}
	y := make([]float32, n*10)
	for i := range n {
		y[i*10+int(classes[4*i])] = 1
	}
	nodes := map[string]string{"images": "image", "shared": "shared"}
	for _, node := range g.Nodes {
		if _, ok := f.Info("act.G." + node.Name); ok {
			nodes["act.G."+node.Name] = node.Name
		}
	}
	if len(nodes) < 10 {
		t.Fatalf("only %v to compare", nodes)
	}
	var keep []string
	for _, node := range nodes {
		keep = append(keep, node)
	}
	for name := range backends {
		p, err := compiler(t, name, g, w)(keep)
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Run(t.Context(), backend.Inputs{Batch: n, Tensors: map[string][]float32{"z": z, "y": y}, Truncation: 1})
		if err != nil {
			t.Fatal(err)
		}
		for recorded, node := range nodes {
			info, _ := f.Info(recorded)
			want := make([]float32, info.Elements())
			if err := f.Float32s(want, recorded); err != nil {
				t.Fatal(err)
			}
			for i, v := range want { // activations are those of the first sample
				if d := math.Abs(float64(out[node].Data[i] - v)); d > 3e-5*max(1, math.Abs(float64(v))) {
					t.Errorf("%s: %s differs by %g at %d", name, recorded, d, i)
					break
				}
			}
		}
	}
}

// TestPrograms compares two backends, and a spoiled input that must be told.
func TestPrograms(t *testing.T) {
	w, g := modeltest.Open(t, "letters", "")
	in, err := verify.ReadInputs(modeltest.OpenFile(t, goldentest.Path(t, "letters/hf_t0.40.safetensors")), g)
	if err != nil {
		t.Fatal(err)
	}
	cpu := compiler(t, "cpu", g, w)
	r, err := verify.Programs(t.Context(), g, cpu, compiler(t, "reference", g, w), in, "reference", 3e-5)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || r.First != "" || len(r.Nodes) != len(g.Nodes)-2 {
		t.Errorf("ok %v, first %q, %d nodes of %d", r.OK, r.First, len(r.Nodes), len(g.Nodes))
	}
	spoiled := func(keep []string) (backend.Program, error) {
		p, err := cpu(keep)
		return offset{p, "generator.layers.3"}, err
	}
	r, err = verify.Programs(t.Context(), g, spoiled, cpu, in, "cpu", 3e-5)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK || r.First != "generator.layers.3" {
		t.Errorf("ok %v, first %q", r.OK, r.First)
	}
}

// TestBF16: pictures of a trained network in bfloat16 are within 1.5/255 of float64, and within
// 0.1/255 in the mean. Its attention is sharp: with rounded scores they would differ by 2.5/255.
func TestBF16(t *testing.T) {
	w, g := modeltest.Open(t, "letters", "")
	b, err := registry.FindBackend("cpu")
	if err != nil {
		t.Fatal(err)
	}
	const n = 64
	in := backend.Inputs{Batch: n, Truncation: 1, Tensors: map[string][]float32{}}
	for _, x := range g.Nodes {
		switch {
		case x.Op == graph.Input && x.Name == "z":
			in.Tensors["z"] = sample.Noise(0, n, x.Elements(), 1)
		case x.Op == graph.Input:
			in.Tensors[x.Name] = labels.OneHot(sample.Classes(0, n, x.Elements()), x.Elements())
		}
	}
	rounded, err := b.Compile(g, w, backend.Options{Precision: backend.BF16})
	if errors.Is(err, backend.ErrUnavailable) {
		t.Skip(err)
	}
	exact, err2 := compiler(t, "reference", g, w)(nil)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	got, err := rounded.Run(t.Context(), in)
	want, err2 := exact.Run(t.Context(), in)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for name, picture := range want {
		var largest, sum float64
		for i, v := range picture.Data {
			d := 127.5 * math.Abs(float64(v-got[name].Data[i]))
			largest, sum = max(largest, d), sum+d
		}
		if mean := sum / float64(len(picture.Data)); largest > 1.5 || mean > 0.1 {
			t.Errorf("%s differs by %g/255, %g/255 in the mean", name, largest, mean)
		}
	}
}

// offset is a program with one wrong node.
type offset struct {
	backend.Program
	node string
}

func (o offset) Run(ctx context.Context, in backend.Inputs) (map[string]backend.Tensor, error) {
	out, err := o.Program.Run(ctx, in)
	if err == nil {
		out[o.node].Data[5] = float32(math.NaN())
	}
	return out, err
}

// TestReadInputs refuses files that are no inputs of the network.
func TestReadInputs(t *testing.T) {
	_, g := modeltest.Open(t, "letters", "")
	_, err := verify.ReadInputs(modeltest.OpenFile(t, goldentest.Path(t, "fullsize/deep-128_0.safetensors")), g)
	if !errors.Is(err, weights.ErrFormat) {
		t.Errorf("inputs of another network: %v", err)
	}
}

// TestTruncationBeyondRows: what lies outside the rows of the statistics takes the nearest.
func TestTruncationBeyondRows(t *testing.T) {
	w, g := modeltest.Open(t, "letters", "")
	in, err := verify.ReadInputs(modeltest.OpenFile(t, goldentest.Path(t, "letters/hf_t0.40.safetensors")), g)
	if err != nil {
		t.Fatal(err)
	}
	pictures := func(truncation float32) []float32 {
		path := filepath.Join(t.TempDir(), "in.safetensors")
		file, err := weights.Create(path, weights.CreateOptions{Tensors: []weights.Info{
			{Name: "z", DType: weights.F32, Shape: []int{in.Batch, len(in.Tensors["z"]) / in.Batch}},
			{Name: "y", DType: weights.F32, Shape: []int{in.Batch, len(in.Tensors["y"]) / in.Batch}},
			{Name: "truncation", DType: weights.F32, Shape: []int{1}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for name, values := range map[string][]float32{"z": in.Tensors["z"], "y": in.Tensors["y"], "truncation": {truncation}} {
			if err := file.WriteTensor(name, func(w io.Writer) error { return weights.Encode(w, weights.F32, values) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := file.Commit(); err != nil {
			t.Fatal(err)
		}
		read, err := verify.ReadInputs(modeltest.OpenFile(t, path), g)
		if err != nil {
			t.Fatalf("truncation %v: %v", truncation, err)
		}
		p, err := compiler(t, "cpu", g, w)(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		out, err := p.Run(t.Context(), read)
		if err != nil {
			t.Fatalf("truncation %v: %v", truncation, err)
		}
		return out["image"].Data
	}
	first, last := pictures(0), pictures(1)
	for truncation, want := range map[float32][]float32{-0.25: first, -3e38: first, 1.5: last, 3e38: last} {
		if !slices.Equal(pictures(truncation), want) {
			t.Errorf("truncation %v: not that of the nearest row", truncation)
		}
	}
}
