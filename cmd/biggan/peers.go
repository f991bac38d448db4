package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/onnxgraph"
	"github.com/biggan-zoo/biggan/convert/tfhub"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/peers"
	"github.com/biggan-zoo/biggan/weights"
)

type peersJSON struct {
	PythonPath string     `json:"python_path,omitempty"`
	Python     string     `json:"python,omitempty"` // version
	Peers      []peerJSON `json:"peers"`
}

type peerJSON struct {
	Name      string            `json:"name"`
	Title     string            `json:"title"`
	Available bool              `json:"available"`
	Modules   map[string]string `json:"modules,omitempty"` // versions of those that are installed
	Reason    string            `json:"reason,omitempty"`  // why not
}

type peerRunJSON struct {
	wroteJSON
	Peer     string            `json:"peer"`
	Versions map[string]string `json:"versions"`
	Tensors  []string          `json:"tensors"`
}

func newPeers(a *app) *cobra.Command {
	var python string
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "List other implementations that can run here",
		Long: `List other implementations of the networks, and whether they can run here, in your own
Python: --python, else $BIGGAN_PYTHON, else python3.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc, err := probePeers(cmd.Context(), python)
			if err != nil {
				return err
			}
			return a.print(doc, doc.text)
		},
	}
	cmd.PersistentFlags().StringVar(&python, "python", os.Getenv("BIGGAN_PYTHON"), "Python that has the packages")
	cmd.PersistentFlags().Lookup("python").DefValue = "" // the same page everywhere
	cmd.AddCommand(newPeersRun(a, &python))
	return cmd
}

func probePeers(ctx context.Context, python string) (peersJSON, error) {
	var doc peersJSON
	path, err := peers.FindPython(python)
	if err != nil {
		for _, p := range peers.All {
			doc.Peers = append(doc.Peers, peerJSON{Name: p.Name, Title: p.Title, Reason: err.Error()})
		}
		return doc, nil
	}
	state, err := peers.Probe(ctx, path)
	if err != nil {
		return doc, err
	}
	doc.PythonPath, doc.Python = path, state.Python
	for _, p := range peers.All {
		row := peerJSON{Name: p.Name, Title: p.Title, Modules: map[string]string{}}
		for _, m := range p.Modules {
			if v := state.Modules[m]; v != nil {
				row.Modules[m] = *v
			}
		}
		missing := state.Missing(p)
		if row.Available = len(missing) == 0; !row.Available {
			row.Reason = "lacks " + strings.Join(missing, ", ") + ": " + p.Install(path)
		}
		doc.Peers = append(doc.Peers, row)
	}
	return doc, nil
}

func (p peersJSON) text(w io.Writer) error {
	if p.Python != "" {
		fmt.Fprintf(w, "Python %s, %s\n\n", p.Python, p.PythonPath)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PEER\tWHAT\tSTATE")
	for _, row := range p.Peers {
		state := row.Reason
		if row.Available {
			var versions []string
			for _, m := range slices.Sorted(maps.Keys(row.Modules)) {
				versions = append(versions, m+" "+row.Modules[m])
			}
			state = strings.Join(versions, ", ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", row.Name, row.Title, state)
	}
	return t.Flush()
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
truncation, image, and the nodes that it has under the same name. ` + "`biggan verify --against`" + `
compares with such a recording.

hf: pytorch_pretrained_biggan, on the model's export. Between rows of the statistics it
interpolates the wrong way round: verify with --stats hf.
tfhub: tensorflow and tensorflow_hub; MODEL is a module, its folder or .tar.gz. Convert the
same module to have a model to verify. It records no nodes.
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
			if err := a.checkStdout(v.out); err != nil {
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
	if v.out != "-" && !a.force {
		if err := atomicfile.CheckAbsent(v.out); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Dir(v.out)); err != nil {
		return err
	}
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
		Keep: keep, Truncation: in.Truncation, Threads: a.threads,
	}
	if job.Model, err = s.prepare(ctx, folder, keep); err != nil {
		return err
	}
	if err := writeTensors(job.Input, false, recording(s.model.Graph, in, nil)); err != nil {
		return err
	}
	if err := p.Run(ctx, interpreter, folder, job); err != nil {
		return err
	}
	return a.writePeer(p, s.model, in, job.Output, v.out)
}

// writePeer checks what a peer wrote and makes a recording of it.
func (a *app) writePeer(p peers.Peer, m *biggan.Model, in backend.Inputs, from, to string) error {
	f, err := weights.Open(from)
	if err != nil {
		return fmt.Errorf("%s wrote no recording: %w", p.Name, err)
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
	names := []string{}
	for _, n := range g.Nodes {
		if (n.Op == graph.Add || n.Op == graph.AddScaled) && len(n.Shape) == 3 {
			names = append(names, n.Name)
		}
	}
	return names, nil
}
