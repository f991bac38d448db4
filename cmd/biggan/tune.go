package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu"
	"github.com/biggan-zoo/biggan/backend/cpu/tuning"
)

// tables are the tuning tables that a command has read.
type tables map[tuning.Key]map[string]string

// tuned are options with the methods of this machine's table. One that cannot be used is noted.
func (a *app) tuned(o backend.Options) backend.Options {
	key, path, err := tuningFile(o)
	if err != nil {
		return o // the backend says what is wrong with BIGGAN_CPU; without a folder there is no table
	}
	methods, read := a.tables[key]
	if !read {
		if methods, err = tuning.Load(path, key); err != nil {
			a.note(fmt.Sprintf("%v; convolutions are chosen without (`biggan bench --tune` writes a new one)", err))
		}
		if a.tables == nil {
			a.tables = tables{}
		}
		a.tables[key] = methods
	}
	o.Methods = methods
	return o
}

// tuningFile is where the table for options lies.
func tuningFile(o backend.Options) (key tuning.Key, path string, err error) {
	if key, err = cpu.TuningKey(o); err != nil {
		return key, "", err
	}
	path, err = tuning.Path(key)
	return key, path, err
}

// tuneJSON is the document of bench --tune.
type tuneJSON struct {
	Model string `json:"model"`
	tuning.Key
	Path string `json:"path"` // of the table

	MsModel float64         `json:"ms_cost_model"` // an image, by the methods that the cost model chooses; median
	MsTuned float64         `json:"ms_tuned"`      // and by the fastest; median
	Gain    float64         `json:"gain"`          // median of the rounds' ratios; 1 if both choose the same
	Kept    bool            `json:"kept"`          // the table departs from the cost model, for the whole network is faster so
	Layers  []tuneLayerJSON `json:"layers"`
}

type tuneLayerJSON struct {
	Shape  string          `json:"shape"`
	Layers int             `json:"layers"`
	Model  string          `json:"cost_model"` // its choice
	Best   string          `json:"best"`       // of those measured, by time and memory
	Trials []tuneTrialJSON `json:"trials"`
}

type tuneTrialJSON struct {
	Method string  `json:"method"`
	Ms     float64 `json:"ms"`
	MB     float64 `json:"mb"` // packed weights
}

// tuneRounds is how often every method is measured, where --rounds does not say.
const tuneRounds = 7

// tune measures which methods suit a model and this machine, and writes the table.
func (a *app) tune(ctx context.Context, model string, rounds int) (tuneJSON, error) {
	doc := tuneJSON{Model: model, Layers: []tuneLayerJSON{}, Gain: 1}
	if a.backend != "auto" && a.backend != "cpu" {
		return doc, usage("--tune measures for --backend cpu, not %s", a.backend)
	}
	if rounds == 0 {
		rounds = tuneRounds
	}
	o := a.options()
	var err error
	if doc.Key, doc.Path, err = tuningFile(o); err != nil {
		return doc, err
	}
	if err := tuning.Check(doc.Path); err != nil {
		return doc, err
	}
	m, err := a.open(ctx, model)
	if err != nil {
		return doc, err
	}
	defer m.Close()
	p := a.newProgress("measuring", false)
	all, err := cpu.Tune(ctx, m.Graph, m.Weights(), o, rounds, p.update)
	p.finish()
	if err != nil {
		return doc, err
	}
	plain, best := map[string]string{}, map[string]string{}
	for _, t := range all {
		plain[t.Shape], best[t.Shape] = t.Model, t.Best
		doc.Layers = append(doc.Layers, tuneLayer(t))
	}
	if !maps.Equal(plain, best) {
		o.Methods = best
		if err := doc.race(ctx, m, a.options(), o, rounds); err != nil {
			return doc, err
		}
	}
	if !doc.Kept {
		best = plain
	}
	return doc, tuning.Save(doc.Path, doc.Key, best)
}

