package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/contact"
	"github.com/biggan-zoo/biggan/render"
)

// sheetJSON is the document of sheet.
type sheetJSON struct {
	Paths    []string `json:"paths"` // a page each
	Pictures int      `json:"pictures"`
}

func newSheet(a *app) *cobra.Command {
	var o contact.Options
	var out, background, caption string
	cmd := &cobra.Command{
		Use:   "sheet PICTURE|FOLDER|FILE.tar... -o OUT.png",
		Short: "Make a contact sheet of pictures that are there",
		Long: `Make a contact sheet of PNG, APNG and GIF files, of those in folders, and of those in the .tar
files that generate writes: small pictures, each with its class, seed, number and truncation as
its file says them, or with the file's name, under a header with the model and totals. Pictures
of any size stand together, in the order of the command line, those of a folder by name (9 before
10). Of an animation the first frame is shown.

More pictures than a page holds make several files, OUT-001.png, OUT-002.png and so on. The
pictures are read one after another: there may be any number of them. Contact sheets that stand
in a folder are passed over.`,
		Example: `  biggan generate -n 300 --seed 3 -o many/
  biggan sheet many/ -o many.png
  biggan sheet a.png b.png old/ samples.tar -o sheet.png --columns 6 --size 96 --background dark`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Caption, o.Dark = contact.Caption(caption), background == "dark"
			if err := a.checkSheet(o, out, background); err != nil {
				return err
			}
			return a.sheet(cmd.Context(), args, o, out)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "OUT.png, - for stdout if there is one page")
	f.IntVar(&o.Columns, "columns", 8, "pictures in a row, at most")
	f.IntVar(&o.Rows, "rows", 10, "rows on a page, at most")
	f.IntVar(&o.Size, "size", 128, fmt.Sprintf("longer side of a picture in pixels, %d to %d", contact.MinSize, contact.MaxSize))
	f.StringVar(&o.Title, "title", "", "first line of the header (default the model)")
	f.StringVar(&caption, "caption", string(contact.Auto), "below a picture: auto (what it says of its making, else its name), name, none")
	f.StringVar(&background, "background", "light", "light or dark")
	return cmd
}

// checkSheet checks the flags of sheet.
func (a *app) checkSheet(o contact.Options, out, background string) error {
	const most = 1000
	switch {
	case out == "":
		return usage("sheet needs -o OUT.png")
	case out != "-" && !strings.EqualFold(filepath.Ext(out), ".png"):
		return usage("-o %s: want a .png file, or -", out)
	case o.Columns < 1 || o.Columns > most || o.Rows < 1 || o.Rows > most:
		return usage("--columns %d, --rows %d: want 1 to %d", o.Columns, o.Rows, most)
	case o.Size < contact.MinSize || o.Size > contact.MaxSize:
		return usage("--size %d: want %d to %d", o.Size, contact.MinSize, contact.MaxSize)
	case !slices.Contains(contact.Captions, o.Caption):
		return usage("--caption %q: want one of %s", o.Caption, names(contact.Captions))
	case background != "light" && background != "dark":
		return usage("--background %q: want light or dark", background)
	}
	return a.checkStdout(out)
}

// sheet writes the pages of a contact sheet, all or none.
func (a *app) sheet(ctx context.Context, places []string, o contact.Options, out string) error {
	reading := a.newProgress("reading", false)
	s, err := contact.New(ctx, places, o, func(n, of int) { reading.update(int64(n), int64(of)) })
	reading.finish()
	if err != nil {
		return err
	}
	if out == "-" {
		if s.Pages() > 1 {
			return usage("-o -: %d pictures make %d pages, stdout takes one: more --columns or --rows, or -o OUT.png", s.Pictures(), s.Pages())
		}
		page, err := a.page(ctx, s, 0, func() {})
		if err != nil {
			return err
		}
		_, err = a.stdout.Write(page)
		return err
	}
	files := make([]*atomicfile.File, s.Pages())
	doc := sheetJSON{Pictures: s.Pictures()}
	for i := range files {
		doc.Paths = append(doc.Paths, pagePath(out, i, s.Pages()))
		if files[i], err = atomicfile.Create(doc.Paths[i], a.force); err != nil {
			return err
		}
		defer files[i].Close()
	}
	drawing, drawn := a.newProgress("drawing", false), 0
	defer drawing.finish()
	for i, file := range files {
		page, err := a.page(ctx, s, i, func() {
			drawn++
			drawing.update(int64(drawn), int64(s.Pictures()))
		})
		if err == nil {
			_, err = file.Write(page)
		}
		if err != nil {
			return err
		}
	}
	for _, file := range files {
		if err := file.Commit(); err != nil {
			return err
		}
	}
	a.tell("pictures: %d, pages: %d", s.Pictures(), s.Pages())
	return a.print(doc, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, strings.Join(doc.Paths, "\n"))
		return err
	})
}

// page is the file of a page.
func (a *app) page(ctx context.Context, s *contact.Sheet, i int, drawn func()) ([]byte, error) {
	m, texts, err := s.Page(ctx, i, drawn)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = render.WritePNG(&b, m, texts)
	return b.Bytes(), err
}

// pagePath is where page i goes: OUT.png, or OUT-001.png where there are several.
func pagePath(out string, i, pages int) string {
	if pages == 1 {
		return out
	}
	ext := filepath.Ext(out)
	return fmt.Sprintf("%s-%0*d%s", strings.TrimSuffix(out, ext), max(3, len(fmt.Sprint(pages))), i+1, ext)
}
