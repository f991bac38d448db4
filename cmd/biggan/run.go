package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/weights"
)

// open opens the model of a command.
func (a *app) open(ctx context.Context, name string) (*biggan.Model, error) {
	if _, err := registry.FindModel(name); err != nil || name == embedded {
		return biggan.Open(ctx, name)
	}
	folder, err := a.storeFolder()
	if err != nil {
		return nil, err
	}
	return biggan.Open(ctx, name, biggan.WithStore(folder))
}

// warnStats says where a truncation has no statistics of its own.
func (a *app) warnStats(m *biggan.Model, truncation float64) {
	if m.OneTruncation() && truncation != 1 {
		a.warn("%s has no statistics for truncation %v, only one set for all", m.Name, truncation)
	}
}

func statsFlag(f *pflag.FlagSet, to *string) {
	f.StringVar(to, "stats", "linear", "between rows of the statistics: linear, or hf for Hugging Face's reversed interpolation")
}

func newRun(a *app) *cobra.Command {
	var model, input, out, stats string
	var keep []string
	cmd := &cobra.Command{
		Use:   "run -m MODEL --input IN.safetensors -o OUT.safetensors",
		Short: "Run a network on raw tensors",
		Long: `Run a network on raw tensors: reads z [n, zdim], y [n, classes] and truncation [1], writes
them with image [n, 3, h, w] and the nodes to keep, in float32. A discriminator reads x
[n, 3, h, w] and y, and writes logit [n, 1]. What it writes is a recording
that ` + "`biggan verify --against`" + ` takes. ` + "`biggan info MODEL --nodes`" + ` lists the nodes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if input == "" || out == "" {
				return usage("run needs --input IN.safetensors and -o OUT.safetensors")
			}
			if err := a.checkOutput(out); err != nil {
				return err
			}
			mode, err := parseStats(stats)
			if err != nil {
				return err
			}
			m, err := a.open(cmd.Context(), model)
			if err != nil {
				return err
			}
			defer m.Close()
			names, err := keepNames(m.Graph, keep)
			if err != nil {
				return err
			}
			in, err := readInputs(m, input)
			if err != nil {
				return err
			}
			in.Stats = mode
			a.warnStats(m, in.Truncation)
			o := a.tuned(a.options())
			o.Keep = names
			results, err := compute(cmd.Context(), a, m, o, in)
			if err != nil {
				return err
			}
			tensors := recording(m.Graph, in, results)
			if err := a.output(out, func(path string, overwrite bool) error { return writeTensors(path, overwrite, tensors) }); err != nil {
				return err
			}
			return a.printWrote(out)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&model, "model", "m", embedded, "model: a name or a file")
	f.StringVar(&input, "input", "", "safetensors file with z, y and truncation")
	f.StringVarP(&out, "output", "o", "", "safetensors file to write; - is stdout")
	f.StringSliceVar(&keep, "keep", nil, "nodes to write as well, between commas, or all")
	statsFlag(f, &stats)
	return cmd
}

// keepNames checks names of nodes; "all" is every node but the inputs.
func keepNames(g *graph.Graph, keep []string) ([]string, error) {
	var all []string
	for _, n := range g.Nodes {
		if n.Op != graph.Input {
			all = append(all, n.Name)
		}
	}
	if slices.Equal(keep, []string{"all"}) {
		return all, nil
	}
	for _, name := range keep {
		if slices.Contains(all, name) {
			continue
		}
		hint := "`biggan info MODEL --nodes` lists them"
		if near := registry.Nearest(name, all); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return nil, usage("--keep: no node %q; %s", name, hint)
	}
	return keep, nil
}

// readInputs reads z, y and truncation from a file.
func readInputs(m *biggan.Model, path string) (backend.Inputs, error) {
	f, err := weights.Open(path)
	if err != nil {
		return backend.Inputs{}, err
	}
	defer f.Close()
	in, err := verify.ReadInputs(f, m.Graph)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return in, err
}

func compute(ctx context.Context, a *app, m *biggan.Model, o backend.Options, in backend.Inputs) (map[string]backend.Tensor, error) {
	program, _, err := m.Compile(a.backend, o)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	return program.Run(ctx, in)
}

// recording lists inputs and results as tensors of a file.
func recording(g *graph.Graph, in backend.Inputs, results map[string]backend.Tensor) []namedTensor {
	var tensors []namedTensor
	if _, generator := g.Input("z"); generator {
		tensors = append(tensors, namedTensor{"truncation", []int{1}, []float32{float32(in.Truncation)}})
	}
	for _, name := range slices.Sorted(maps.Keys(in.Tensors)) {
		n, _ := g.Input(name)
		tensors = append(tensors, namedTensor{name, append([]int{in.Batch}, n.Shape...), in.Tensors[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(results)) {
		tensors = append(tensors, namedTensor{name, results[name].Shape, results[name].Data})
	}
	return tensors
}

// printWrote reports a file that was written, unless it went to stdout.
func (a *app) printWrote(path string) error {
	doc, err := wrote(path)
	if err != nil || path == "-" {
		return err
	}
	return a.print(doc, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, doc.Path)
		return err
	})
}
