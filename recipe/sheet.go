package recipe

import (
	"bytes"
	"image"
	"path/filepath"
	"strings"

	"github.com/biggan-zoo/biggan/render"
)

// Sheet is pictures of one size in the order of their sheet, row by row.
type Sheet struct {
	Images   []image.Image
	Captions []string // of each picture
	rows     []string // of each row
	columns  int      // 0 = the squarest
	byColumn bool     // an animation shows column after column; else row after row
}

// Still is one picture of all.
func (s *Sheet) Still(captions bool) image.Image {
	l := render.Layout{Columns: s.columns}
	if captions {
		l.Captions, l.Rows = s.Captions, s.rows
	}
	return render.Sheet(s.Images, l)
}

// frames are the pictures of an animation: what a row or a column holds, together.
func (s *Sheet) frames(captions bool) []image.Image {
	length := 1 // of a row
	if s.byColumn || len(s.rows) > 0 {
		length = s.columns
	}
	step, count, within := 1, len(s.Images)/length, length
	if s.byColumn {
		step, count, within = length, length, len(s.Images)/length
	}
	var frames []image.Image
	for f := range count {
		first := f * length
		if s.byColumn {
			first = f
		}
		var part Sheet
		for i := range within {
			part.Images = append(part.Images, s.Images[first+i*step])
			part.Captions = append(part.Captions, s.Captions[first+i*step])
		}
		frames = append(frames, part.Still(captions))
	}
	return frames
}

// Extensions are the kinds of files that a sheet can be written as.
var Extensions = []string{".png", ".gif", ".apng"}

// Extension is the kind of file that a path asks for; PNG where it has no name.
func Extension(path string) string {
	if path == "" || path == "-" {
		return ".png"
	}
	return strings.ToLower(filepath.Ext(path))
}

// Encode makes a file of a sheet, with the recipe in it if metadata is wanted.
func (r Recipe) Encode(s *Sheet, extension string, metadata bool) ([]byte, error) {
	var texts []render.Text
	var err error
	if metadata {
		if texts, err = r.Texts(); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	switch extension {
	case ".gif":
		err = render.WriteGIF(&b, render.Animation{Frames: s.frames(r.Labels), FPS: r.FPS, Texts: texts})
	case ".apng":
		err = render.WriteAPNG(&b, render.Animation{Frames: s.frames(r.Labels), FPS: r.FPS, Texts: texts})
	default:
		err = render.WritePNG(&b, s.Still(r.Labels), texts)
	}
	return b.Bytes(), err
}
