package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/verify"
)

// ownRow is a row of the first table: a framework's checkpoint, computed here, against what
// the framework computed from it.
type ownRow struct {
	framework, model string
	source, config   string // of testdata/golden, or NAME of a full-size network
	recordings       []string
	flags            []string
	slow             bool // measured under BIGGAN_CI=1 or -update alone, on the cpu alone
}

var ownRows = []ownRow{
	{"PyTorch 2.15, Hugging Face's code", "letters", "letters", "", []string{"letters/hf_t0.02", "letters/hf_t0.40", "letters/hf_t0.50", "letters/hf_t1.00"}, nil, false},
	{"TensorFlow 2.15, TF Hub", "letters", "tfhub/letters/module.tar.gz", "", tfPictures("letters", "0.00", "0.02", "0.40", "1.00"), nil, false},
	{"TensorFlow 2.15, TF Hub", "deep-random-tiny", "tfhub/deep-random-tiny/module.tar.gz", "", tfPictures("deep-random-tiny", "0.00", "0.02", "0.40", "1.00"), nil, false},
	{"TensorFlow 2.15, TF Hub", "deep-random-tiny-const", "tfhub/deep-random-tiny-const/module.tar.gz", "", tfPictures("deep-random-tiny-const", "0.00", "0.40", "1.00"), nil, false},
	{"TensorFlow 2.15, TF Hub", "biggan-tiny", "tfhub/biggan-tiny/module.tar.gz", "", tfPictures("biggan-tiny", "0.02", "0.40", "1.00"), nil, false},
	{"PyTorch 2.15, BigGAN-PyTorch's code", "biggan64", "biggan-pytorch/biggan64/G_ema.pth", "biggan-pytorch/biggan64/config.json", []string{"biggan-pytorch/biggan64/recording"}, nil, false},
	{"PyTorch 2.15, BigGAN-PyTorch's code", "biggan64-wrapped", "biggan-pytorch/biggan64-wrapped/G_ema.pth", "biggan-pytorch/biggan64-wrapped/config.json", []string{"biggan-pytorch/biggan64-wrapped/recording"}, nil, false},
	{"PyTorch 2.15, BigGAN-PyTorch's code", "biggandeep64", "biggan-pytorch/biggandeep64/G_ema.pth", "biggan-pytorch/biggandeep64/config.json", []string{"biggan-pytorch/biggandeep64/recording"}, nil, false},
	{"PyTorch 2.15 in float64, Hugging Face's code", "biggan-deep-128, synthetic weights", "biggan-deep-128", "", []string{"fullsize/deep-128_0", "fullsize/deep-128_1"}, []string{"--stats", "hf"}, true},
	{"PyTorch 2.15 in float64, BigGAN-PyTorch's code", "biggan-128, synthetic weights", "biggan-128", "", []string{"fullsize/biggan-128_0", "fullsize/biggan-128_1"}, nil, true},
}

func tfPictures(module string, truncations ...string) []string {
	names := []string{"tfhub/" + module + "/tf_nodes_t0.40"}
	for _, t := range truncations {
		names = append(names, "tfhub/"+module+"/tf_t"+t)
	}
	return names
}

// crossRow is a row of the second table: two implementations of one model, where they
// differ, with the cause that verify finds.
type crossRow struct {
	here, there, model string
	args               []string // of verify; $M/NAME are converted models, $G is testdata/golden
}

var crossRows = []crossRow{
	{"Hugging Face's checkpoint", "TensorFlow", "letters, truncation 0", []string{"-m", "$M/hf", "--against", "$G/tfhub/letters/tf_t0.00.safetensors"}},
	{"Hugging Face's checkpoint", "TensorFlow", "letters, truncation 0.4", []string{"-m", "$M/hf", "--against", "$G/tfhub/letters/tf_nodes_t0.40.safetensors"}},
	{"Hugging Face's checkpoint", "TensorFlow", "letters, truncation 1", []string{"-m", "$M/hf", "--against", "$G/tfhub/letters/tf_t1.00.safetensors"}},
	{"TF Hub module", "PyTorch, Hugging Face's code", "letters, truncation 0.5", []string{"-m", "$M/tf", "--against", "$G/letters/hf_t0.50.safetensors"}},
	{"Hugging Face's checkpoint", "TF Hub module, here too", "letters, truncation 0.5", []string{"-m", "$M/hf", "--against-model", "$M/tf", "-n", "4"}},
	{"BigGAN-PyTorch's port of a module", "TensorFlow", "biggan-tiny, truncation 1", []string{"-m", "$M/port", "--against", "$G/tfhub/biggan-tiny/tf_t1.00.safetensors"}},
	{"BigGAN-PyTorch's port of a module", "the module, here too", "biggan-tiny, truncation 0.5", []string{"-m", "$M/port", "--against-model", "$M/original"}},
	{"TF Hub module", "BigGAN-PyTorch's port, here too", "biggan-tiny, truncation 0.02", []string{"-m", "$M/original", "--against-model", "$M/port", "--truncation", "0.02"}},
	{"BigGAN-PyTorch's defaults (BN_eps 1e-5)", "BigGAN-PyTorch with BN_eps 1e-4", "biggan64-wrapped", []string{"-m", "$M/guessed", "--against", "$G/biggan-pytorch/biggan64-wrapped/recording.safetensors"}},
	{"linear between rows", "reversed as in Hugging Face's code (`--stats hf`)", "letters, truncation 0.437", []string{"-m", "$M/hf", "--against", "$M/between"}},
	{"the row of 0.14", "the next row, as in Hugging Face's code (`--stats hf`)", "letters, truncation 0.14", []string{"-m", "$M/hf", "--against", "$M/trap"}},
	{"weights in float16", "Hugging Face's checkpoint, here too", "letters, truncation 0.5", []string{"--against-model", "$M/hf", "-n", "4"}},
}

