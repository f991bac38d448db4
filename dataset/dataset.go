// Package dataset makes very many pictures in files. A plan says which file holds which
// picture; every file is written whole under its name, so that a run that was broken off is
// gone on with by making the files that are not there, on as many machines as there are.
package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/recipe"
)

// ErrPlan means that a plan cannot be meant.
var ErrPlan = errors.New("bad plan")

// Kind is how files hold pictures.
type Kind string

const (
	PNG Kind = "png" // a folder of PNG files, one a picture
	Tar Kind = "tar" // NNN.png and NNN.cls a picture, as WebDataset reads them
	NPZ Kind = "npz" // arr_0 uint8 [n, h, w, 3] and arr_1 int64 [n], as evaluators of generators read them
)

// version is that of manifests.
const version = 1

// Plan is a run. Its JSON form is the manifest, which stands beside the files before the first of them.
type Plan struct {
	Version  int           `json:"version"`
	Kind     Kind          `json:"kind"`
	N        int           `json:"n"`        // pictures in all
	First    int           `json:"first"`    // number of the first among those of the seed
	PerFile  int           `json:"per_file"` // pictures a file
	Metadata bool          `json:"metadata"` // PNG files say how they were made
	Recipe   recipe.Recipe `json:"recipe"`   // without indices and classes
	Classes  []string      `json:"classes"`  // of each picture: its number, or a mix "292:0.6,291:0.4"
}

// Order asks for a run.
type Order struct {
	Recipe   recipe.Recipe // of pictures; its indices and classes are of no account
	Kind     Kind
	Out      string // the folder, or OUT.tar or OUT.npz; several, numbered, for more than PerFile pictures
	First, N int    // the pictures N from the number First
	PerFile  int    // of .tar and .npz files
	Metadata bool   // PNG files say how they were made
}

// Run is a plan with a model and a place.
type Run struct {
	plan  Plan
	model *biggan.Model
	mixes []labels.Mix
	out   string
	store Store
}

// New plans a run. Errors wrap ErrPlan, or are those of biggan.Request.
func New(m *biggan.Model, o Order, store Store) (*Run, error) {
	r := o.Recipe
	if o.Kind == PNG {
		o.PerFile = 1
	}
	if r.Pictures == nil || r.Sweep != nil || r.Latents {
		return nil, fmt.Errorf("%w: very many pictures are of a seed, without a sweep or latent vectors", ErrPlan)
	}
	if o.N < 1 || o.PerFile < 1 {
		return nil, fmt.Errorf("%w: %d pictures, %d a file", ErrPlan, o.N, o.PerFile)
	}
	pictures := *r.Pictures
	r.Pictures, r.Classes = &pictures, nil
	r.Indices = nil
	if len(r.Asked) == 0 {
		r.Drawn = min(o.N, m.Labels.Len()) // each class as often as any other
	}
	run := &Run{Plan{version, o.Kind, o.N, o.First, o.PerFile, o.Metadata, r, nil}, m, nil, o.Out, store}
	q, err := run.request(o.First, o.N)
	if err != nil {
		return nil, err
	}
	if run.mixes, err = m.Classes(q); err != nil {
		return nil, err
	}
	for _, mix := range run.mixes {
		run.plan.Classes = append(run.plan.Classes, numbers(mix))
	}
	return run, nil
}

// numbers writes a mix by the numbers of its classes.
func numbers(mix labels.Mix) string {
	if len(mix) == 1 {
		return strconv.Itoa(mix[0].Class)
	}
	var parts []string
	for _, s := range mix {
		parts = append(parts, fmt.Sprintf("%d:%v", s.Class, s.Weight))
	}
	return strings.Join(parts, ",")
}

// request asks for pictures by their numbers.
func (r *Run) request(first, n int) (biggan.Request, error) {
	q, err := r.plan.Recipe.Request()
	q.First, q.N = first, n
	return q, err
}

// Pictures is the number of pictures of the plan.
func (r *Run) Pictures() int { return r.plan.N }

// Files is the number of files of the plan.
func (r *Run) Files() int { return (r.plan.N + r.plan.PerFile - 1) / r.plan.PerFile }

