package convert

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/arch/biggan"
	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/convert/torch"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// infos lists tensors as a reader does.
func infos(shapes map[string][]int) []weights.Info {
	var list []weights.Info
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		list = append(list, weights.Info{Name: name, DType: weights.F32, Shape: shapes[name]})
	}
	return list
}

// TestHFRulesAreABijection: each tensor of the released files goes to one parameter and
// each parameter comes from one tensor.
func TestHFRulesAreABijection(t *testing.T) {
	for _, c := range []deep.Config{deep.Deep128, deep.Deep256, deep.Deep512} {
		g, err := deep.Generator("test", c)
		if err != nil {
			t.Fatal(err)
		}
		tensors := infos(goldentest.Inventory(t, fmt.Sprintf("hf_deep_%d", c.OutputDim)))
		bijection(t, "hf", hfRules, g, tensors)
	}
}

// TestBigGANPyTorchRulesAreABijection reads the tables there and back for every layer of
// the released originals and of the repository's own deep variant.
func TestBigGANPyTorchRulesAreABijection(t *testing.T) {
	own := deep.Deep128
	own.Port, own.NStats = deep.BigGANPyTorch, 0
	g, err := deep.Generator("test", own)
	if err != nil {
		t.Fatal(err)
	}
	graphs := []*graph.Graph{g}
	for _, c := range []biggan.Config{biggan.BigGAN128, biggan.BigGAN256, biggan.BigGAN512} {
		if g, err = biggan.Generator("test", c); err != nil {
			t.Fatal(err)
		}
		graphs = append(graphs, g)
	}
	for _, g := range graphs {
		shapes := map[string][]int{}
		for _, p := range g.Params() {
			if name, ok := bgptRules.sourceName(p.Name); ok {
				shapes[name] = p.Shape
			}
		}
		bijection(t, "biggan-pytorch", bgptRules, g, infos(shapes))
	}
}

func bijection(t *testing.T, format string, rules *table, g *graph.Graph, tensors []weights.Info) {
	t.Helper()
	p, err := rules.match(tensors, g.Params())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.targets) != len(tensors) || len(p.dropped) != 0 {
		t.Errorf("%d of %d tensors used, %d dropped", len(p.targets), len(tensors), len(p.dropped))
	}
	for param, target := range p.targets {
		if back, ok := SourceName(format, param); !ok || back != target.source.Name {
			t.Errorf("%s comes from %s, but read backwards from %q", param, target.source.Name, back)
		}
	}
	for i, a := range rules.rules {
		for _, b := range rules.rules[i+1:] {
			if a.From == b.From {
				t.Errorf("two rules for %s", a.From)
			}
		}
	}
}

// ports are genuine files of ports whose tables are spelled out for each file.
var ports = []struct{ file, format, config string }{
	{"studiogan/biggan32/G_ema.pth", "studiogan", ""},
	{"studiogan/biggan64-plain/G_ema.pth", "studiogan", ""},
	{"studiogan/deep-legacy32/G_ema.pth", "studiogan", ""},
	{"studiogan/deep64/G_ema.pth", "studiogan", `{"g_depth": 2}`},
	{"mmgeneration/biggan32/iter_1.pth", "mmgeneration", `{"bgr": true, "sn_eps": 1e-6}`},
	{"mmgeneration/biggan32-torch/iter_1.pth", "mmgeneration", ""},
	{"mmgeneration/biggan32-cifar/iter_1.pth", "mmgeneration", ""},
	{"mmgeneration/deep32/iter_1.pth", "mmgeneration", ""},
	{"mmgeneration/deep32-ajbrock/iter_1.pth", "mmgeneration", `{"block_depth": 1}`},
	{"ivclab/biggan128/biggan128-release.pt", "ivclab", ""},
	{"ivclab/biggan512/biggan512-release.pt", "ivclab", ""},
}

// TestPortRulesAreBijections: every rule is for one tensor of the file, every tensor has
// one rule, every parameter comes from one tensor and is read backwards to it.
func TestPortRulesAreBijections(t *testing.T) {
	for _, c := range ports {
		file, err := torch.Open(goldentest.Path(t, c.file))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var o Options
		if c.config != "" {
			o.Config = []byte(c.config)
		}
		s, ck, err := open(file, o)
		if err != nil {
			t.Fatalf("%s: %v", c.file, err)
		}
		if s.format != c.format {
			t.Errorf("%s is taken for %s", c.file, s.format)
		}
		p, err := s.rules.match(ck.Tensors(), s.graph.Params())
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if n := len(ck.Tensors()); len(p.targets)+len(p.dropped) != n || len(s.rules.literal) != n || len(s.rules.patterns) != 0 {
			t.Errorf("%s: %d used, %d dropped of %d tensors; %d names in the table", c.file, len(p.targets), len(p.dropped), n, len(s.rules.literal))
		}
		for param, target := range p.targets {
			if back, ok := s.rules.sourceName(param); !ok || back != target.source.Name {
				t.Errorf("%s: %s comes from %s, but read backwards from %q", c.file, param, target.source.Name, back)
			}
		}
	}
}

