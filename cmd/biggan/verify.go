package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/sample"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/verify/explain"
	"github.com/biggan-zoo/biggan/verify/page"
	"github.com/biggan-zoo/biggan/weights"
)

type verifyJSON struct {
	Model   string `json:"model"`
	Backend string `json:"backend"`
	*verify.Report
	Page string `json:"report,omitempty"` // path of the page written
}

// verifyFlags are the flags of verify.
type verifyFlags struct {
	model, against, againstModel, stats, report string
	tolerance, truncation                       float64
	seed                                        uint32
	n                                           int
	explain, files                              bool
}

func newVerify(a *app) *cobra.Command {
	var v verifyFlags
	cmd := &cobra.Command{
		Use:   "verify -m MODEL --against reference|cpu|gpu|RECORDING.safetensors",
		Short: "Prove that two implementations agree, node by node",
		Long: `Prove that two implementations agree, node by node: a model on --backend against another
backend, against a recording of another program, or against another model. Differences are
absolute up to magnitude 1 and relative to the largest value of the node beyond. Exit code 5
if any leaves the tolerance.

Where the sides differ, the known differences between implementations are tried, alone and
together: what is named as the cause has been recomputed the other way, and the report says
what remained. It is still exit code 5.

--files is something else: it reads the pulled models again and compares their digests with
those that they were stored with; of one model with -m. Exit code 4 if a file differs.`,
		Example: `  biggan verify --against reference
  biggan verify -m deep.safetensors --against recording.safetensors --stats hf
  biggan verify --files
  biggan verify -m from-hf.safetensors --against-model from-tfhub.safetensors --report parity.html`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if v.files {
				return a.verifyStore(cmd, v)
			}
			if !cmd.Flags().Changed("tolerance") {
				v.tolerance = defaultTolerance(a.backend)
			}
			if err := a.checkVerify(v); err != nil {
				return err
			}
			if v.recording() {
				for _, other := range []string{"number", "seed", "truncation"} {
					if cmd.Flags().Changed(other) {
						return usage("--against %s: a recording holds what --%s would say", v.against, other)
					}
				}
			}
			return a.verify(cmd.Context(), v)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&v.model, "model", "m", embedded, "model: a name or a file")
	f.StringVar(&v.against, "against", "", "backend, or recording (.safetensors with z, y, truncation, image and nodes)")
	f.StringVar(&v.againstModel, "against-model", "", "another model: a name or a file")
	f.Float64Var(&v.tolerance, "tolerance", 0, "largest difference allowed (default 1e-5 on --backend reference, 3e-5 on others)")
	f.IntVarP(&v.n, "number", "n", 2, "samples to compare backends or models on")
	f.Uint32Var(&v.seed, "seed", 0, "seed of the samples")
	f.Float64Var(&v.truncation, "truncation", 0.5, "truncation of the samples")
	f.BoolVar(&v.explain, "explain", true, "try known causes of a difference")
	f.StringVar(&v.report, "report", "", "write a page (.html) with pictures, their difference and the error by depth")
	f.BoolVar(&v.files, "files", false, "hash the files of the store again")
	statsFlag(f, &v.stats)
	return cmd
}

// recording reports whether --against names a file, not a backend.
func (v verifyFlags) recording() bool {
	_, unknown := registry.FindBackend(v.against)
	return v.against != "" && unknown != nil
}

// verifyStore is verify --files.
func (a *app) verifyStore(cmd *cobra.Command, v verifyFlags) error {
	if v.against != "" || v.againstModel != "" || v.report != "" {
		return usage("--files compares digests: it goes without --against, --against-model and --report")
	}
	var models []string
	if cmd.Flags().Changed("model") {
		models = []string{v.model}
	}
	return a.verifyFiles(cmd.Context(), models)
}

// defaultTolerance is the bar of the project for a backend.
func defaultTolerance(name string) float64 {
	if name == "reference" {
		return 1e-5
	}
	return 3e-5
}

