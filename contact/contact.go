// Package contact makes contact sheets: pictures that are there, small, each with what it says
// of its making, on pages of any number. It holds the thumbnails of one page at a time, and
// decodes no more pixels at a time than one picture may have.
package contact

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/render"
)

// Caption is what stands below a picture.
type Caption string

const (
	Auto   Caption = "auto" // what it says of its making, else its file's name
	Name   Caption = "name" // its file's name
	Silent Caption = "none"
)

// Captions are all kinds.
var Captions = []Caption{Auto, Name, Silent}

// Options say how a sheet looks.
type Options struct {
	Columns, Rows int    // of a page, from 1; fewer where there are fewer pictures
	Size          int    // of a thumbnail's longer side, MinSize to MaxSize pixels
	Title         string // in the place of the models' names
	Caption       Caption
	Dark          bool
}

// Bounds of Options.Size, and of the pixels of a page.
const (
	MinSize, MaxSize = 16, 1024
	maxPage          = 1 << 26
)

// key is the keyword of the text that tells a contact sheet from other pictures.
const key = "biggan-sheet"

// Said is what the file of a page says of itself.
type Said struct {
	Page     int `json:"page"` // from 1
	Pages    int `json:"pages"`
	Pictures int `json:"pictures"` // on all pages
}

// Read finds what a page says of itself among a file's texts; false where it is no page.
func Read(texts []render.Text) (Said, bool) {
	var s Said
	for _, t := range texts {
		if t.Key == key {
			return s, json.Unmarshal([]byte(t.Value), &s) == nil
		}
	}
	return s, false
}

// Sheet is a contact sheet whose pictures were found, and not yet drawn.
type Sheet struct {
	options  Options
	layout   render.Contact
	pictures []picture
	totals   totals
}

// picture is one of a sheet.
type picture struct {
	part
	pixels int64
	lines  []string // its caption
}

// New finds the pictures of files, folders and .tar files, and reads what they say. A contact
// sheet that stands in a folder is not one of its pictures. found may be nil; it is told how
// many of all are read. Errors wrap ErrNone, ErrTar, render.ErrPNG or render.ErrGIF, or are the
// file system's.
func New(ctx context.Context, places []string, o Options, found func(n, of int)) (*Sheet, error) {
	parts, err := find(places)
	if err != nil {
		return nil, err
	}
	s := &Sheet{options: o}
	for i, p := range parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		about, err := look(p)
		if err != nil {
			return nil, err
		}
		if !about.sheet || p.given {
			s.pictures = append(s.pictures, picture{p, about.pixels, caption(p, about.recipe, o.Caption)})
			s.totals.add(about.recipe)
		}
		if found != nil {
			found(i+1, len(parts))
		}
	}
	if len(s.pictures) == 0 {
		return nil, fmt.Errorf("%s: %w: it holds contact sheets alone", places[0], ErrNone)
	}
	lines := 3
	switch o.Caption {
	case Name:
		lines = 1
	case Silent:
		lines = 0
	}
	columns := min(o.Columns, len(s.pictures))
	rows := min(o.Rows, (len(s.pictures)+columns-1)/columns)
	s.layout = render.Contact{Side: o.Size, Columns: columns, Lines: lines, Dark: o.Dark}
	if size := s.layout.Size(headerLines, rows); size.Y > maxPage/size.X {
		return nil, fmt.Errorf("%w: %d columns and %d rows of %d pixels make a page of %d x %d, want at most %d pixels in all", ErrPage, columns, rows, o.Size, size.X, size.Y, maxPage)
	}
	return s, nil
}

// ErrPage means that a page cannot be as large as asked for.
var ErrPage = errors.New("page too large")

// about is what a picture's file says.
type about struct {
	pixels int64
	recipe *recipe.Recipe // nil = nothing about its making
	sheet  bool           // it is a contact sheet
}

// look reads a picture's file without decoding it.
func look(p part) (a about, err error) {
	data, err := p.read()
	if err != nil {
		return a, err
	}
	read := render.ReadPNG
	if render.IsGIF(data) {
		read = render.ReadGIF
	}
	info, err := read(data)
	if err != nil {
		return a, fmt.Errorf("%v: %w", p, err)
	}
	size, err := render.Size(data)
	if err != nil {
		return a, fmt.Errorf("%v: %w", p, err)
	}
	a.pixels = int64(size.X) * int64(size.Y)
	_, a.sheet = Read(info.Texts)
	if r, err := recipe.Read(info.Texts); err == nil {
		a.recipe = &r
	}
	return a, nil
}

// Pictures is the number of pictures.
func (s *Sheet) Pictures() int { return len(s.pictures) }

// Pages is the number of pages.
func (s *Sheet) Pages() int { return (len(s.pictures) + s.perPage() - 1) / s.perPage() }

func (s *Sheet) perPage() int { return s.layout.Columns * s.options.Rows }

// Page draws page i, from 0; drawn is told after each picture, one call at a time. The texts
// are for its file.
func (s *Sheet) Page(ctx context.Context, i int, drawn func()) (image.Image, []render.Text, error) {
	first := i * s.perPage()
	pictures := s.pictures[first:min(first+s.perPage(), len(s.pictures))]
	cards, err := s.cards(ctx, pictures, drawn)
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(Said{i + 1, s.Pages(), len(s.pictures)})
	if err != nil {
		return nil, nil, err
	}
	texts := []render.Text{{Key: "Software", Value: "biggan"}, {Key: key, Value: string(text)}}
	return s.layout.Page(s.header(i), cards), texts, nil
}

// cards makes the thumbnails of a page, several at a time as long as they are small together.
func (s *Sheet) cards(ctx context.Context, pictures []picture, drawn func()) ([]render.Card, error) {
	cards := make([]render.Card, len(pictures))
	pixels := semaphore.NewWeighted(render.MaxPixels)
	var telling sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range pictures {
		group.Go(func() error {
			if err := pixels.Acquire(ctx, p.pixels); err != nil {
				return err
			}
			defer pixels.Release(p.pixels)
			var err error
			if cards[i], err = s.card(p); err == nil {
				telling.Lock()
				drawn()
				telling.Unlock()
			}
			return err
		})
	}
	return cards, group.Wait()
}

// card makes the thumbnail of a picture.
func (s *Sheet) card(p picture) (render.Card, error) {
	data, err := p.read()
	if err != nil {
		return render.Card{}, err
	}
	if size, err := render.Size(data); err != nil || int64(size.X)*int64(size.Y) != p.pixels {
		return render.Card{}, fmt.Errorf("%v: %w: it changed while it was read", p, render.ErrPNG)
	}
	m, err := render.Decode(data)
	if err != nil {
		return render.Card{}, fmt.Errorf("%v: %w", p, err)
	}
	return render.Card{Image: render.Fit(m, s.options.Size), Lines: p.lines}, nil
}
