package cpu

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// small is a BigGAN-deep of 32x32 pixels with weights.
func small(t *testing.T) (*graph.Graph, weights.Memory) {
	t.Helper()
	g, err := deep.Generator("small", deep.Config{
		OutputDim: 32, ZDim: 8, ClassEmbedDim: 8, ChannelWidth: 16, NumClasses: 4, Eps: 1e-4, NStats: 3, AttentionLayerPosition: 2,
		Layers: []deep.Layer{{In: 8, Out: 8}, {Up: true, In: 8, Out: 4}, {Up: true, In: 4, Out: 4}, {Up: true, In: 4, Out: 2}, {In: 2, Out: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := weights.Memory{}
	for i, p := range g.Params() {
		values := noise(p.Elements(), uint64(i))
		if p.Role == graph.Var || p.Role == graph.Sigma {
			for i := range values {
				values[i] += 1.5
			}
		}
		w[p.Name] = weights.Tensor{Shape: p.Shape, Data: values}
	}
	return g, w
}

// TestTune: every shape once, with all layers that have it, methods as Compile knows them.
func TestTune(t *testing.T) {
	g, w := small(t)
	steps := 0
	all, err := Tune(t.Context(), g, w, backend.Options{Threads: 2}, 1, func(done, total int64) {
		if steps++; done >= total {
			t.Errorf("%d of %d done", done, total)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	methods, layers := map[string]string{}, 0
	for _, tuned := range all {
		layers += tuned.Layers
		methods[tuned.Shape] = tuned.Best
		for _, trial := range tuned.Trials {
			if trial.Time <= 0 || trial.Bytes <= 0 {
				t.Errorf("%s: %+v", tuned.Shape, trial)
			}
		}
	}
	if layers != steps || layers != 10 || len(all) >= layers {
		t.Errorf("%d shapes of %d layers, %d steps of progress, want 10 layers", len(all), layers, steps)
	}
	told := ""
	p, err := Compile(g, w, backend.Options{Methods: methods, Note: func(text string) { told += text }})
	if err != nil || told != "" {
		t.Errorf("%v, notes %q", err, told)
	}
	if again, err := Compile(g, w, backend.Options{Methods: p.(*program).Methods()}); err != nil || !maps.Equal(again.(*program).Methods(), p.(*program).Methods()) {
		t.Errorf("%v, %v", again.(*program).Methods(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Tune(ctx, g, w, backend.Options{}, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestTunedBest: memory has a price, and what is within the margin changes nothing.
func TestTunedBest(t *testing.T) {
	const price = 7e-9 // a megabyte is worth 7 ms
	ms := func(n float64) time.Duration { return time.Duration(n * 1e6) }
	for _, c := range []struct {
		trials []Trial
		want   string
	}{
		{[]Trial{{"model", ms(100), 1e6}}, "model"},
		{[]Trial{{"model", ms(100), 1e6}, {"fast", ms(90), 1e6}}, "fast"},
		{[]Trial{{"fast", ms(90), 1e6}, {"model", ms(100), 1e6}, {"faster", ms(80), 1e6}}, "faster"},
		{[]Trial{{"model", ms(100), 1e6}, {"noise", ms(98), 1e6}}, "model"},
		{[]Trial{{"model", ms(100), 1e6}, {"large", ms(90), 3e6}}, "model"},
		{[]Trial{{"model", ms(100), 9e6}, {"slow and small", ms(110), 1e6}}, "model"},
	} {
		if got := (Tuned{Model: "model", Trials: c.trials}).best(price); got != c.want {
			t.Errorf("%v: %s, want %s", c.trials, got, c.want)
		}
	}
}

// TestUnknownMethods: what does not exist is noted once a shape and computed as without.
func TestUnknownMethods(t *testing.T) {
	g, w := small(t)
	choices, _, err := choicesOf(g, w, backend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	shape := choices[len(choices)-1].shape
	var notes []string
	o := backend.Options{
		Methods: map[string]string{shape: "F(9,9)" + strings.Repeat("9", 999), "conv 3x3 7 to 7 of 1x1": "F(2,3)"},
		Note:    func(text string) { notes = append(notes, text) },
	}
	p, err := Compile(g, w, o)
	if err != nil || len(p.(*program).Methods()) > 0 {
		t.Errorf("%v, %v", p.(*program).Methods(), err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], shape) || !strings.Contains(notes[0], "F(9,9)") || len(notes[0]) > 200 {
		t.Errorf("notes %q", notes)
	}
}

// TestRefusedMethods: a table that takes more memory than there is for it is passed over, with a note.
func TestRefusedMethods(t *testing.T) {
	g, w := small(t)
	set, err := Kernels()
	if err != nil {
		t.Fatal(err)
	}
	large := policy{take: func(_ string, m method) bool {
		return strings.HasPrefix(m.String(), "F(4,3)") || strings.HasPrefix(m.String(), "F(5,2)")
	}}
	for _, c := range []struct {
		spare int64
		taken bool
	}{{spareBytes, true}, {-1 << 40, false}} {
		l, err := lowerWithin(c.spare, g, w, set, nil, large)
		if err != nil {
			t.Fatal(err)
		}
		told := ""
		l.noteMethods(backend.Options{Note: func(text string) { told += text }})
		if taken := len(l.departures()) > 0; taken != c.taken || strings.Contains(told, "computed without") == c.taken {
			t.Errorf("%d bytes to spare: %d departures, told %q", c.spare, len(l.departures()), told)
		}
	}
}

// TestTraffic: a trial reads as much between two runs as the network does.
func TestTraffic(t *testing.T) {
	g, w := small(t)
	_, traffic, err := choicesOf(g, w, backend.Options{})
	if most := int64(64 << 20); err != nil || traffic < 1<<16 || traffic > most {
		t.Errorf("%d bytes, %v", traffic, err)
	}
	if trials := newTrials(backend.Options{}, 1, 1<<40); len(trials.traffic) != mostTraffic/4 {
		t.Errorf("%d values are read between trials", len(trials.traffic))
	}
}
