package page

import (
	"bytes"
	"encoding/base64"
	"html/template"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/render"
)

// pictures are the samples that a page shows, those that differ most first.
type pictures struct {
	Samples []sample
	Of      int     // in the comparison
	Scale   float64 // the difference that the brightest colour stands for
	Side    int     // pixels of a picture
}

type sample struct {
	Number          int // from 0
	Max             float64
	Got, Want, Diff template.URL
	NotNumbers      int // values that are none, in either
}

// shown bounds the samples of a page: small pictures, and large ones.
func shown(side int) int {
	if side > 128 {
		return 4
	}
	return 8
}

// newPictures encodes the pictures of a comparison; none without pictures.
func newPictures(got, want backend.Tensor) (pictures, error) {
	if len(got.Shape) != 4 || got.Shape[1] != 3 {
		return pictures{}, nil
	}
	n, h, w := got.Shape[0], got.Shape[2], got.Shape[3]
	p := pictures{Of: n, Side: w}
	heats := make([][]float64, n)
	for i := range n {
		a, b := got.Data[i*3*h*w:][:3*h*w], want.Data[i*3*h*w:][:3*h*w]
		s := sample{Number: i}
		heats[i], s.Max, s.NotNumbers = heat(a, b)
		p.Samples = append(p.Samples, s)
	}
	slices.SortStableFunc(p.Samples, func(a, b sample) int {
		if a.Max != b.Max {
			return int(math.Copysign(1, b.Max-a.Max))
		}
		return 0
	})
	p.Samples = p.Samples[:min(n, shown(w))]
	p.Scale = p.Samples[0].Max
	for k := range p.Samples {
		s := &p.Samples[k]
		var err error
		for _, side := range []struct {
			to   *template.URL
			from backend.Tensor
		}{{&s.Got, got}, {&s.Want, want}} {
			if *side.to, err = photograph(side.from.Data[s.Number*3*h*w:][:3*h*w], h, w); err != nil {
				return p, err
			}
		}
		if s.Diff, err = encode(paint(heats[s.Number], p.Scale, w)); err != nil {
			return p, err
		}
	}
	return p, nil
}

// heat is the largest difference of each pixel's channels; NaN where a value is no number.
func heat(a, b []float32) (pixels []float64, most float64, notNumbers int) {
	plane := len(a) / 3
	pixels = make([]float64, plane)
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if math.IsNaN(d) || math.IsInf(d, 0) {
			pixels[i%plane] = math.NaN()
			notNumbers++
			continue
		}
		if d > pixels[i%plane] {
			pixels[i%plane] = d
		}
		most = max(most, d)
	}
	return pixels, most, notNumbers
}

// stops are the colours of a heat map from 0 to its scale; page.html has them as a gradient.
var stops = []color.NRGBA{{0, 0, 4, 255}, {87, 16, 110, 255}, {188, 55, 84, 255}, {249, 142, 9, 255}, {252, 255, 164, 255}}

// notNumber is the colour of pixels that hold values that are no numbers.
var notNumber = color.NRGBA{0, 200, 220, 255}

// paint colours a heat map.
func paint(pixels []float64, scale float64, w int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, len(pixels)/w))
	for i, d := range pixels {
		c := notNumber
		if !math.IsNaN(d) {
			c = between(d / max(scale, math.SmallestNonzeroFloat64))
		}
		m.SetNRGBA(i%w, i/w, c)
	}
	return m
}

// between is the colour at t, 0 to 1.
func between(t float64) color.NRGBA {
	at := min(max(t, 0), 1) * float64(len(stops)-1)
	i := min(int(at), len(stops)-2)
	f := at - float64(i)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-f) + float64(b)*f)) }
	a, b := stops[i], stops[i+1]
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// photograph encodes [3,h,w] in [-1,1]; values that are no numbers become black.
func photograph(values []float32, h, w int) (template.URL, error) {
	clean := make([]float32, len(values))
	for i, v := range values {
		if clean[i] = v; v != v {
			clean[i] = -1
		}
	}
	pixels, err := backend.PixelsOf(backend.Tensor{Shape: []int{1, 3, h, w}, Data: clean})
	if err != nil {
		return "", err
	}
	return encode(render.Images(pixels)[0])
}

// encode is a picture as an address that holds it.
func encode(m image.Image) (template.URL, error) {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return "", err
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())), nil
}
