package cpu

import (
	"context"
	"slices"
	"time"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
	"github.com/biggan-zoo/biggan/backend/cpu/tuning"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// Tuned is a shape of convolutions, and how this machine computes it best.
type Tuned struct {
	Shape  string // as backend.Options.Methods names it
	Layers int    // of the network that have it
	Trials []Trial
	Model  string // the method that the cost model chooses
	Best   string // a faster one that is worth its memory, or the same
}

// Trial is a method that was measured.
type Trial struct {
	Method string
	Time   time.Duration // the fastest of the rounds
	Bytes  int64         // of packed weights
}

// margin is how much better than the cost model's choice a method must be: less is noise, and
// noise shall not change pictures.
const margin = 0.03

// Tune measures how each convolution of a network is computed best with these options, of
// which Methods is of no account: every shape that several methods can compute, by each of them
// in turn, in rounds. 1x1 convolutions and those to a few channels have one method. A method
// whose weights alone are not worth their memory is not tried. progress may be nil.
func Tune(ctx context.Context, g *graph.Graph, w weights.Source, o backend.Options, rounds int, progress func(done, total int64)) ([]Tuned, error) {
	return tune(ctx, g, w, o, progress, func(traffic int64) stopwatch { return newTrials(o, rounds, traffic).measure })
}

// stopwatch measures methods of a choice: the fastest time of each.
type stopwatch func(ctx context.Context, c *choice, methods []method) ([]time.Duration, error)

// tune is Tune with a stopwatch for a network that moves traffic bytes a run.
func tune(ctx context.Context, g *graph.Graph, w weights.Source, o backend.Options, progress func(done, total int64), watch func(traffic int64) stopwatch) ([]Tuned, error) {
	choices, traffic, err := choicesOf(g, w, o)
	if err != nil {
		return nil, err
	}
	measure := watch(traffic)
	var all []Tuned
	var of []*choice
	place := map[string]int{}
	for i, c := range choices {
		if progress != nil {
			progress(int64(i), int64(len(choices)))
		}
		if at, ok := place[c.shape]; ok {
			all[at].Layers++
			continue
		}
		place[c.shape] = len(all)
		methods := c.worthTrying()
		times, err := measure(ctx, c, methods)
		if err != nil {
			return nil, err
		}
		t := Tuned{Shape: c.shape, Layers: 1, Model: c.method().String()}
		for i, m := range methods {
			t.Trials = append(t.Trials, Trial{m.String(), times[i], m.bytes()})
		}
		all, of = append(all, t), append(of, c)
	}
	rate := fastest(of, all)
	for i := range all {
		all[i].Best = all[i].best(of[i].price / rate)
	}
	return all, nil
}

// choicesOf are the choices of a network, and the bytes of weights and maps that it passes over in a run.
func choicesOf(g *graph.Graph, w weights.Source, o backend.Options) (choices []*choice, traffic int64, err error) {
	set, err := Kernels()
	if err != nil {
		return nil, 0, err
	}
	if err := checkPrecision(o.Precision, set); err != nil {
		return nil, 0, err
	}
	o.Methods = nil
	l, err := lowerWithin(spareBytes, g, w, set, nil, policyOf(g, o))
	if err != nil {
		return nil, 0, err
	}
	return l.choices, l.bytes(), nil
}

// worthTrying are the methods whose weights' price alone is not above the cost of the cheapest.
func (c *choice) worthTrying() []method {
	var worth []method
	for _, m := range c.methods {
		if c.price*float64(m.bytes()) < c.costOf(c.methods[c.cost]) {
			worth = append(worth, m)
		}
	}
	return worth
}

// fastest is the most products a second that a trial did: the unit of the price of memory.
func fastest(of []*choice, all []Tuned) float64 {
	rate := 1.0
	for i, t := range all {
		for _, trial := range t.Trials {
			for _, m := range of[i].methods {
				if m.String() == trial.Method && trial.Time > 0 {
					rate = max(rate, float64(m.flops(of[i].in))/2/trial.Time.Seconds())
				}
			}
		}
	}
	return rate
}

// best is the cheapest of the methods that are faster than the cost model's choice, and cheaper
// with the memory of their weights, both by the margin; if there is none, that choice.
// price is in seconds a byte.
func (t Tuned) best(price float64) string {
	cost := func(trial Trial) float64 { return trial.Time.Seconds() + price*float64(trial.Bytes) }
	at := slices.IndexFunc(t.Trials, func(trial Trial) bool { return trial.Method == t.Model })
	model := t.Trials[at]
	best, least := t.Model, (1-margin)*cost(model)
	for _, trial := range t.Trials {
		if c := cost(trial); c < least && trial.Time.Seconds() < (1-margin)*model.Time.Seconds() {
			best, least = trial.Method, c
		}
	}
	return best
}

// TuningKey says what a table of methods is for: this processor with these options. Errors are
// those of Kernels.
func TuningKey(o backend.Options) (tuning.Key, error) {
	set, err := Kernels()
	if err != nil {
		return tuning.Key{}, err
	}
	k := tuning.Key{Kernels: set.Name, Processor: kernel.Processor(), Threads: threadsOf(o), Precision: o.Precision}
	if k.Precision == "" {
		k.Precision = backend.F32
	}
	return k, nil
}