// maxSamples bounds what is compared at once: every node of all samples is in memory.
const maxSamples = 1024

// checkVerify finds out early what would fail late.
func (a *app) checkVerify(v verifyFlags) error {
	switch {
	case v.against == "" && v.againstModel == "":
		return usage("verify needs --against reference, cpu, gpu or a recording, or --against-model")
	case v.against != "" && v.againstModel != "":
		return usage("--against %s and --against-model %s: want one of them", v.against, v.againstModel)
	case !(v.tolerance >= 0) || math.IsInf(v.tolerance, 0):
		return usage("--tolerance %v: want a number from 0", v.tolerance)
	case v.n < 1 || v.n > maxSamples:
		return usage("-n %d: want 1 to %d", v.n, maxSamples)
	case v.report == "-":
		return usage("--report -: want the name of a file")
	case v.report != "":
		return atomicfile.Check(v.report, a.force)
	}
	return nil
}

func (a *app) verify(ctx context.Context, v verifyFlags) error {
	m, err := a.open(ctx, v.model)
	if err != nil {
		return err
	}
	defer m.Close()
	doc := verifyJSON{Model: v.model, Page: v.report}
	if doc.Report, err = a.compare(ctx, m, v, &doc.Backend); err != nil {
		return err
	}
	if v.report != "" {
		about := page.About{Model: v.model, Source: m.Meta.SourceFormat, Architecture: m.Meta.Architecture, Backend: doc.Backend, Program: "biggan " + version()}
		html, err := page.Render(about, doc.Report)
		if err != nil {
			return err
		}
		if err := atomicfile.Write(v.report, html, a.force); err != nil {
			return err
		}
	}
	if err := a.print(doc, doc.text); err != nil {
		return err
	}
	if doc.OK {
		return nil
	}
	why := ""
	if len(doc.Explanations) > 0 && doc.Explanations[0].Closes {
		why = "; explained by " + doc.Explanations[0].Title()
	}
	return fmt.Errorf("%w: %s is the first node that leaves the tolerance%s", errParity, doc.First, why)
}

// compare does what the flags ask for.
func (a *app) compare(ctx context.Context, m *biggan.Model, v verifyFlags, used *string) (*verify.Report, error) {
	mode, err := parseStats(v.stats)
	if err != nil {
		return nil, err
	}
	comparing, trying := a.newProgress("comparing", false), a.newProgress("trying known causes", false)
	defer comparing.finish()
	defer trying.finish()
	o := explain.Options{
		Tolerance: v.tolerance, Stats: mode, Causes: v.explain, Quick: a.quick(m.Graph),
		Comparing: func(done, total int) { comparing.update(int64(done), int64(total)) },
		Trying:    func(done, total int) { trying.update(int64(done), int64(total)) },
	}
	here := a.side(m, a.compiler(a.backend, a.precision, used))
	if v.againstModel != "" {
		return a.againstModel(ctx, here, m, v, o)
	}
	if !v.recording() {
		in, err := drawInputs(m, v)
		if err != nil {
			return nil, err
		}
		a.warnStats(m, in.Truncation)
		var plain verify.Compile
		precision := a.precision
		if precision != string(backend.F32) {
			plain = a.compiler(a.backend, string(backend.F32), new(string))
		}
		if v.against == "reference" { // the oracle knows no other
			precision = string(backend.F32)
		}
		return explain.Backends(ctx, here, a.compiler(v.against, precision, new(string)), v.against, in, plain, o)
	}
	f, err := openRecording(v.against)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if in, err := verify.ReadInputs(f, m.Graph); err == nil {
		a.warnStats(m, in.Truncation)
	}
	return explain.Recording(ctx, here, f, v.against, o)
}

// openRecording opens a recording, and refuses a model.
func openRecording(path string) (*weights.File, error) {
	f, err := weights.Open(path)
	if err != nil {
		if near := registry.Nearest(path, backendNames()); near != "" && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("--against: %w; did you mean the backend %q?", err, near)
		}
		return nil, err
	}
	if _, none := weights.ParseMeta(f.Metadata()); none == nil {
		f.Close()
		return nil, usage("--against %s: a model, not a recording: --against-model compares with it", path)
	}
	return f, nil
}

