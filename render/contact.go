package render

import (
	"image"
	"image/color"
	"image/draw"
)

// Card is a picture on a contact sheet, and what stands below it.
type Card struct {
	Image *image.NRGBA // as Fit makes it
	Lines []string
}

// Contact says how cards stand on a page.
type Contact struct {
	Side    int // of the square that a picture stands in the middle of, in pixels
	Columns int
	Lines   int // below every picture
	Dark    bool
}

// contactScheme is the colours of a page: its ground, its header and first lines, other lines.
type contactScheme struct{ ground, ink, faint color.NRGBA }

var (
	lightScheme = contactScheme{color.NRGBA{255, 255, 255, 255}, color.NRGBA{0, 0, 0, 255}, color.NRGBA{96, 96, 96, 255}}
	darkScheme  = contactScheme{color.NRGBA{24, 24, 24, 255}, color.NRGBA{235, 235, 235, 255}, color.NRGBA{160, 160, 160, 255}}
)

// Size is that of a page of rows of cards under a header of lines.
func (c Contact) Size(header, rows int) image.Point {
	margin := c.margin()
	top := margin
	if header > 0 {
		top += header*c.pen().height() + margin
	}
	return image.Pt(margin+c.Columns*(c.Side+margin), top+rows*(c.cell()+margin))
}

// pen writes larger below larger pictures.
func (c Contact) pen() pen { return pen{scale: max(c.Side/128, 1)} }

// margin is what is left free around each card.
func (c Contact) margin() int { return max(c.Side/16, 4) }

// cell is the height of a card.
func (c Contact) cell() int { return c.Side + c.Lines*c.pen().height() }

// Page draws cards, columns in a row, under a header. Texts are cut to what they stand over
// or below.
func (c Contact) Page(header []string, cards []Card) image.Image {
	scheme := lightScheme
	if c.Dark {
		scheme = darkScheme
	}
	rows := (len(cards) + c.Columns - 1) / c.Columns
	size, margin := c.Size(len(header), rows), c.margin()
	page := image.NewNRGBA(image.Rectangle{Max: size})
	draw.Draw(page, page.Rect, image.NewUniform(scheme.ground), image.Point{}, draw.Src)
	ink, faint := c.pen(), c.pen()
	ink.ink, faint.ink = scheme.ink, scheme.faint
	for i, text := range header {
		p := faint
		if i == 0 {
			p = ink
		}
		p.write(page, image.Pt(margin, margin+i*p.height()), p.cut(text, size.X-2*margin))
	}
	top := size.Y - rows*(c.cell()+margin)
	for i, card := range cards {
		at := image.Pt(margin+i%c.Columns*(c.Side+margin), top+i/c.Columns*(c.cell()+margin))
		c.place(page, at, card.Image)
		for line, text := range card.Lines[:min(c.Lines, len(card.Lines))] {
			p := faint
			if line == 0 {
				p = ink
			}
			text = p.cut(text, c.Side)
			p.write(page, at.Add(image.Pt((c.Side-p.width(text))/2, c.Side+line*p.height())), text)
		}
	}
	return page
}

// place puts a picture into the middle of its square; what it lets through is the ground.
func (c Contact) place(page *image.NRGBA, at image.Point, m *image.NRGBA) {
	at = at.Add(image.Pt((c.Side-m.Rect.Dx())/2, (c.Side-m.Rect.Dy())/2))
	draw.Draw(page, m.Rect.Add(at), m, image.Point{}, draw.Over)
}
