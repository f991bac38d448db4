// Package page writes a report of verify as one HTML page that asks for nothing outside:
// the pictures and their difference, the error by depth, every node, and the explanations.
package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"

	"github.com/biggan-zoo/biggan/verify"
)

//go:embed page.html
var source string

var tmpl = template.Must(template.New("page").Funcs(template.FuncMap{"number": number}).Parse(source))

// About says what was compared.
type About struct {
	Model        string // name or path
	Source       string // format that it was converted from
	Architecture string
	Backend      string
	Program      string // that compared, with its version
}

// view is what the template shows.
type view struct {
	About
	*verify.Report
	Worst    verify.Difference // the node furthest out of its tolerance
	Levels   string            // the largest difference of the pictures, in steps of a byte
	Pictures pictures
	Plot     plot
}

// Render makes the page. Every text in it is escaped.
func Render(about About, r *verify.Report) ([]byte, error) {
	v := view{About: about, Report: r, Plot: newPlot(r)}
	for _, d := range r.Nodes {
		if d.Max/d.Tolerance > v.Worst.Max/v.Worst.Tolerance || v.Worst.Name == "" {
			v.Worst = d
		}
	}
	var err error
	if v.Pictures, err = newPictures(r.Got, r.Want); err != nil {
		return nil, err
	}
	v.Levels = steps(v.Pictures.Scale)
	var b bytes.Buffer
	if err := tmpl.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return b.Bytes(), nil
}

// number writes a difference.
func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= math.MaxFloat64:
		return "no number"
	}
	return fmt.Sprintf("%.1e", v)
}

// steps writes a difference of values in [-1, 1] in steps of a byte.
func steps(v float64) string {
	if n := v * 128; n < 10 {
		return fmt.Sprintf("%.2g", n)
	}
	return fmt.Sprintf("%.0f", v*128)
}
