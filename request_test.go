package biggan_test

import (
	"context"
	"errors"
	"image"
	"reflect"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/sample"
)

func letters(t *testing.T) *biggan.Model {
	t.Helper()
	m, err := biggan.Open(context.Background(), "letters")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func generate(t *testing.T, m *biggan.Model, r biggan.Request) []image.Image {
	t.Helper()
	if r.Truncation == 0 {
		r.Truncation = 0.5
	}
	images, err := m.Generate(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return images
}

func same(a, b []image.Image) bool { return reflect.DeepEqual(a, b) }

// TestMix: a network whose blocks are all told the same draws what the plain one does; parts
// of it draw something else; later mixes win.
func TestMix(t *testing.T) {
	m := letters(t)
	seed := func(n uint32) *uint32 { return &n }
	plain := generate(t, m, biggan.Request{Classes: []string{"B"}, N: 3, Seed: 7})
	base := biggan.Request{Classes: []string{"A"}, N: 3, Seed: 1}
	with := func(mixes ...biggan.Mix) []image.Image {
		r := base
		r.Mix = mixes
		return generate(t, m, r)
	}
	all := biggan.Mix{To: biggan.Last, Seed: seed(7), Class: "B"}
	if !same(with(all), plain) {
		t.Error("all blocks told the same do not draw the plain picture")
	}
	if !same(with(biggan.Mix{To: m.Blocks() - 1, Seed: seed(3), Class: "C"}, all), plain) {
		t.Error("the later mix does not win")
	}
	if !same(with(biggan.Mix{To: biggan.Last, Seed: seed(1)}), generate(t, m, base)) {
		t.Error("the picture's own seed changes it")
	}
	half, err := m.Interpolate(context.Background(), biggan.Interpolation{From: "A", To: "B", SeedA: 1, SeedB: 7, Rows: 3, Steps: 3, Truncation: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	keep := all
	keep.Keep = 0.5
	if !same(with(keep), []image.Image{half[0][1], half[1][1], half[2][1]}) {
		t.Error("keeping half of a picture is not half the way to the other")
	}
	keep.Keep = 1
	if !same(with(keep), generate(t, m, base)) {
		t.Error("keeping all of a picture changes it")
	}
	some := [][]image.Image{
		plain, generate(t, m, base), with(biggan.Mix{Input: true, Seed: seed(7)}), with(biggan.Mix{Seed: seed(7)}),
		with(biggan.Mix{From: 1, To: biggan.Last, Seed: seed(7)}), with(biggan.Mix{From: 2, To: 3, Class: "B"}),
	}
	for i, a := range some {
		for j, b := range some[:i] {
			if same(a, b) {
				t.Errorf("requests %d and %d draw the same", i, j)
			}
		}
	}
	for _, bad := range []biggan.Mix{{To: 7, Seed: seed(1)}, {From: 3, To: 2, Class: "A"}, {To: 1}, {From: -1, To: 1, Class: "A"}, {Class: "A", Keep: 1.5}} {
		r := base
		r.Mix, r.Truncation = []biggan.Mix{bad}, 0.5
		if _, err := m.Generate(context.Background(), r); !errors.Is(err, biggan.ErrRequest) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestParseMix(t *testing.T) {
	seven := uint32(7)
	for text, want := range map[string]biggan.Mix{
		"0-3=seed:7,class:tiger":            {To: 3, Seed: &seven, Class: "tiger"},
		"4-=class:tiger:0.6,lion:0.4":       {From: 4, To: biggan.Last, Class: "tiger:0.6,lion:0.4"},
		"2=class:A:1,B:2,seed:7":            {From: 2, To: 2, Seed: &seven, Class: "A:1,B:2"},
		"all=seed:7":                        {To: biggan.Last, Seed: &seven},
		"all=class:A:1,B:2,keep:0.25":       {To: biggan.Last, Class: "A:1,B:2", Keep: 0.25},
		"input=class:great white shark":     {Input: true, Class: "great white shark"},
		"0=class:tench, Tinca tinca":        {Class: "tench, Tinca tinca"},
		"65535-65535=seed: 7,class:x:1,y:1": {From: 65535, To: 65535, Seed: &seven, Class: "x:1,y:1"},
	} {
		if got, err := biggan.ParseMix(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "0-3", "=seed:1", "3-1=seed:1", "a=seed:1", "-1=seed:1", "0=", "0=tiger", "0=seed:-1",
		"0=seed:4294967296", "0=class:", "0=seed:1,seed:2", "0=seed:1,tiger", "1-2-3=seed:1", "99999=seed:1",
		"0=seed:1,keep:2", "0=seed:1,keep:-0.1", "0=seed:1,keep:NaN", "0=seed:1,keep:", "0=seed:1,keep:0,keep:0"} {
		if got, err := biggan.ParseMix(bad); !errors.Is(err, biggan.ErrRequest) {
			t.Errorf("%q: %+v, %v", bad, got, err)
		}
	}
}

// TestFirst: the pictures of a request can be made in parts.
func TestFirst(t *testing.T) {
	m := letters(t)
	r := biggan.Request{Classes: []string{"A", "B:1,C:3"}, N: 7, Seed: 5}
	whole := generate(t, m, r)
	var parts []image.Image
	for _, r.First = range []int{0, 3, 6} {
		r.N = min(3, 7-r.First)
		parts = append(parts, generate(t, m, r)...)
	}
	if !same(whole, parts) {
		t.Error("parts differ from the whole")
	}
}

func TestInterpolate(t *testing.T) {
	m := letters(t)
	r := biggan.Interpolation{From: "A", To: "B", SeedA: 1, SeedB: 2, Rows: 2, Steps: 4, Truncation: 0.5}
	rows, err := m.Interpolate(context.Background(), r)
	if err != nil || len(rows) != 2 || len(rows[0]) != 4 {
		t.Fatal(len(rows), err)
	}
	a := generate(t, m, biggan.Request{Classes: []string{"A"}, N: 2, Seed: 1})
	b := generate(t, m, biggan.Request{Classes: []string{"B"}, N: 2, Seed: 2})
	for row := range rows {
		if !same([]image.Image{rows[row][0], rows[row][3]}, []image.Image{a[row], b[row]}) {
			t.Errorf("row %d does not begin and end with the pictures of its ends", row)
		}
	}
	r.Loop = true
	loops, err := m.Interpolate(context.Background(), r)
	if err != nil || len(loops[1]) != 6 || !same(loops[1][:4], rows[1]) || !same(loops[1][4:], []image.Image{rows[1][2], rows[1][1]}) {
		t.Errorf("loop of %d pictures, %v", len(loops[1]), err)
	}
	var classes []string
	r.Path, r.Loop, r.Rows = sample.Slerp, false, 1
	if err := m.EachStep(context.Background(), r, func(s biggan.Step, n int) error {
		classes = append(classes, m.Labels.MixName(s.Class))
		return nil
	}); err != nil || !slices.Equal(classes, []string{"A", "A:0.6667,B:0.3333", "A:0.3333,B:0.6667", "B"}) {
		t.Errorf("%v, %v", classes, err)
	}
	for _, bad := range []biggan.Interpolation{{Steps: 1}, {Rows: -1}, {Truncation: 2}, {Path: "spiral"}, {Noise: "pink"}, {Steps: 1 << 19, Rows: 9}} {
		if _, err := m.Interpolate(context.Background(), bad); !errors.Is(err, biggan.ErrRequest) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := m.Interpolate(context.Background(), biggan.Interpolation{From: "tiger"}); !errors.Is(err, labels.ErrUnknown) {
		t.Errorf("unknown class: %v", err)
	}
}

// TestNoiseKinds: each kind draws its own pictures, within its bounds.
func TestNoiseKinds(t *testing.T) {
	m := letters(t)
	bound := map[sample.Kind]float32{sample.Truncated: 1, sample.Normal: 3, sample.Resampled: 0.5}
	for _, kind := range sample.Kinds {
		var most float32
		err := m.Each(context.Background(), biggan.Request{N: 2, Truncation: 0.5, Noise: kind}, func(p biggan.Picture, _ int) error {
			most = max(most, slices.Max(p.Z), -slices.Min(p.Z))
			return nil
		})
		if err != nil || most > bound[kind] || most < 0.4 {
			t.Errorf("%s: up to %v, %v", kind, most, err)
		}
	}
}

func FuzzParseMix(f *testing.F) {
	for _, seed := range []string{"0-3=seed:7,class:tiger", "all=class:A:1,B:2,keep:0.25", "input=seed:0", "4-=", "-=,:"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := biggan.ParseMix(text)
		if err != nil {
			if !errors.Is(err, biggan.ErrRequest) {
				t.Error(err)
			}
			return
		}
		if m.From < 0 || m.To < m.From && m.To != biggan.Last || !(m.Keep >= 0 && m.Keep <= 1) {
			t.Errorf("%q: %+v", text, m)
		}
	})
}
