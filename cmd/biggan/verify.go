package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/sample"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/weights"
)

type verifyJSON struct {
	Model   string `json:"model"`
	Backend string `json:"backend"`
	*verify.Report
}

// verifyFlags are the flags of verify.
type verifyFlags struct {
	model, against, stats string
	tolerance, truncation float64
	seed                  uint32
	n                     int
}

func newVerify(a *app) *cobra.Command {
	var v verifyFlags
	cmd := &cobra.Command{
		Use:   "verify -m MODEL --against reference|cpu|gpu|RECORDING.safetensors",
		Short: "Prove that two implementations agree, node by node",
		Long: `Prove that two implementations agree, node by node: a model on --backend against another
backend, or against a recording of another program. Differences are absolute up to magnitude
1 and relative to the largest value of the node beyond. Exit code 5 if any leaves the tolerance.`,
		Example: `  biggan verify --against reference
  biggan verify -m deep.safetensors --against recording.safetensors --stats hf`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if v.against == "" {
				return usage("verify needs --against reference, cpu, gpu or a recording")
			}
			if cmd.Flags().Changed("tolerance") && !(v.tolerance >= 0) {
				return usage("--tolerance %v: want a number from 0", v.tolerance)
			}
			if !cmd.Flags().Changed("tolerance") {
				v.tolerance = defaultTolerance(a.backend)
			}
			if v.n < 1 {
				return usage("-n %d: want at least 1", v.n)
			}
			return a.verify(cmd.Context(), v)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&v.model, "model", "m", embedded, "model: a name or a file")
	f.StringVar(&v.against, "against", "", "backend, or recording (.safetensors with z, y, truncation, image and nodes)")
	f.Float64Var(&v.tolerance, "tolerance", 0, "largest difference allowed (default 1e-5 for reference, 3e-5 otherwise)")
	f.IntVarP(&v.n, "number", "n", 2, "samples to compare backends on")
	f.Uint32Var(&v.seed, "seed", 0, "seed of the samples")
	f.Float64Var(&v.truncation, "truncation", 0.5, "truncation of the samples")
	statsFlag(f, &v.stats)
	return cmd
}

// defaultTolerance is the bar of the project for a backend.
func defaultTolerance(name string) float64 {
	if name == "reference" {
		return 1e-5
	}
	return 3e-5
}

func (a *app) verify(ctx context.Context, v verifyFlags) error {
	mode, err := parseStats(v.stats)
	if err != nil {
		return err
	}
	m, err := a.open(ctx, v.model)
	if err != nil {
		return err
	}
	defer m.Close()
	var used string
	on := func(name string, used *string) func(keep []string) (backend.Program, error) {
		return func(keep []string) (p backend.Program, err error) {
			o := a.options()
			o.Keep = keep
			p, *used, err = m.Compile(name, o)
			return p, err
		}
	}
	var report *verify.Report
	if _, unknown := registry.FindBackend(v.against); unknown == nil {
		var in backend.Inputs
		if in, err = drawInputs(m, v); err != nil {
			return err
		}
		in.Stats = mode
		a.warnStats(m, in.Truncation)
		report, err = verify.Programs(ctx, m.Graph, on(a.backend, &used), on(v.against, new(string)), in, v.against, v.tolerance)
	} else {
		report, err = a.againstRecording(ctx, m, on(a.backend, &used), v, mode)
	}
	if err != nil {
		return err
	}
	doc := verifyJSON{v.model, used, report}
	if err := a.print(doc, doc.text); err != nil {
		return err
	}
	if !report.OK {
		return fmt.Errorf("%w: %s is the first node that leaves the tolerance", errParity, report.First)
	}
	return nil
}

// drawInputs makes the samples on which backends are compared.
func drawInputs(m *biggan.Model, v verifyFlags) (backend.Inputs, error) {
	if !(v.truncation >= 0 && v.truncation <= 1) {
		return backend.Inputs{}, usage("--truncation %v: want 0 to 1", v.truncation)
	}
	n := m.Labels.Len()
	if x, ok := m.Graph.Input("x"); ok { // a discriminator: noise for pictures
		return backend.Inputs{
			Batch: v.n, Truncation: 1,
			Tensors: map[string][]float32{
				"x": sample.Noise(v.seed, v.n, x.Elements(), 0.5), "y": labels.OneHot(sample.Classes(v.seed, v.n, n), n),
			},
		}, nil
	}
	return backend.Inputs{
		Batch: v.n, Truncation: v.truncation,
		Tensors: map[string][]float32{
			"z": sample.Noise(v.seed, v.n, m.ZDim(), v.truncation), "y": labels.OneHot(sample.Classes(v.seed, v.n, n), n),
		},
	}, nil
}

func (a *app) againstRecording(ctx context.Context, m *biggan.Model, compile func([]string) (backend.Program, error), v verifyFlags, mode backend.StatsMode) (*verify.Report, error) {
	f, err := weights.Open(v.against)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if in, err := verify.ReadInputs(f, m.Graph); err == nil {
		a.warnStats(m, in.Truncation)
	}
	return verify.Recording(ctx, m.Graph, m.Weights(), compile, f, v.against, verify.Options{Tolerance: v.tolerance, Stats: mode})
}

func (v verifyJSON) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSHAPE\tMAX\tMEAN\tTOLERANCE\t")
	for _, d := range append(v.Nodes, v.Sigma...) {
		verdict := "ok"
		if !d.OK {
			verdict = "DIFFERS"
		}
		fmt.Fprintf(t, "%s\t%v\t%.2e\t%.2e\t%.2e\t%s\n", d.Name, d.Shape, d.Max, d.Mean, d.Tolerance, verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range v.Skipped {
		fmt.Fprintf(w, "skipped %s: %s\n", s.Name, s.Reason)
	}
	verdict := "agrees with"
	if !v.OK {
		verdict = "differs from"
	}
	_, err := fmt.Fprintf(w, "%s on %s %s %s: %d nodes, %d spectral norms, tolerance %g\n", v.Model, v.Backend, verdict, v.Against, len(v.Nodes), len(v.Sigma), v.Report.Tolerance)
	return err
}
