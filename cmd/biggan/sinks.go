package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/dataset"
	"github.com/biggan-zoo/biggan/recipe"
)

// pictureFile is where a sheet goes: one file, standard output, or the next free name.
type pictureFile struct {
	app *app
	out string // "" = the next free biggan-NNN.png, "-" = stdout
}

// prepare finds out early what would fail late.
func (f pictureFile) prepare() error {
	if f.out == "" || f.out == "-" {
		return nil
	}
	if !slices.Contains(recipe.Extensions, recipe.Extension(f.out)) {
		return usage("-o %s: want a .png, .gif or .apng file, or -", f.out)
	}
	return atomicfile.Check(f.out, f.app.force)
}

// write writes the file and says where; nowhere is standard output.
func (f pictureFile) write(data []byte) ([]string, error) {
	switch f.out {
	case "-":
		_, err := f.app.stdout.Write(data)
		return nil, err
	case "":
		path, err := writeNext(data)
		return []string{path}, err
	}
	return []string{f.out}, atomicfile.Write(f.out, data, f.app.force)
}

// writeNext writes the next free biggan-NNN.png.
func writeNext(data []byte) (string, error) {
	for i := 1; ; i++ {
		path := fmt.Sprintf("biggan-%03d.png", i)
		if err := atomicfile.Write(path, data, false); !errors.Is(err, atomicfile.ErrExists) {
			return path, err
		}
	}
}

// isFolder reports whether an output means a folder.
func isFolder(out string) bool {
	info, err := os.Stat(out)
	return strings.HasSuffix(out, "/") || err == nil && info.IsDir()
}

// folder gets one file a picture.
type folder struct {
	app   *app
	name  string
	made  bool
	paths []string
}

func (f *folder) prepare() error {
	if info, err := os.Stat(filepath.Clean(f.name)); err == nil && !info.IsDir() {
		return usage("-o %s: a file stands there, want a folder", f.name)
	} else if err == nil {
		return nil
	}
	err := os.Mkdir(f.name, 0o755)
	f.made = err == nil
	return err
}

// write writes the file of one picture.
func (f *folder) write(p biggan.Picture, class string, data []byte) error {
	path := filepath.Join(f.name, dataset.Name(p.Index, 0, class))
	if err := atomicfile.Write(path, data, f.app.force); err != nil {
		return err
	}
	f.paths = append(f.paths, path)
	return nil
}

// discard keeps whole pictures, and takes back the folder if it has none.
func (f *folder) discard() error {
	if f.made && len(f.paths) == 0 {
		return os.Remove(f.name)
	}
	return nil
}
