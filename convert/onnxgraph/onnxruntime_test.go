package onnxgraph_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/reference"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/onnxgraph"
	"github.com/biggan-zoo/biggan/convert/synth"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/modeltest"
	"github.com/biggan-zoo/biggan/sample"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/weights"
)

// tolerance is for ONNX Runtime, which computes in float32 in an order of its own.
const tolerance = 1e-4

// peer is a Python that runs models in ONNX Runtime, one after another.
type peer struct {
	in  io.Writer
	out *bufio.Scanner
	dir string
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	c := exec.Command(goldentest.Interpreter(t, true, "onnx, onnxruntime, safetensors"), "testdata/ort.py")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), c.Wait()); err != nil {
			t.Error(err)
		}
	})
	return &peer{in, bufio.NewScanner(out), t.TempDir()}
}

// run runs model.onnx of the folder.
func (r *peer) run(inputs, outputs string) error {
	job, err := json.Marshal([]string{filepath.Join(r.dir, "model.onnx"), inputs, outputs})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(r.in, "%s\n", job); err != nil {
		return err
	}
	if !r.out.Scan() {
		return fmt.Errorf("ONNX Runtime ended: %v", r.out.Err())
	}
	if answer := r.out.Text(); answer != "ok" {
		return errors.New(answer)
	}
	return nil
}

// session runs an exported model in ONNX Runtime.
type session struct {
	graph *graph.Graph
	*peer
}

// compile exports to ONNX Runtime. Every model passes onnx.checker before it runs.
func (r *peer) compile(t *testing.T, g *graph.Graph, w weights.Source, opset int) func(keep []string) (backend.Program, error) {
	t.Helper()
	return func(keep []string) (backend.Program, error) {
		f, err := os.Create(filepath.Join(r.dir, "model.onnx"))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		out := bufio.NewWriter(f)
		if err := onnxgraph.Write(t.Context(), out, g, w, onnxgraph.Options{Keep: keep, Opset: opset}); err != nil {
			return nil, err
		}
		return session{g, r}, out.Flush()
	}
}

func (s session) Run(_ context.Context, in backend.Inputs) (map[string]backend.Tensor, error) {
	tensors := weights.Memory{"truncation": {Shape: []int{1}, Data: []float32{float32(in.Truncation)}}}
	for name, values := range in.Tensors {
		n, _ := s.graph.Input(name)
		tensors[name] = weights.Tensor{Shape: append([]int{in.Batch}, n.Shape...), Data: values}
	}
	inputs, outputs := filepath.Join(s.dir, "in.safetensors"), filepath.Join(s.dir, "out.safetensors")
	if err := modeltest.Write(inputs, tensors); err != nil {
		return nil, err
	}
	if err := s.run(inputs, outputs); err != nil {
		return nil, err
	}
	f, err := weights.Open(outputs)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	results := map[string]backend.Tensor{}
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		data := make([]float32, info.Elements())
		if err := f.Float32s(data, name); err != nil {
			return nil, err
		}
		results[name] = backend.Tensor{Shape: info.Shape, Data: data}
	}
	return results, nil
}

func (session) Close() error { return nil }

// draw makes inputs of a generator from seed 1; sample 1 of several mixes two classes.
func draw(g *graph.Graph, n int, truncation float64) backend.Inputs {
	z, _ := g.Input("z")
	classes, _ := g.Input("y")
	y := labels.OneHot(sample.Classes(1, n, classes.Elements()), classes.Elements())
	if n > 1 {
		row := y[classes.Elements() : 2*classes.Elements()]
		for i := range row {
			row[i] *= 0.75
		}
		row[0] += 0.25
	}
	return backend.Inputs{
		Batch: n, Truncation: truncation,
		Tensors: map[string][]float32{"z": sample.Noise(1, n, z.Elements(), truncation), "y": y},
	}
}

func judge(t *testing.T, name string, r *verify.Report, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	worst := 0.0
	for _, d := range r.Nodes {
		worst = max(worst, d.Max/max(1, d.Magnitude))
		if !d.OK {
			t.Errorf("%s: %s differs by %g at %d, tolerance %g", name, d.Name, d.Max, d.At, d.Tolerance)
		}
	}
	t.Logf("%s: %d nodes, at most %.1e", name, len(r.Nodes), worst)
}

func compileReference(g *graph.Graph, w weights.Source) func(keep []string) (backend.Program, error) {
	return func(keep []string) (backend.Program, error) {
		return reference.Compile(g, w, backend.Options{Keep: keep})
	}
}

// truncations are on rows, between rows, off the grid, and where 0.02·r is no float32.
var truncations = []float64{0.4, 0, 0.001, 0.02, 0.14, 0.28, 0.437, 0.56, 0.58, 0.94, 1, 1.5}