// TestColoursTurn: blue, green, red become red, green, blue; the spectral norm stays.
func TestColoursTurn(t *testing.T) {
	convert := func(config string) *weights.File {
		dst := filepath.Join(t.TempDir(), "m.safetensors")
		o := Options{Config: []byte(config)}
		if _, err := File(t.Context(), goldentest.Path(t, "mmgeneration/biggan32-torch/iter_1.pth"), dst, o); err != nil {
			t.Fatal(err)
		}
		f, err := weights.Open(dst)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	asTheyAre, turned := convert("{}"), convert(`{"bgr": true}`)
	for _, part := range []string{"weight", "bias", "u", "v", "sigma"} {
		a, found := asTheyAre.Bytes("output_layer.2." + part)
		b, alsoFound := turned.Bytes("output_layer.2." + part)
		if !found || !alsoFound {
			t.Fatalf("no output_layer.2.%s", part)
		}
		a, rows := slices.Clone(a), 3
		if part == "v" || part == "sigma" {
			rows = 1
		}
		row := len(a) / rows
		for i := range rows {
			if !bytes.Equal(a[i*row:(i+1)*row], b[(rows-1-i)*row:(rows-i)*row]) {
				t.Errorf("%s: row %d is not row %d", part, i, rows-1-i)
			}
		}
	}
}

// TestMismatch lists what is missing, extra and misshapen, with got and want.
func TestMismatch(t *testing.T) {
	g, err := deep.Generator("test", deep.Deep128)
	if err != nil {
		t.Fatal(err)
	}
	shapes := goldentest.Inventory(t, "hf_deep_128")
	delete(shapes, "generator.gen_z.bias")
	shapes["generator.bn.weight"] = []int{7}
	shapes["generator.layers.0.surprise"] = []int{1}
	shapes["generator.layers.77.conv_0.bias"] = []int{1}
	_, err = hfRules.match(infos(shapes), g.Params())
	for _, want := range []string{
		`missing "generator.gen_z.bias" [32768]`, `"generator.bn.weight" is [7], want [128]`,
		`extra "generator.layers.0.surprise" [1]: no rule`, `extra "generator.layers.77.conv_0.bias" [1]: the network`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to say %s", err, want)
		}
	}
}

// tfInventory is an inventory as a module yields it: without the suffix of the moving averages.
func tfInventory(t *testing.T, name string) []weights.Info {
	shapes := map[string][]int{}
	for variable, shape := range goldentest.Inventory(t, name) {
		shapes[emaSuffix.ReplaceAllString(variable, "")] = shape
	}
	return infos(shapes)
}

// TestTFRulesFitTheInventories: every variable of the released modules goes to one
// parameter or is dropped by a rule; statistics have their tables' place.
func TestTFRulesFitTheInventories(t *testing.T) {
	for _, c := range []deep.Config{deep.Deep128, deep.Deep256, deep.Deep512} {
		c.NStats = 0
		g, err := deep.Generator("test", c)
		if err != nil {
			t.Fatal(err)
		}
		fits(t, compile(tfDeepRules(c)), g, tfInventory(t, fmt.Sprintf("tfhub_deep_%d_expected", c.OutputDim)))
	}
	for _, c := range []biggan.Config{biggan.BigGAN128, biggan.BigGAN256, biggan.BigGAN512} {
		g, err := biggan.Generator("test", c)
		if err != nil {
			t.Fatal(err)
		}
		fits(t, compile(tfOriginalRules(c)), g, tfInventory(t, fmt.Sprintf("tfhub_orig_%d_expected", c.Resolution)))
	}
}

func fits(t *testing.T, rules *table, g *graph.Graph, tensors []weights.Info) {
	t.Helper()
	p, err := rules.match(tensors, g.Params())
	if err != nil {
		t.Error(err)
		return
	}
	if len(p.targets)+len(p.dropped) != len(tensors) {
		t.Errorf("%d used and %d dropped of %d", len(p.targets), len(p.dropped), len(tensors))
	}
}
