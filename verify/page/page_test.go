package page_test

import (
	"bytes"
	"encoding/base64"
	"image/png"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/verify/page"
)

const evil = `<script>alert("x")</script>&'`

// report has two samples of 2x2, of which the second differs.
func report() *verify.Report {
	got := backend.Tensor{Shape: []int{2, 3, 2, 2}, Data: make([]float32, 24)}
	want := backend.Tensor{Shape: got.Shape, Data: make([]float32, 24)}
	want.Data[12] = 0.5
	nodes := []verify.Difference{
		{Name: evil, Shape: []int{2, 1}, Tolerance: 1e-5, OK: true},
		{Name: "middle", Shape: []int{2, 4}, Max: math.MaxFloat64, Tolerance: 1e-5, Note: evil},
		{Name: "image", Shape: got.Shape, Max: 0.5, Tolerance: 1e-5},
	}
	return &verify.Report{
		Against: evil, Tolerance: 1e-5, Nodes: nodes, First: "middle", Got: got, Want: want,
		Skipped:      []verify.Skipped{{Name: evil, Reason: evil}},
		Explanations: []verify.Explanation{{Causes: []verify.Effect{{Name: evil, Text: evil}}, Tried: true, Node: evil, Closes: true, With: &verify.Report{Nodes: nodes[:1]}}},
	}
}

func render(t *testing.T, r *verify.Report) string {
	t.Helper()
	html, err := page.Render(page.About{Model: evil, Source: evil, Architecture: evil, Backend: evil, Program: evil}, r)
	if err != nil {
		t.Fatal(err)
	}
	return string(html)
}

// TestEscapes finds no text of a report that is markup, and nothing that is fetched.
func TestEscapes(t *testing.T) {
	html := pictures.ReplaceAllString(render(t, report()), "")
	for _, forbidden := range []string{"<script", "http:", "https:", "//", "url(", "ZgotmplZ", "NaN", "Inf"} {
		if strings.Contains(html, forbidden) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
	for _, wanted := range []string{"first out: middle", "no number", "differ</span>", "&lt;script&gt;", "without &lt;script", `id="n2"`, "sample 1: at most 5.0e-01"} {
		if !regexp.MustCompile(wanted).MatchString(html) {
			t.Errorf("the page lacks %q", wanted)
		}
	}
}

// pictures matches the addresses that hold pictures.
var pictures = regexp.MustCompile(`data:image/png;base64,([^"]+)`)

// TestHeat paints the difference on the scale of all samples, the worst sample first.
func TestHeat(t *testing.T) {
	r := report()
	r.Want.Data[3] = float32(math.NaN())
	found := pictures.FindAllStringSubmatch(render(t, r), -1)
	if len(found) != 6 {
		t.Fatalf("%d pictures, want 6", len(found))
	}
	data, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(found[2][1], "&#43;", "+"))
	if err != nil {
		t.Fatal(err)
	}
	heat, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	bright, _, _, _ := heat.At(0, 0).RGBA()
	dark, _, _, _ := heat.At(1, 1).RGBA()
	if bright>>8 < 250 || dark>>8 > 5 {
		t.Errorf("the pixel that differs is %d, another %d", bright>>8, dark>>8)
	}
	if html := render(t, r); !strings.Contains(html, "1 values are no numbers") {
		t.Error("values that are no numbers are not told")
	}
}

// TestWithoutPictures shows a discriminator, and a thinned picture.
func TestWithoutPictures(t *testing.T) {
	r := report()
	r.Got, r.Want = backend.Tensor{}, backend.Tensor{}
	r.Explanations, r.Tried = nil, []string{"one", "two"}
	html := render(t, r)
	if strings.Contains(html, "<h2>Pictures") || !strings.Contains(html, "No known difference explains it. Tried: one, two.") {
		t.Error("pictures without pictures, or causes not told")
	}
}