func (a *app) againstModel(ctx context.Context, here explain.Model, m *biggan.Model, v verifyFlags, o explain.Options) (*verify.Report, error) {
	other, err := a.open(ctx, v.againstModel)
	if err != nil {
		return nil, err
	}
	defer other.Close()
	in, err := drawInputs(m, v)
	if err != nil {
		return nil, err
	}
	for _, each := range []*biggan.Model{m, other} {
		a.warnStats(each, in.Truncation)
	}
	return explain.Models(ctx, here, a.side(other, a.compiler(a.backend, a.precision, new(string))), in, o)
}

// side is a model as explain takes it.
func (a *app) side(m *biggan.Model, compile verify.Compile) explain.Model {
	return explain.Model{Name: m.Name, Meta: m.Meta, Graph: m.Graph, File: m.Weights(), Compile: compile}
}

// compiler compiles on a backend and says on which.
func (a *app) compiler(name, precision string, used *string) verify.Compile {
	return func(g *graph.Graph, w weights.Source, keep []string) (backend.Program, error) {
		o := a.options()
		o.Keep, o.Precision = keep, backend.Precision(precision)
		o = a.tuned(o)
		p, on, err := registry.Compile(name, g, w, o)
		*used = on
		return p, err
	}
}

// slowFLOPs is from where the float64 reference takes seconds for a picture.
const slowFLOPs = 1 << 30

// quick compiles for trials where the reference would take long.
func (a *app) quick(g *graph.Graph) verify.Compile {
	var flops int64
	for _, n := range g.Nodes {
		flops += n.FLOPs()
	}
	if a.backend != "reference" || flops < slowFLOPs {
		return nil
	}
	return a.compiler("cpu", string(backend.F32), new(string))
}

// drawInputs makes the samples on which backends and models are compared.
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

func (v verifyJSON) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSHAPE\tMAX\tMEAN\tRELATIVE\tTOLERANCE\t")
	for _, d := range append(v.Nodes, v.Sigma...) {
		verdict := "ok"
		if !d.OK {
			verdict = "DIFFERS"
		}
		if d.Note != "" {
			verdict += " (" + d.Note + ")"
		}
		fmt.Fprintf(t, "%s\t%v\t%.2e\t%.2e\t%.2e\t%.2e\t%s\n", d.Name, d.Shape, d.Max, d.Mean, d.Relative, d.Tolerance, verdict)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range v.Skipped {
		fmt.Fprintf(w, "skipped %s: %s\n", s.Name, s.Reason)
	}
	v.explained(w)
	verdict := "agrees with"
	if !v.OK {
		verdict = "differs from"
	}
	_, err := fmt.Fprintf(w, "%s on %s %s %s: %d nodes, %d spectral norms, tolerance %g\n", v.Model, v.Backend, verdict, v.Against, len(v.Nodes), len(v.Sigma), v.Report.Tolerance)
	return err
}

// explained tells the causes of a failure.
func (v verifyJSON) explained(w io.Writer) {
	for _, e := range v.Explanations {
		fmt.Fprintf(w, "%s: %s\n", e.Verdict(), e.Title())
		for _, c := range e.Causes {
			fmt.Fprintf(w, "  %s\n", c.Text)
			if len(e.Causes) > 1 {
				fmt.Fprintf(w, "    alone: %s %.2e becomes %.2e\n", e.Node, e.Before, c.Alone)
			}
		}
		if e.Tried {
			fmt.Fprintf(w, "  %s\n", e.Outcome())
		}
	}
	if len(v.Explanations) == 0 && len(v.Tried) > 0 {
		fmt.Fprintf(w, "not explained: tried %s\n", strings.Join(v.Tried, ", "))
	}
}
