package render

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// gap is the white line between the pictures of a grid, in pixels.
const gap = 1

// Layout says how pictures stand on a sheet.
type Layout struct {
	Columns  int      // 0 = Columns of the number of pictures
	Captions []string // below each picture; nil = none
	Rows     []string // left of each row; nil = none
}

// Grid puts pictures of one size side by side, columns in a row, on white.
func Grid(images []image.Image, columns int) image.Image {
	return Sheet(images, Layout{Columns: columns})
}

// Columns is the number of columns of the squarest grid of n pictures.
func Columns(n int) int {
	c := 1
	for c*c < n {
		c++
	}
	return c
}

// Sheet puts pictures of one size side by side on white, with a line of one pixel between
// them, as the Colab demo does. Texts are cut to the width of a picture. A single picture
// without texts is itself.
func Sheet(images []image.Image, l Layout) image.Image {
	if len(images) == 1 && l.Captions == nil && l.Rows == nil {
		return images[0]
	}
	if l.Columns <= 0 {
		l.Columns = Columns(len(images))
	}
	columns := max(min(l.Columns, len(images)), 1)
	rows := (len(images) + columns - 1) / columns
	size := images[0].Bounds().Size()
	ink := pen{max(size.X/128, 1), color.NRGBA{0, 0, 0, 255}}
	cell, left := size, 0
	if l.Captions != nil {
		cell.Y += ink.height()
	}
	for _, text := range l.Rows {
		left = max(left, ink.width(text)+gap)
	}
	sheet := image.NewNRGBA(image.Rect(0, 0, left+columns*(cell.X+gap)-gap, rows*(cell.Y+gap)-gap))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	for i, m := range images {
		at := image.Pt(left+i%columns*(cell.X+gap), i/columns*(cell.Y+gap))
		draw.Draw(sheet, image.Rectangle{Min: at, Max: at.Add(size)}, m, m.Bounds().Min, draw.Src)
		if i < len(l.Captions) {
			text := ink.cut(l.Captions[i], size.X)
			ink.write(sheet, at.Add(image.Pt((size.X-ink.width(text))/2, size.Y)), text)
		}
	}
	for row, text := range l.Rows {
		ink.write(sheet, image.Pt(0, row*(cell.Y+gap)+(size.Y-ink.height())/2), text)
	}
	return sheet
}

// pen writes with a bitmap font, so that every machine writes the same pixels.
type pen struct {
	scale int
	ink   color.NRGBA
}

func (p pen) width(text string) int {
	return p.scale * font.MeasureString(basicfont.Face7x13, text).Ceil()
}

func (p pen) height() int { return p.scale * basicfont.Face7x13.Height }

// cut shortens a text to a width in pixels.
func (p pen) cut(text string, width int) string {
	if p.width(text) <= width {
		return text
	}
	runes := []rune(text)
	runes = runes[:min(len(runes), max(width, 1))] // each is a pixel wide at least
	for len(runes) > 0 && p.width(string(runes)+"..") > width {
		runes = runes[:len(runes)-1]
	}
	if len(runes) == 0 {
		return string([]rune(text)[:1])
	}
	return strings.TrimSpace(string(runes)) + ".."
}

// write puts a text's upper left corner at a point.
func (p pen) write(on *image.NRGBA, at image.Point, text string) {
	line := image.NewAlpha(image.Rect(0, 0, p.width(text)/p.scale, basicfont.Face7x13.Height))
	d := font.Drawer{Dst: line, Src: image.Opaque, Face: basicfont.Face7x13, Dot: fixed.P(0, basicfont.Face7x13.Ascent)}
	d.DrawString(text)
	for y := range line.Rect.Dy() * p.scale {
		for x := range line.Rect.Dx() * p.scale {
			if line.AlphaAt(x/p.scale, y/p.scale).A > 0 { // the font knows nothing between 0 and 255
				on.SetNRGBA(at.X+x, at.Y+y, p.ink)
			}
		}
	}
}

// sameSize reports the first picture that has another size than the first one.
func sameSize(images []image.Image) error {
	if len(images) == 0 {
		return fmt.Errorf("render: no pictures")
	}
	want := images[0].Bounds().Size()
	for i, m := range images {
		if got := m.Bounds().Size(); got != want {
			return fmt.Errorf("render: picture %d has %d x %d pixels, want %d x %d", i, got.X, got.Y, want.X, want.Y)
		}
	}
	return nil
}