func tuneLayer(t cpu.Tuned) tuneLayerJSON {
	l := tuneLayerJSON{Shape: t.Shape, Layers: t.Layers, Model: t.Model, Best: t.Best}
	for _, trial := range t.Trials {
		l.Trials = append(l.Trials, tuneTrialJSON{trial.Method, ms(trial.Time), float64(trial.Bytes) / 1e6})
	}
	return l
}

// race runs the whole network both ways, in turn.
func (d *tuneJSON) race(ctx context.Context, m *biggan.Model, plain, tuned backend.Options, rounds int) error {
	var times [2][]time.Duration
	var programs [2]backend.Program
	for i, o := range []backend.Options{plain, tuned} {
		p, _, err := m.Compile("cpu", o)
		if err != nil {
			return err
		}
		defer p.Close()
		programs[i] = p
	}
	in := benchInputs(m, 1)
	var ratios []float64
	for round := range 1 + rounds { // one to warm up
		for i, p := range programs {
			start := time.Now()
			if _, err := p.Run(ctx, in); err != nil {
				return err
			}
			if round > 0 {
				times[i] = append(times[i], time.Since(start))
			}
		}
		if round > 0 {
			ratios = append(ratios, float64(times[0][round-1])/float64(times[1][round-1]))
		}
	}
	d.MsModel, d.MsTuned, d.Gain = ms(median(times[0])), ms(median(times[1])), median(ratios)
	d.Kept = len(programs[1].(backend.Chooser).Methods()) > 0 && d.Gain > 1 && slices.Min(times[1]) < slices.Min(times[0])
	return nil
}

func median[T time.Duration | float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func (d tuneJSON) text(w io.Writer) error {
	fmt.Fprintf(w, "%s on %s (%s), %d threads, %s\n\n", d.Model, d.Processor, d.Kernels, d.Threads, d.Precision)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CONVOLUTION\tLAYERS\tCOST MODEL\tBEST\tMEASURED")
	for _, l := range d.Layers {
		measured := ""
		for _, trial := range l.Trials {
			measured += fmt.Sprintf("%s %.2f ms %.0f MB  ", trial.Method, trial.Ms, trial.MB)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", l.Shape, l.Layers, l.Model, l.Best, measured)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	switch {
	case d.MsModel == 0:
		fmt.Fprintln(w, "\nthe cost model's choice is the best here")
	case d.Kept:
		fmt.Fprintf(w, "\n%.2f ms an image by the cost model's choice, %.2f by the best: %.3f times as fast\n", d.MsModel, d.MsTuned, d.Gain)
	default:
		fmt.Fprintf(w, "\n%.2f ms an image by the cost model's choice, %.2f by the best (%.3f times as fast): the cost model's choice stays\n", d.MsModel, d.MsTuned, d.Gain)
	}
	_, err := fmt.Fprintln(w, d.Path)
	return err
}

// tuningJSON is what env says of the table.
type tuningJSON struct {
	tuning.Key
	Path   string `json:"path"`             // where it lies, or would
	Shapes int    `json:"shapes"`           // of convolutions that it has; 0 = it is not there or cannot be used
	Reason string `json:"reason,omitempty"` // why it cannot be used
}

// tuningState looks for the table of the global flags.
func (a *app) tuningState() tuningJSON {
	var t tuningJSON
	var err error
	if t.Key, t.Path, err = tuningFile(a.options()); err == nil {
		var methods map[string]string
		methods, err = tuning.Load(t.Path, t.Key)
		t.Shapes = len(methods)
	}
	if err != nil {
		t.Reason = err.Error()
	}
	return t
}

func (t tuningJSON) String() string {
	switch {
	case t.Shapes > 0:
		return fmt.Sprintf("%d convolutions by %s", t.Shapes, t.Path)
	case t.Reason != "":
		return "none: " + t.Reason
	}
	return "none (biggan bench --tune writes it)"
}

// checkTune refuses flags that say nothing to --tune.
func checkTune(changed func(flag string) bool) error {
	for _, flag := range []string{"batch", "report"} {
		if changed(flag) {
			return usage("--tune measures convolutions: not with --%s", flag)
		}
	}
	return nil
}
