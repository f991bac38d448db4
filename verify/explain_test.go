package verify_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/modeltest"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/weights"
)

// marks is a Source whose name is the set of causes taken away.
type marks struct {
	weights.Source
	set string
}

func mark(name string) func(s *verify.Side) {
	return func(s *verify.Side) {
		before, _ := s.Weights.(marks)
		s.Weights = marks{set: before.set + name}
	}
}

// TestExplain searches among causes whose effects are written down.
func TestExplain(t *testing.T) {
	cause := func(name string, wreck bool) verify.Cause {
		return verify.Cause{Name: name, Text: name, Kind: name, Wreck: wreck, Apply: mark(name)}
	}
	untried := verify.Cause{Name: "u", Text: "u", Kind: "u"}
	for _, c := range []struct {
		name    string
		causes  []verify.Cause
		left    map[string]float64 // by set; 1 otherwise
		want    string             // causes named, + where they close
		trials  int                // at most
		untried bool
	}{
		{"one closes", []verify.Cause{cause("a", false), cause("b", false), cause("c", false)}, map[string]float64{"b": 0}, "b+", 2, false},
		{"two together, each a little", []verify.Cause{cause("a", false), cause("b", false), cause("c", false)}, map[string]float64{"a": .6, "b": .9, "ab": 0, "ac": .6}, "ab+", 5, false},
		{"wrecks show together alone", []verify.Cause{cause("a", false), cause("b", true), cause("c", true)}, map[string]float64{"bc": 0}, "bc+", 6, false},
		{"wrecks and one more", []verify.Cause{cause("a", false), cause("b", true), cause("c", true)}, map[string]float64{"bc": .01, "abc": 0}, "abc+", 11, false},
		{"what adds nothing is dropped", []verify.Cause{cause("a", false), cause("b", false), cause("c", false)}, map[string]float64{"a": .5, "b": .8, "c": .8, "ab": .4, "abc": 0, "bc": 0}, "bc+", 9, false},
		{"in part", []verify.Cause{cause("a", false), cause("b", false), untried}, map[string]float64{"a": .1, "ab": .1}, "a", 5, true},
		{"not at all", []verify.Cause{cause("a", false), cause("b", true), untried}, map[string]float64{"a": .8}, "", 4, true},
		{"nothing to try", nil, nil, "", 0, false},
	} {
		trials := 0
		against := func(_ context.Context, s verify.Side, only *verify.Focus) (*verify.Report, error) {
			set, _ := s.Weights.(marks)
			left, ok := c.left[set.set]
			if !ok {
				left = 1
			}
			if only != nil {
				trials++
				if *only != (verify.Focus{Node: "image", Sample: 1}) {
					t.Errorf("%s: looks at %v", c.name, *only)
				}
			}
			image := verify.Difference{Name: "image", Shape: []int{2, 3}, At: 4, Max: left, Tolerance: 1e-3, OK: left < 1e-3}
			r := &verify.Report{Nodes: []verify.Difference{image}, OK: image.OK}
			if only == nil { // a node further out, which is not looked at
				r.Nodes = append(r.Nodes, verify.Difference{Name: "x", Shape: []int{2, 1}, Max: 5, Tolerance: 1e-3, OK: image.OK})
			}
			return r, nil
		}
		r, err := against(t.Context(), verify.Side{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Explain(t.Context(), verify.Side{}, against, c.causes, nil, nil); err != nil {
			t.Fatal(err)
		}
		got, told := "", false
		for _, e := range r.Explanations {
			if !e.Tried {
				told = true
				continue
			}
			for _, cause := range e.Causes {
				got += cause.Name
			}
			if e.Closes {
				got += "+"
			}
		}
		if got != c.want || told != c.untried || trials > c.trials {
			t.Errorf("%s: %q after %d trials, told %v; want %q, at most %d", c.name, got, trials, told, c.want, c.trials)
		}
	}
}

// TestExplainStops ends with the context's error.
func TestExplainStops(t *testing.T) {
	r := &verify.Report{Nodes: []verify.Difference{{Name: "image", Shape: []int{1, 3}, Max: 1}}}
	stopped := func(context.Context, verify.Side, *verify.Focus) (*verify.Report, error) {
		return nil, context.Canceled
	}
	causes := []verify.Cause{{Name: "a", Kind: "a", Apply: mark("a")}}
	if err := r.Explain(t.Context(), verify.Side{}, stopped, causes, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func network(t *testing.T, c biggan.Config) *graph.Graph {
	t.Helper()
	g, err := biggan.Generator("test", c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestAlign pairs two arrangements of the original network, and two ports of BigGAN-deep
// whose names and rgb channels differ.
func TestAlign(t *testing.T) {
	torch, tf := biggan.BigGAN128, biggan.BigGAN128
	tf.ZFirst, tf.ChannelsLast, tf.NStats = true, true, 50
	pairs, err := verify.Align(network(t, torch), network(t, tf))
	if err != nil {
		t.Fatal(err)
	}
	var skipped []string
	for _, p := range pairs {
		if p.Got.Name != p.Want.Name {
			t.Errorf("%s is paired with %s", p.Got.Name, p.Want.Name)
		}
		if p.Skip != "" {
			skipped = append(skipped, p.Got.Name)
		}
	}
	if want := []string{"linear", "cond.0", "cond.1", "cond.2", "cond.3", "cond.4"}; !slices.Equal(skipped, want) {
		t.Errorf("skipped %v, want %v", skipped, want)
	}

	config := deep.Config{
		OutputDim: 8, ZDim: 4, ClassEmbedDim: 4, ChannelWidth: 4, NumClasses: 3, AttentionLayerPosition: 1, Eps: 1e-4,
		Layers: []deep.Layer{{In: 2, Out: 2}, {Up: true, In: 2, Out: 1}},
	}
	hf, err := deep.Generator("hf", config)
	if err != nil {
		t.Fatal(err)
	}
	config.Port = deep.BigGANPyTorch
	other, err := deep.Generator("torch", config)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range [][2]*graph.Graph{{hf, other}, {other, hf}} {
		if pairs, err = verify.Align(way[0], way[1]); err != nil {
			t.Fatal(err)
		}
		partner := map[string]verify.Pair{}
		for _, p := range pairs {
			partner[p.Got.Name], partner[p.Want.Name] = p, p
		}
		for a, b := range map[string]string{
			"embeddings": "shared", "generator.layers.0": "blocks.0.0", "generator.layers.1": "blocks.0.1", "generator.layers.2.conv_3": "blocks.1.0.conv4",
			"generator.bn": "output_layer.0", "generator.conv_to_rgb": "output_layer.2", "image": "image",
		} {
			if partner[a] != partner[b] || partner[a].Got == nil {
				t.Errorf("%s and %s are not paired", a, b)
			}
		}
		if p := partner["output_layer.2"]; p.Channels != 3 || !strings.Contains(p.Note, "3 of 4") {
			t.Errorf("the channels of rgb: %+v", p)
		}
	}
	if _, err := verify.Align(hf, network(t, torch)); !errors.Is(err, verify.ErrIncomparable) {
		t.Errorf("two architectures: %v", err)
	}
}

// TestArranged compares a recording whose first layer lies otherwise, and whose rgb is cut.
func TestArranged(t *testing.T) {
	w, g := modeltest.Open(t, "letters", "")
	p, err := compiler(t, "cpu", g, w)([]string{"generator.gen_z", "generator.conv_to_rgb"})
	if err != nil {
		t.Fatal(err)
	}
	in, err := verify.ReadInputs(modeltest.OpenFile(t, goldentest.Path(t, "letters/hf_t0.40.safetensors")), g)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	tensors := weights.Memory{"truncation": {Shape: []int{1}, Data: []float32{0.4}}}
	for name, values := range in.Tensors {
		tensors[name] = weights.Tensor{Shape: []int{in.Batch, len(values) / in.Batch}, Data: values}
	}
	flat, rgb := out["generator.gen_z"], out["generator.conv_to_rgb"]
	turned := make([]float32, len(flat.Data)) // [h,w,c] to [c,h,w]
	channels, n := 256, flat.Shape[1]
	for i := range flat.Data {
		from, at := i/n*n, i%n
		turned[from+at%channels*16+at/channels] = flat.Data[i]
	}
	var cut []float32
	plane := rgb.Shape[1] * 32 * 32
	for i := range in.Batch {
		cut = append(cut, rgb.Data[i*plane:][:3*32*32]...)
	}
	tensors["generator.gen_z"] = weights.Tensor{Shape: flat.Shape, Data: turned}
	tensors["generator.conv_to_rgb"] = weights.Tensor{Shape: []int{in.Batch, 3, 32, 32}, Data: cut}
	r, err := verify.Recording(t.Context(), g, w, compiler(t, "cpu", g, w), modeltest.Recording(t, tensors), "arranged", verify.Options{Tolerance: 1e-6})
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || len(r.Nodes) != 2 || !strings.Contains(r.Nodes[0].Note, "laid out") || !strings.Contains(r.Nodes[1].Note, "first 3 of 16") {
		t.Errorf("%+v", r.Nodes)
	}
}