// TestReference compares every node of every golden with float64, at batches 1 and 3.
func TestReference(t *testing.T) {
	ort := startPeer(t)
	for _, c := range goldens {
		w, g := modeltest.Open(t, c.src, c.config)
		if _, generator := g.Input("z"); !generator {
			continue // TestRecordings
		}
		compile := ort.compile(t, g, w, 0)
		for i, truncation := range truncations {
			if i > 0 && (g.Grid.Rows == 0 || i > 3 && c.src != "letters" && c.src != "tfhub/biggan-tiny/module.tar.gz") {
				break // one set of statistics
			}
			in := draw(g, 1+2*(i%2), truncation)
			r, err := verify.Programs(t.Context(), g, compile, compileReference(g, w), in, "reference", tolerance)
			judge(t, fmt.Sprintf("%s at %v, batch %d", c.src, truncation, in.Batch), r, err)
		}
	}
}

// TestRecordings compares the picture, or the logit, with what the frameworks computed.
func TestRecordings(t *testing.T) {
	ort := startPeer(t)
	for _, c := range goldens {
		folder, pattern := filepath.Dir(goldentest.Path(t, c.src)), "*_t*.safetensors" // of Hugging Face's port and TensorFlow
		switch {
		case c.src == "letters":
			folder = goldentest.Path(t, c.src)
		case strings.HasSuffix(c.src, "D.pth"):
			pattern = "d_recording.safetensors"
		case !strings.HasPrefix(c.src, "tfhub"):
			pattern = "recording*.safetensors"
		}
		recordings, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(recordings) == 0 && !strings.Contains(c.src, "mybn") { // whose file is no recording
			t.Fatalf("%s: recordings %v, %v", c.src, recordings, err)
		}
		w, g := modeltest.Open(t, c.src, c.config)
		compile := ort.compile(t, g, w, 0)
		for _, path := range recordings {
			r, err := verify.Recording(t.Context(), g, w, compile, modeltest.OpenFile(t, path), path, verify.Options{Tolerance: tolerance})
			judge(t, path, r, err)
		}
	}
}

// TestEveryOpset compares a generator and a discriminator in those versions that changed an
// operator which they use.
func TestEveryOpset(t *testing.T) {
	ort := startPeer(t)
	for src, recording := range map[string]string{
		"letters": "letters/hf_t0.40.safetensors", "biggan-pytorch/biggan64/D.pth": "biggan-pytorch/biggan64/d_recording.safetensors",
	} {
		w, g := modeltest.Open(t, src, "")
		for _, opset := range []int{14, 18, 19, 21, 22, onnxgraph.MaxOpset} {
			f := modeltest.OpenFile(t, goldentest.Path(t, recording))
			r, err := verify.Recording(t.Context(), g, w, ort.compile(t, g, w, opset), f, recording, verify.Options{Tolerance: tolerance})
			judge(t, fmt.Sprintf("%s in opset %d", src, opset), r, err)
		}
	}
}

// TestFullSize compares pictures of two full-size networks with float64.
func TestFullSize(t *testing.T) {
	if os.Getenv("BIGGAN_CI") == "" {
		t.Skip("takes minutes: run with BIGGAN_CI=1")
	}
	ort := startPeer(t)
	for _, c := range []struct {
		model       string
		truncations []float64
	}{
		{"biggan-deep-128", []float64{0.02, 0.4, 0.437, 1}},
		{"biggan-128", []float64{0.437}}, // one set of statistics
	} {
		path := filepath.Join(t.TempDir(), "model.safetensors")
		if _, err := synth.Write(t.Context(), c.model, path, convert.Options{}); err != nil {
			t.Fatal(err)
		}
		w, g := modeltest.OpenPath(t, path)
		compile := ort.compile(t, g, w, 0)
		for _, truncation := range c.truncations {
			n := 1
			if truncation == 0.437 {
				n = 3
			}
			in := draw(g, n, truncation)
			d := pictureDistance(t, g, w, compile, in)
			t.Logf("%s at %v, batch %d: %.1e", c.model, truncation, n, d)
			if !(d <= tolerance) {
				t.Errorf("%s at %v, batch %d differs by %g", c.model, truncation, n, d)
			}
		}
	}
}

// pictureDistance is how far ONNX Runtime's picture is from the reference's.
func pictureDistance(t *testing.T, g *graph.Graph, w weights.Source, compile func([]string) (backend.Program, error), in backend.Inputs) float64 {
	t.Helper()
	var images [2][]float32
	for i, compile := range []func([]string) (backend.Program, error){compile, compileReference(g, w)} {
		p, err := compile(nil)
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		images[i] = out["image"].Data
	}
	if len(images[0]) != len(images[1]) || len(images[0]) == 0 {
		t.Fatalf("%d and %d values", len(images[0]), len(images[1]))
	}
	worst := 0.0
	for i, v := range images[0] {
		if d := math.Abs(float64(v - images[1][i])); !(d <= worst) {
			worst = d
		}
	}
	return worst
}