// parity makes the page. Numbers have one digit.
type parity struct {
	t      *testing.T
	folder string
}

// models converts what the rows take.
func (p parity) models() {
	golden := func(name string) string { return goldentest.Path(p.t, name) }
	p.run("convert", golden("letters"), "-o", p.model("hf"))
	p.run("convert", golden("tfhub/letters/module.tar.gz"), "-o", p.model("tf"))
	p.run("convert", golden("tfhub/biggan-tiny/module.tar.gz"), "-o", p.model("original"))
	p.run("convert", golden("biggan-pytorch/biggan64-wrapped/G_ema.pth"), "-o", p.model("guessed"))
	m, err := biggan.Open(p.t.Context(), p.model("original"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer m.Close()
	folder := filepath.Join(p.folder, "port")
	if err := port(m, folder); err != nil {
		p.t.Fatal(err)
	}
	p.run("convert", filepath.Join(folder, "G.pth"), "--config", filepath.Join(folder, "config.json"), "-o", p.model("port"))
	for name, truncation := range map[string]string{"between": "0.437", "trap": "0.14"} {
		latents := p.model(name + "-in")
		p.run("generate", "-m", p.model("hf"), "-n", "2", "--truncation", truncation, "-o", filepath.Join(p.folder, name+".png"), "--latents-out", latents)
		p.run("run", "-m", p.model("hf"), "--input", latents, "-o", p.model(name), "--stats", "hf")
	}
}

func (p parity) model(name string) string { return filepath.Join(p.folder, name+".safetensors") }

func (p parity) run(args ...string) {
	p.t.Helper()
	if code, _, stderr := command(append(args, "-q")...); code != exitOK {
		p.t.Fatalf("biggan %v: exit code %d: %s", args, code, stderr)
	}
}

// verify runs verify and reads its report.
func (p parity) verify(args ...string) verify.Report {
	p.t.Helper()
	code, stdout, stderr := command(append(append([]string{"verify"}, args...), "--json", "-q")...)
	if code != exitOK && code != exitParity {
		p.t.Fatalf("biggan verify %v: exit code %d: %s", args, code, stderr)
	}
	var r verify.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// picture is the largest difference of a report's picture.
func picture(r verify.Report) float64 {
	for _, d := range r.Nodes {
		if d.Name == "image" || d.Name == "image_f64" {
			return d.Max
		}
	}
	return math.NaN()
}

// own is a line of the first table.
func (p parity) own(row ownRow) string {
	path := filepath.Join(p.folder, "own.safetensors")
	if row.slow {
		p.run("synth", row.source, "-o", path, "--force")
	} else {
		args := []string{"convert", goldentest.Path(p.t, row.source), "-o", path, "--force"}
		if row.config != "" {
			args = append(args, "--config", goldentest.Path(p.t, row.config))
		}
		p.run(args...)
	}
	worst := map[string]string{"reference": "not measured"}
	for _, on := range []string{"cpu", "reference"} {
		if on == "reference" && row.slow {
			continue
		}
		most, nodes := 0.0, 0
		for _, recording := range row.recordings {
			args := []string{"-m", path, "--backend", on, "--tolerance", "3e-5", "--against", goldentest.Path(p.t, recording+".safetensors")}
			r := p.verify(append(args, row.flags...)...)
			if !r.OK {
				p.t.Errorf("%s on %s: %s differs", recording, on, r.First)
			}
			most, nodes = math.Max(most, picture(r)), max(nodes, len(r.Nodes))
		}
		worst[on] = fmt.Sprintf("%.0e", most)
		worst["nodes"] = strconv.Itoa(nodes)
	}
	return fmt.Sprintf("| %s | %s | %d | %s | %s | %s |", row.framework, row.model, len(row.recordings), worst["nodes"], worst["cpu"], worst["reference"])
}

// cross is a line of the second table.
func (p parity) cross(row crossRow) string {
	var args []string
	for _, a := range row.args {
		if name, ok := strings.CutPrefix(a, "$M/"); ok {
			a = p.model(name)
		} else if name, ok := strings.CutPrefix(a, "$G/"); ok {
			a = goldentest.Path(p.t, name)
		}
		args = append(args, a)
	}
	r := p.verify(args...)
	if len(r.Explanations) == 0 || !r.Explanations[0].Closes {
		p.t.Errorf("%v: not explained: %+v", row.args, r.Explanations)
		return ""
	}
	e := r.Explanations[0]
	return fmt.Sprintf("| %s | %s | %s | %.0e | %s | %.0e |", row.here, row.there, row.model, e.Before, e.Title(), e.After)
}

const parityHead = `# Parity

Generated by ` + "`go test ./cmd/biggan -run DocsParity -update`" + ` from testdata/golden; ` + "`go test`" + ` measures it again and compares: texts exactly,
differences within a factor of five. A difference is the largest one of a channel of a pixel, in [-1, 1]; 0.008 is one step of a byte.

## The same checkpoint, there and here

Each framework's own checkpoint, converted, against pictures that the framework computed. Every node that a recording holds is compared as
well, each within 3e-5 (relative to its largest value beyond 1). Conversion keeps the weights and computes spectral norms by the source's formula.

| computed by | model | recordings | nodes | here on cpu (float32) | here on reference (float64) |
|---|---|---|---|---|---|
`

const parityCross = `
## One implementation's checkpoint, another's pictures

What the ports of one network do otherwise, found by ` + "`biggan verify`" + `: each cause is named because recomputing without it closes the difference.

| here | there | model | difference | cause | without it |
|---|---|---|---|---|---|
`

// TestDocsParity generates docs/parity.md.
func TestDocsParity(t *testing.T) {
	p := parity{t, t.TempDir()}
	p.models()
	slow := *update || os.Getenv("BIGGAN_CI") != ""
	var skipped []string
	page := parityHead
	for _, row := range ownRows {
		if row.slow && !slow {
			skipped = append(skipped, fmt.Sprintf("| %s | %s |", row.framework, row.model))
			continue
		}
		page += p.own(row) + "\n"
	}
	page += parityCross
	for _, row := range crossRows {
		page += p.cross(row) + "\n"
	}
	if *update {
		generated(t, "parity.md", []byte(page))
		return
	}
	old, err := os.ReadFile(filepath.Join("..", "..", "docs", "parity.md"))
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(old)) {
		measured := true
		for _, prefix := range skipped {
			measured = measured && !strings.HasPrefix(line, prefix)
		}
		if measured {
			kept = append(kept, line)
		}
	}
	if why := otherThan(strings.Join(kept, ""), page); why != "" {
		t.Errorf("docs/parity.md is not what was measured: run `go test ./cmd/biggan -run DocsParity -update`: %s", why)
	}
}

// figure is a difference on the page.
var figure = regexp.MustCompile(`\b[0-9]e[-+][0-9]{2}\b`)

// otherThan compares a page with one that was measured now: figures within a factor of five
// or both float32's noise, everything else exactly.
func otherThan(old, now string) string {
	const factor, noise = 5, 1e-6
	if a, b := figure.ReplaceAllString(old, "#"), figure.ReplaceAllString(now, "#"); a != b {
		return fmt.Sprintf("the text was\n%s\nand is\n%s", a, b)
	}
	a, b := figure.FindAllString(old, -1), figure.FindAllString(now, -1)
	for i := range a {
		x, errX := strconv.ParseFloat(a[i], 64)
		y, errY := strconv.ParseFloat(b[i], 64)
		if errX != nil || errY != nil {
			return fmt.Sprintf("%q and %q are no numbers", a[i], b[i])
		}
		if math.Max(x, y) > noise && (x > factor*y || y > factor*x) {
			return fmt.Sprintf("figure %d was %s and is %s", i+1, a[i], b[i])
		}
	}
	return ""
}

// TestOtherThan compares pages.
func TestOtherThan(t *testing.T) {
	for _, c := range []struct {
		old, now string
		same     bool
	}{
		{"| a | 3e-06 |", "| a | 9e-06 |", true},
		{"| a | 0e+00 |", "| a | 8e-07 |", true},
		{"| a | 1e-03 |", "| a | 9e-03 |", false},
		{"| a | 0e+00 |", "| a | 3e-05 |", false},
		{"| a | 1e-03 |", "| b | 1e-03 |", false},
	} {
		if why := otherThan(c.old, c.now); (why == "") != c.same {
			t.Errorf("%s and %s: %q", c.old, c.now, why)
		}
	}
}
