package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/onnxgraph"
	"github.com/biggan-zoo/biggan/convert/tfhub"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/peers"
	"github.com/biggan-zoo/biggan/weights"
)

type peerRunJSON struct {
	wroteJSON
	Peer     string            `json:"peer"`
	Versions map[string]string `json:"versions"`
	Tensors  []string          `json:"tensors"`
}

// peerFlags are the flags of peers run.
type peerFlags struct {
	model, input, out string
	classes, keep     []string
	n                 int
	seed              uint32
	truncation        float64
}

func newPeersRun(a *app, python *string) *cobra.Command {
	var v peerFlags
	var names []string
	for _, p := range peers.All {
		names = append(names, p.Name)
	}
	cmd := &cobra.Command{
		Use:   "run " + strings.Join(names, "|") + " -m MODEL -o RECORDING.safetensors",
		Short: "Run a model in another implementation and record what it computes",
		Long: `Run a model in another implementation, in your own Python, and record what it computes: z, y,
truncation, image, and the nodes that it has too. ` + "`biggan verify --against`" + `
compares with such a recording.

hf: pytorch_pretrained_biggan, on the model's export. Between rows of the statistics it
interpolates the wrong way round: verify with --stats hf.
tfhub: tensorflow and tensorflow_hub; MODEL is a module, its folder or .tar.gz. Convert the
same module to have a model to verify. Of nodes it knows the outputs of blocks and attention.
onnxruntime: ONNX Runtime, on the model's export; of a discriminator too, which records x, y and logit.

Without --input, z and y are those of ` + "`biggan generate`" + ` for the same flags.`,
		Example: `  biggan peers run onnxruntime -m deep.safetensors -c 207 -o ort.safetensors
  biggan verify -m deep.safetensors --against ort.safetensors`,
		Args: cobra.ExactArgs(1), ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := peers.Find(args[0])
			if err != nil {
				return usageError{err}
			}
			if cmd.Flags().Changed("number") && v.n < 1 {
				return usage("-n %d: want at least 1", v.n)
			}
			for _, other := range []string{"class", "number", "seed", "truncation"} {
				if v.input != "" && cmd.Flags().Changed(other) {
					return usage("--input holds what --%s would say", other)
				}
			}
			if v.out == "" {
				return usage("peers run needs -o RECORDING.safetensors")
			}
			if err := a.checkOutput(v.out); err != nil {
				return err
			}
			return a.runPeer(cmd.Context(), p, *python, v)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&v.model, "model", "m", embedded, "model: a name or a file; of tfhub, a module")
	f.StringVarP(&v.out, "output", "o", "", "recording to write; - is stdout")
	f.StringVar(&v.input, "input", "", "safetensors file with z, y and truncation, as run takes it")
	f.StringArrayVarP(&v.classes, "class", "c", nil, "class by name or number; several are taken in turn")
	f.IntVarP(&v.n, "number", "n", 0, "samples in all (default one a class)")
	f.Uint32Var(&v.seed, "seed", 0, "seed of the samples")
	f.Float64Var(&v.truncation, "truncation", 0.5, "truncation of the samples, 0 to 1")
	f.StringSliceVar(&v.keep, "keep", []string{"blocks"}, "nodes to record as well, between commas; or all, none, or blocks and attention (blocks)")
	return cmd
}

