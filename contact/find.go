package contact

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/biggan-zoo/biggan/render"
)

// ErrNone means that there is nothing to put on a sheet.
var ErrNone = errors.New("no pictures")

// maxFile bounds the files that are read, in bytes: no picture that is decoded needs more.
const maxFile = 4*render.MaxPixels + 1<<20

// extensions are those of the files that a folder or a .tar file gives.
var extensions = []string{".png", ".apng", ".gif"}

// pictureName reports whether a name is that of a picture; hidden files are none.
func pictureName(name string) bool {
	return !strings.HasPrefix(path.Base(name), ".") && slices.Contains(extensions, strings.ToLower(path.Ext(name)))
}

// part is where a picture's bytes stand: in a file, from an offset.
type part struct {
	path         string
	name         string // within a .tar file; else ""
	offset, size int64
	given        bool // named by itself, not by its folder
}

// String names the part in errors.
func (p part) String() string {
	if p.name == "" {
		return p.path
	}
	return p.path + ": " + p.name
}

// base is the file's name without its folders.
func (p part) base() string {
	if p.name != "" {
		return path.Base(p.name)
	}
	return filepath.Base(p.path)
}

// read reads the bytes.
func (p part) read() ([]byte, error) {
	if p.size > maxFile {
		return nil, fmt.Errorf("%v: %w: %d bytes, want at most %d", p, render.ErrPNG, p.size, maxFile)
	}
	f, err := os.Open(p.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, p.size)
	if _, err := io.ReadFull(io.NewSectionReader(f, p.offset, p.size), data); err != nil {
		return nil, fmt.Errorf("%v: %w", p, err)
	}
	return data, nil
}

// find lists the pictures of files, folders and .tar files, in this order; those of a folder by
// their names, with numbers in them as numbers.
func find(places []string) ([]part, error) {
	var parts []part
	for _, place := range places {
		info, err := os.Stat(place)
		if err != nil {
			return nil, err
		}
		var found []part
		switch {
		case info.IsDir():
			found, err = inFolder(place)
		case strings.EqualFold(filepath.Ext(place), ".tar"):
			found, err = inTar(place)
		default:
			found = []part{{path: place, size: info.Size(), given: true}}
		}
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: %w: it holds no %s file", place, ErrNone, strings.Join(extensions, ", "))
		}
		parts = append(parts, found...)
	}
	return parts, nil
}

func inFolder(folder string) ([]part, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, e := range entries {
		if !pictureName(e.Name()) {
			continue
		}
		file := filepath.Join(folder, e.Name())
		info, err := os.Stat(file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue // taken away meanwhile, a folder of that name
		}
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{path: file, size: info.Size()})
	}
	slices.SortStableFunc(parts, func(a, b part) int { return byNumber(a.path, b.path) })
	return parts, nil
}

// inTar lists the pictures of a .tar file, in its order.
func inTar(file string) ([]part, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var parts []part
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %v", file, ErrTar, err)
		}
		if h.Typeflag != tar.TypeReg || !pictureName(h.Name) {
			continue
		}
		at, err := f.Seek(0, io.SeekCurrent) // the reader takes a header and nothing behind it
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{path: file, name: h.Name, offset: at, size: h.Size})
	}
}

// ErrTar is wrapped by errors about a .tar file that is corrupt.
var ErrTar = errors.New("refused .tar file")

// byNumber compares names; digits in them compare as numbers, so that 9 comes before 10.
func byNumber(a, b string) int {
	for a != "" && b != "" {
		x, y := digits(a), digits(b)
		if x == "" || y == "" {
			if a[0] != b[0] {
				return int(a[0]) - int(b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		a, b = a[len(x):], b[len(y):]
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if len(x) != len(y) {
			return len(x) - len(y)
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

// digits are those that a text begins with.
func digits(text string) string {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return text[:n]
}
