package render

import (
	"image"
	"image/color"
	"slices"
)

// maxColours is the size of a GIF palette.
const maxColours = 256

// swatch is a colour and how many pixels have it.
type swatch struct {
	c [3]float64
	n float64
}

// palette chooses at most 256 colours for a picture: its own if it has no more; else the
// means of boxes that are cut where the squared error is largest, moved to the means of the
// pixels that are nearest (Lloyd 1982) for a few rounds.
func palette(m *image.NRGBA) color.Palette {
	swatches, exact := histogram(m)
	if exact {
		return colours(swatches)
	}
	boxes := [][]swatch{swatches}
	for len(boxes) < maxColours {
		worst := worstBox(boxes)
		a, b := cut(boxes[worst])
		if b == nil {
			break
		}
		boxes[worst] = a
		boxes = append(boxes, b)
	}
	centres := make([]swatch, len(boxes))
	for i, box := range boxes {
		centres[i] = mean(box)
	}
	const rounds = 4
	for range rounds {
		centres = lloyd(swatches, centres)
	}
	return colours(centres)
}

// histogram counts the colours of a picture; where they are too many for a palette it takes
// the means of cubes of 4x4x4.
func histogram(m *image.NRGBA) (swatches []swatch, exact bool) {
	counts := map[[3]byte]float64{}
	for i := 0; i < len(m.Pix); i += 4 {
		counts[[3]byte(m.Pix[i:])]++
	}
	exact = len(counts) <= maxColours
	cubes := map[[3]byte]swatch{}
	for c, n := range counts {
		key := c
		if !exact {
			key = [3]byte{c[0] >> 2, c[1] >> 2, c[2] >> 2}
		}
		s := cubes[key]
		for k := range c {
			s.c[k] += n * float64(c[k])
		}
		s.n += n
		cubes[key] = s
	}
	for _, s := range cubes {
		for k := range s.c {
			s.c[k] /= s.n
		}
		swatches = append(swatches, s)
	}
	slices.SortFunc(swatches, func(a, b swatch) int { return slices.Compare(a.c[:], b.c[:]) })
	return swatches, exact
}

func colours(swatches []swatch) color.Palette {
	p := make(color.Palette, len(swatches))
	for i, s := range swatches {
		p[i] = color.NRGBA{uint8(s.c[0] + 0.5), uint8(s.c[1] + 0.5), uint8(s.c[2] + 0.5), 255}
	}
	return p
}

func mean(box []swatch) swatch {
	var m swatch
	for _, s := range box {
		for k := range m.c {
			m.c[k] += s.n * s.c[k]
		}
		m.n += s.n
	}
	for k := range m.c {
		m.c[k] /= m.n
	}
	return m
}

// spread is the squared error of a box along each channel.
func spread(box []swatch) (e [3]float64) {
	m := mean(box)
	for _, s := range box {
		for k := range e {
			d := s.c[k] - m.c[k]
			e[k] += s.n * d * d
		}
	}
	return e
}

func worstBox(boxes [][]swatch) int {
	worst, most := 0, -1.0
	for i, box := range boxes {
		if e := spread(box); e[0]+e[1]+e[2] > most {
			worst, most = i, e[0]+e[1]+e[2]
		}
	}
	return worst
}

// cut parts a box at its mean along the channel of the largest error; b is nil if it is one colour.
func cut(box []swatch) (a, b []swatch) {
	e, m := spread(box), mean(box)
	k := 0
	for i := range e {
		if e[i] > e[k] {
			k = i
		}
	}
	for _, s := range box {
		if s.c[k] <= m.c[k] {
			a = append(a, s)
		} else {
			b = append(b, s)
		}
	}
	return a, b
}

// lloyd moves every centre to the mean of the swatches that it is nearest to.
func lloyd(swatches, centres []swatch) []swatch {
	moved := make([][]swatch, len(centres))
	for _, s := range swatches {
		best, least := 0, -1.0
		for i, c := range centres {
			if d := distance(s.c, c.c); least < 0 || d < least {
				best, least = i, d
			}
		}
		moved[best] = append(moved[best], s)
	}
	out := slices.Clone(centres)
	for i, box := range moved {
		if len(box) > 0 {
			out[i] = mean(box)
		}
	}
	return out
}

func distance(a, b [3]float64) float64 {
	d0, d1, d2 := a[0]-b[0], a[1]-b[1], a[2]-b[2]
	return d0*d0 + d1*d1 + d2*d2
}