// runPeer prepares what a peer reads, runs it, and writes the recording.
func (a *app) runPeer(ctx context.Context, p peers.Peer, python string, v peerFlags) error {
	folder, err := os.MkdirTemp("", "biggan-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	s, err := a.subject(ctx, p, v.model)
	if err != nil {
		return err
	}
	defer s.close()
	in, err := s.inputs(v)
	if err != nil {
		return err
	}
	a.warnStats(s.model, in.Truncation)
	keep, err := peerNodes(s.model.Graph, v.keep)
	if err != nil {
		return err
	}
	interpreter, err := peers.FindPython(python)
	if err != nil {
		return err
	}
	job := peers.Job{
		Input: filepath.Join(folder, "in.safetensors"), Output: filepath.Join(folder, "out.safetensors"),
		Keep: keep, Sums: sums(s.model.Graph), Truncation: in.Truncation, Threads: a.threads,
	}
	if job.Model, err = s.prepare(ctx, folder, keep); err != nil {
		return err
	}
	if err := writeTensors(job.Input, false, recording(s.model.Graph, in, nil)); err != nil {
		return err
	}
	a.tell("running %s in %s", p.Title, interpreter)
	if err := p.Run(ctx, interpreter, folder, job); err != nil {
		return err
	}
	if err := a.writePeer(p, s.model, in, job.Output, v.out); err != nil {
		return err
	}
	if v.out != "-" {
		a.tell("compare with: %s", s.verify(p, in.Truncation, v))
	}
	return nil
}

// verify is the command that compares a model with what a peer recorded.
func (s subject) verify(p peers.Peer, truncation float64, v peerFlags) string {
	command := fmt.Sprintf("biggan verify -m %s --against %s", v.model, v.out)
	grid := s.model.Graph.Grid
	switch {
	case p.Name == "tfhub":
		return fmt.Sprintf("biggan convert %s -o model.safetensors && biggan verify -m model.safetensors --against %s", v.model, v.out)
	case p.Name == "hf" && backend.Blend(grid, truncation, backend.StatsHF) != backend.Blend(grid, truncation, backend.StatsLinear):
		return command + " --stats hf"
	}
	return command
}

// writePeer checks what a peer wrote and makes a recording of it.
func (a *app) writePeer(p peers.Peer, m *biggan.Model, in backend.Inputs, from, to string) error {
	f, err := weights.Open(from)
	if err != nil {
		return fmt.Errorf("%s wrote no recording: %v", p.Name, err)
	}
	defer f.Close()
	results := map[string]backend.Tensor{}
	for _, name := range f.Names() {
		n, ok := m.Graph.Node(name)
		info, _ := f.Info(name)
		if !ok || !slices.Equal(info.Shape, append([]int{in.Batch}, n.Shape...)) {
			return fmt.Errorf("%s computes %s as %v, which is no node of %s of this shape", p.Name, name, info.Shape, m.Name)
		}
		data := make([]float32, info.Elements())
		if err := f.Float32s(data, name); err != nil {
			return err
		}
		results[name] = backend.Tensor{Shape: info.Shape, Data: data}
	}
	if out := m.Graph.Outputs[0].Name; results[out].Data == nil {
		return fmt.Errorf("%s wrote no %s", p.Name, out)
	}
	tensors := recording(m.Graph, in, results)
	doc := peerRunJSON{Peer: p.Name, Versions: f.Metadata()}
	for _, t := range tensors {
		doc.Tensors = append(doc.Tensors, t.name)
	}
	metadata := map[string]string{"biggan.peer": p.Name}
	for module, version := range doc.Versions {
		metadata["biggan.peer."+module] = version
	}
	err = a.output(to, func(path string, overwrite bool) error {
		return writeTensorsWith(path, overwrite, tensors, metadata)
	})
	if err != nil {
		return err
	}
	if doc.wroteJSON, err = wrote(to); err != nil || to == "-" {
		return err
	}
	return a.print(doc, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, doc.Path)
		return err
	})
}

// subject is what a peer runs.
type subject struct {
	model   *biggan.Model                                                           // of a module, its graph alone
	prepare func(ctx context.Context, folder string, keep []string) (string, error) // makes what the peer reads
	close   func() error
}

// subject opens a model, or of tfhub a module.
func (a *app) subject(ctx context.Context, p peers.Peer, path string) (subject, error) {
	if p.Name == "tfhub" {
		return moduleSubject(path)
	}
	m, err := a.open(ctx, path)
	if err != nil {
		return subject{}, err
	}
	s := subject{model: m, close: m.Close}
	s.prepare = func(ctx context.Context, folder string, keep []string) (string, error) {
		path := filepath.Join(folder, "model.onnx")
		return path, exportONNX(ctx, m, path, false, onnxgraph.Options{Keep: keep})
	}
	if p.Name == "hf" {
		s.prepare = func(ctx context.Context, folder string, _ []string) (string, error) {
			path := filepath.Join(folder, "model")
			_, err := convert.ExportHF(ctx, m.Weights(), path, false)
			return path, err
		}
	}
	return s, nil
}

// moduleSubject reads what network a TF Hub module holds.
func moduleSubject(path string) (subject, error) {
	if path == embedded {
		return subject{}, usage("tfhub runs a module: give -m its folder or .tar.gz")
	}
	module, err := tfhub.Open(path)
	if err != nil {
		return subject{}, err
	}
	defer module.Close()
	_, g, err := convert.InspectModule(module)
	if err != nil {
		return subject{}, err
	}
	y, _ := g.Input("y")
	return subject{
		model: &biggan.Model{Name: path, Graph: g, Labels: labels.For(nil, y.Elements())},
		prepare: func(context.Context, string, []string) (string, error) {
			return filepath.Abs(path)
		},
		close: func() error { return nil },
	}, nil
}

// inputs reads or draws what the network is told.
func (s subject) inputs(v peerFlags) (backend.Inputs, error) {
	if v.input != "" {
		return readInputs(s.model, v.input)
	}
	if s.model.ZDim() == 0 {
		if len(v.classes) > 0 {
			return backend.Inputs{}, usage("-c: %s is a discriminator: --input gives it x and y", s.model.Name)
		}
		return drawInputs(s.model, verifyFlags{n: max(v.n, 1), seed: v.seed, truncation: v.truncation})
	}
	return s.model.Inputs(biggan.Request{Classes: v.classes, N: v.n, Seed: v.seed, Truncation: v.truncation})
}

// peerNodes are the nodes that --keep names.
func peerNodes(g *graph.Graph, keep []string) ([]string, error) {
	switch {
	case slices.Equal(keep, []string{"none"}):
		return []string{}, nil
	case !slices.Equal(keep, []string{"blocks"}):
		return keepNames(g, keep)
	}
	return sums(g), nil
}

// sums are the nodes that add two maps: the outputs of blocks and of attention.
func sums(g *graph.Graph) []string {
	names := []string{}
	for _, n := range g.Nodes {
		if (n.Op == graph.Add || n.Op == graph.AddScaled) && len(n.Shape) == 3 {
			names = append(names, n.Name)
		}
	}
	return names
}