// PicturesOf is the number of pictures of files.
func (r *Run) PicturesOf(files []int) int {
	n := 0
	for _, file := range files {
		from, to := r.bounds(file)
		n += to - from
	}
	return n
}

// bounds are the numbers of a file's pictures within the plan.
func (r *Run) bounds(file int) (from, to int) {
	return file * r.plan.PerFile, min((file+1)*r.plan.PerFile, r.plan.N)
}

// Shard is the files of part i of k, from 1: their numbers from and before to.
func (r *Run) Shard(i, k int) (from, to int) {
	return r.Files() * (i - 1) / k, r.Files() * i / k
}

// digits is the width of numbers in names.
func digits(most int) int { return max(3, len(strconv.Itoa(most))) }

var unsafeInNames = regexp.MustCompile(`[^A-Za-z0-9_]+`)

// Name is the file name of a single picture: its number and its class.
func Name(index, most int, class string) string {
	return fmt.Sprintf("%0*d-%s.png", digits(most), index, strings.Trim(unsafeInNames.ReplaceAllString(class, "-"), "-"))
}

// in is a path in the folder, which may be that of a bucket.
func (r *Run) in(name string) string { return strings.TrimRight(r.out, "/") + "/" + name }

// Path is where a file goes.
func (r *Run) Path(file int) string {
	if r.plan.Kind == PNG {
		most := r.plan.First + r.plan.N - 1
		return r.in(Name(r.plan.First+file, most, r.model.Labels.MixName(r.mixes[file])))
	}
	if r.Files() == 1 {
		return r.out
	}
	extension := filepath.Ext(r.out)
	return fmt.Sprintf("%s-%0*d%s", strings.TrimSuffix(r.out, extension), digits(r.Files()-1), file, extension)
}

// Manifest is where the plan goes.
func (r *Run) Manifest() string {
	if r.plan.Kind == PNG {
		return r.in("manifest.json")
	}
	return r.out + ".manifest.json"
}

// Begin writes the manifest, and the folder, before the first file; where a run was begun it
// wants the same manifest. Files that stand where a new run would write, or another manifest,
// are atomicfile.ErrExists, unless they may be overwritten.
func (r *Run) Begin(overwrite bool) error {
	text, err := json.Marshal(r.plan)
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if r.plan.Kind == PNG {
		if err := r.store.Folder(r.out); err != nil {
			return err
		}
	}
	if !overwrite {
		known, err := r.store.Read(r.Manifest())
		if err == nil {
			return r.sameRun(known, text)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for file := range r.Files() {
			if there, err := r.store.Exists(r.Path(file)); err != nil {
				return err
			} else if there {
				return fmt.Errorf("%s: %w, and no manifest says that it is of this run", r.Path(file), atomicfile.ErrExists)
			}
		}
	}
	err = r.store.Write(r.Manifest(), text, overwrite)
	if errors.Is(err, atomicfile.ErrExists) { // another machine was faster
		known, err := r.store.Read(r.Manifest())
		if err != nil {
			return err
		}
		return r.sameRun(known, text)
	}
	return err
}

func (r *Run) sameRun(known, text []byte) error {
	if !bytes.Equal(known, text) {
		return fmt.Errorf("%s: %w: it is of another run: other pictures, another model or backend", r.Manifest(), atomicfile.ErrExists)
	}
	return nil
}

// Missing lists the files from and before to that are not there.
func (r *Run) Missing(from, to int) ([]int, error) {
	var missing []int
	for file := from; file < to; file++ {
		there, err := r.store.Exists(r.Path(file))
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, file)
		}
	}
	return missing, nil
}

// Clean takes away what writers that were killed left beside the files from and before to of
// a Local store. No other process may be writing these files.
func (r *Run) Clean(from, to int) error {
	folder := filepath.Dir(r.Manifest())
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	ours := map[string]bool{filepath.Base(r.Manifest()): true}
	for file := from; file < to; file++ {
		ours[filepath.Base(r.Path(file))] = true
	}
	for _, e := range entries { // ".NAME" and digits, as renameio has it
		of := strings.TrimRight(strings.TrimPrefix(e.Name(), "."), "0123456789")
		if of == e.Name() || !ours[of] {
			continue
		}
		if err := os.Remove(filepath.Join(folder, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
