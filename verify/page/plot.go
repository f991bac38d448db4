package page

import (
	"fmt"
	"math"
	"strings"

	"github.com/biggan-zoo/biggan/verify"
)

// The plot's frame, in units of its view box.
const (
	plotWidth, plotHeight = 960.0, 340.0
	left, right           = 64.0, 14.0
	top, bottom           = 26.0, 34.0
)

// plot is the error by depth, on a logarithmic scale.
type plot struct {
	Width, Height float64
	Left, Right   float64 // of the frame
	Top, Bottom   float64
	Ticks         []tick
	Points        []point
	Line          string // of the largest differences
	Tolerance     string // line of the tolerances
	After         string // with the causes of the first explanation taken away, or ""
	AfterPoints   []point
	AfterName     string
	First         *point // the first node out of its tolerance
	FirstAnchor   string // text-anchor that keeps its label inside
}

type tick struct {
	Y    float64
	Text string // power of ten
}

type point struct {
	Index int
	X, Y  float64
	Node  verify.Difference
}

// newPlot places the nodes of a report.
func newPlot(r *verify.Report) plot {
	p := plot{Width: plotWidth, Height: plotHeight, Left: left, Right: plotWidth - right, Top: top, Bottom: plotHeight - bottom}
	after := map[string]verify.Difference{}
	if len(r.Explanations) > 0 && r.Explanations[0].With != nil {
		p.AfterName = r.Explanations[0].Title()
		for _, d := range r.Explanations[0].With.Nodes {
			after[d.Name] = d
		}
	}
	s := newScale(r.Nodes, after)
	for e := s.lo; e <= s.hi; e += s.step() {
		p.Ticks = append(p.Ticks, tick{s.y(math.Pow(10, float64(e))), fmt.Sprintf("1e%+03d", e)})
	}
	var line, tolerance, fixed []string
	for i, d := range r.Nodes {
		x := left + (plotWidth-left-right)*(float64(i)+0.5)/float64(len(r.Nodes))
		pt := point{i, x, s.y(d.Max), d}
		p.Points = append(p.Points, pt)
		line = append(line, at(x, pt.Y))
		if i == 0 {
			tolerance = append(tolerance, at(left, s.y(d.Tolerance)))
		}
		tolerance = append(tolerance, at(x, s.y(d.Tolerance)))
		if i == len(r.Nodes)-1 {
			tolerance = append(tolerance, at(plotWidth-right, s.y(d.Tolerance)))
		}
		if a, ok := after[d.Name]; ok {
			p.AfterPoints = append(p.AfterPoints, point{i, x, s.y(a.Max), a})
			fixed = append(fixed, at(x, s.y(a.Max)))
		}
		if d.Name == r.First {
			p.First, p.FirstAnchor = &pt, anchor(x)
		}
	}
	p.Line, p.Tolerance, p.After = strings.Join(line, " "), strings.Join(tolerance, " "), strings.Join(fixed, " ")
	return p
}

func at(x, y float64) string { return fmt.Sprintf("%.1f,%.1f", x, y) }

// anchor keeps a label inside the frame.
func anchor(x float64) string {
	switch {
	case x < plotWidth/3:
		return "start"
	case x > plotWidth*2/3:
		return "end"
	}
	return "middle"
}

// scale is a logarithmic axis from 10^lo to 10^hi.
type scale struct{ lo, hi int }

// The powers of ten that an axis may show: smaller differences lie on its bottom.
const lowest, highest = -9, 6

func newScale(nodes []verify.Difference, after map[string]verify.Difference) scale {
	s := scale{highest, lowest}
	include := func(v float64) {
		if v > 0 {
			e := math.Log10(v)
			s.lo = min(s.lo, max(int(math.Floor(e)), lowest))
			s.hi = max(s.hi, min(int(math.Ceil(e)), highest))
		}
	}
	for _, d := range nodes {
		include(d.Max)
		include(d.Tolerance)
		include(after[d.Name].Max)
	}
	if s.lo >= s.hi {
		s.lo = s.hi - 1
	}
	return s
}

// step is between labelled powers.
func (s scale) step() int { return 1 + (s.hi-s.lo)/9 }

func (s scale) y(v float64) float64 {
	e := float64(s.lo)
	if v > 0 {
		e = min(max(math.Log10(v), float64(s.lo)), float64(s.hi))
	}
	share := (e - float64(s.lo)) / float64(s.hi-s.lo)
	return plotHeight - bottom - share*(plotHeight-top-bottom)
}
