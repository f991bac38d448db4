package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/render"
)

// embedded is the model without -m.
const embedded = "letters"

// generateFlags are the flags of generate.
type generateFlags struct {
	model, out, latents, latentsOut, stats string
	classes                                []string
	n                                      int
	seed                                   uint32
	truncation                             float64
	noMetadata                             bool
}

// pictureMeta is what a PNG file says of its making, in the text chunk "biggan".
type pictureMeta struct {
	Version    int      `json:"version"`
	Model      string   `json:"model"`
	SHA256     string   `json:"sha256"` // of the model's file
	Seed       uint32   `json:"seed"`
	Latents    bool     `json:"latents,omitempty"` // given by a file, not drawn from the seed
	Classes    []string `json:"classes"`           // of each picture
	Indices    []int    `json:"indices"`           // of each picture among those of the seed
	Truncation float64  `json:"truncation"`
	Stats      string   `json:"stats"`
	Backend    string   `json:"backend"`
	Precision  string   `json:"precision"`
}

type generateJSON struct {
	Paths []string `json:"paths"`
	pictureMeta
}

func newGenerate(a *app) *cobra.Command {
	var g generateFlags
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Draw pictures",
		Long: `Draw pictures: a grid in one PNG file, or with -o FOLDER/ one file each. The paths
written are printed. Without flags: 16 pictures of seed 0 at truncation 0.5, of classes that
the seed draws, in the next free biggan-NNN.png of the current folder.`,
		Example: `  biggan generate -c A -c B -n 8 --seed 7 -o letters.png
  biggan generate -m deep.safetensors -c 207 --truncation 0.4 -o dogs/`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("number") && g.n < 1 {
				return usage("-n %d: want at least 1", g.n)
			}
			if !cmd.Flags().Changed("number") && len(g.classes) == 0 && g.latents == "" {
				g.n = 16
			}
			return a.generate(cmd.Context(), g)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&g.model, "model", "m", embedded, "model: a name or a file")
	f.StringArrayVarP(&g.classes, "class", "c", nil, "class by name or number; several are taken in turn")
	f.IntVarP(&g.n, "number", "n", 0, "pictures in all (default one a class; 16 without -c)")
	f.Uint32Var(&g.seed, "seed", 0, "seed of the latent vectors, 0 to 4294967295: the same everywhere")
	f.Float64Var(&g.truncation, "truncation", 0.5, "0 to 1: less is more typical, more is more varied")
	f.StringVarP(&g.out, "output", "o", "", "OUT.png for a grid, FOLDER/ for one file each, - for stdout")
	f.StringVar(&g.latentsOut, "latents-out", "", "write the latent vectors, truncated, to a .npy or .safetensors file")
	f.StringVar(&g.latents, "latents", "", "take latent vectors from a .npy file, or from z of a .safetensors file, as they are")
	f.BoolVar(&g.noMetadata, "no-metadata", false, "write nothing about the making into the PNG files")
	statsFlag(f, &g.stats)
	return cmd
}

// generate draws the pictures of one command.
func (a *app) generate(ctx context.Context, g generateFlags) error {
	if err := a.checkStdout(g.out); err != nil {
		return err
	}
	stats, err := parseStats(g.stats)
	if err != nil {
		return err
	}
	m, err := a.open(ctx, g.model)
	if err != nil {
		return err
	}
	defer m.Close()
	r := biggan.Request{
		Classes: g.classes, N: g.n, Seed: g.seed, Truncation: g.truncation, Stats: stats, Backend: a.backend, Options: a.options(),
	}
	if g.latents != "" {
		if r.Latents, err = readLatents(g.latents, m.ZDim()); err != nil {
			return err
		}
		if n := len(r.Latents) / m.ZDim(); g.n > 0 && g.n != n {
			return usage("-n %d, but %s holds %d latent vectors", g.n, g.latents, n)
		}
	}
	a.warnStats(m, r.Truncation)
	meta := pictureMeta{
		Version: 1, Model: g.model, Seed: g.seed, Latents: g.latents != "", Truncation: g.truncation, Stats: g.stats,
		Precision: a.precision,
	}
	if !g.noMetadata || a.json {
		if meta.SHA256, err = m.Digest(); err != nil {
			return err
		}
	}
	if g.latentsOut != "" {
		if err := a.checkLatentsOut(g.latentsOut); err != nil {
			return err
		}
	}
	d := &drawing{app: a, flags: g, meta: meta, model: m, sink: sinkFor(a, g.out)}
	if err := d.run(ctx, r); err != nil {
		return errors.Join(err, d.sink.discard())
	}
	return d.report()
}

// drawing collects what one command draws.
type drawing struct {
	app   *app
	flags generateFlags
	meta  pictureMeta
	model *biggan.Model
	sink  sink

	z     []float32
	each  []labels.Mix // classes
	paths []string
}

func (d *drawing) run(ctx context.Context, r biggan.Request) error {
	if err := d.sink.prepare(); err != nil {
		return err
	}
	p := d.app.newProgress("drawing", false)
	defer p.finish()
	err := d.model.Each(ctx, r, func(picture biggan.Picture, n int) error {
		name := d.model.Labels.MixName(picture.Class)
		d.meta.Classes = append(d.meta.Classes, name)
		d.meta.Indices = append(d.meta.Indices, picture.Index)
		d.each = append(d.each, picture.Class)
		d.z = append(d.z, picture.Z...)
		d.meta.Backend = picture.Backend
		meta := d.meta
		meta.Classes, meta.Indices = []string{name}, []int{picture.Index}
		p.update(int64(picture.Index+1), int64(n))
		return d.sink.picture(picture, meta, d.encode)
	})
	if err != nil {
		return err
	}
	if d.flags.latentsOut != "" {
		if err := d.writeLatents(); err != nil {
			return err
		}
	}
	d.paths, err = d.sink.finish(d.meta, d.encode)
	return err
}

// encode makes a PNG file of a picture, with its metadata unless unwanted.
func (d *drawing) encode(m image.Image, meta pictureMeta) ([]byte, error) {
	var texts []render.Text
	if !d.flags.noMetadata {
		text, err := json.Marshal(meta)
		if err != nil {
			return nil, err
		}
		texts = []render.Text{{Key: "Software", Value: "biggan"}, {Key: metadataKey, Value: string(text)}}
	}
	var b bytes.Buffer
	err := render.WritePNG(&b, m, texts)
	return b.Bytes(), err
}

// metadataKey is the keyword of the text chunk.
const metadataKey = "biggan"

// report prints the paths, and tells the seed.
func (d *drawing) report() error {
	if d.flags.latents == "" {
		d.app.tell("seed %d, truncation %v, classes %s", d.meta.Seed, d.meta.Truncation, strings.Join(distinct(d.meta.Classes), " "))
	}
	if len(d.paths) == 0 {
		return nil // the picture went to stdout
	}
	return d.app.print(generateJSON{d.paths, d.meta}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, strings.Join(d.paths, "\n"))
		return err
	})
}

func distinct(names []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// encoder makes a file of a picture.
type encoder func(image.Image, pictureMeta) ([]byte, error)

// sink is where pictures go.
type sink interface {
	prepare() error // finds out early what would fail late
	picture(biggan.Picture, pictureMeta, encoder) error
	finish(pictureMeta, encoder) (paths []string, err error)
	discard() error // takes back what was made, after a failure
}

func sinkFor(a *app, out string) sink {
	if info, err := os.Stat(out); strings.HasSuffix(out, "/") || err == nil && info.IsDir() {
		return &folderSink{app: a, folder: out}
	}
	return &gridSink{app: a, out: out}
}

// gridSink puts all pictures into one file.
type gridSink struct {
	app    *app
	out    string // "" = the next free name, "-" = stdout
	images []image.Image
}

func (s *gridSink) prepare() error {
	if s.out == "" || s.out == "-" {
		return nil
	}
	if !strings.EqualFold(filepath.Ext(s.out), ".png") {
		return usage("-o %s: want a .png file, a folder with a slash at its end, or -", s.out)
	}
	if _, err := os.Stat(filepath.Dir(s.out)); err != nil {
		return err
	}
	if s.app.force {
		return nil
	}
	return atomicfile.CheckAbsent(s.out)
}

func (s *gridSink) picture(p biggan.Picture, _ pictureMeta, _ encoder) error {
	s.images = append(s.images, p.Image)
	return nil
}

func (s *gridSink) finish(meta pictureMeta, encode encoder) ([]string, error) {
	data, err := encode(render.Grid(s.images, render.Columns(len(s.images))), meta)
	if err != nil {
		return nil, err
	}
	switch s.out {
	case "-":
		_, err := s.app.stdout.Write(data)
		return nil, err
	case "":
		path, err := writeNext(data)
		return []string{path}, err
	}
	return []string{s.out}, atomicfile.Write(s.out, data, s.app.force)
}

func (s *gridSink) discard() error { return nil }

// writeNext writes the next free biggan-NNN.png.
func writeNext(data []byte) (string, error) {
	for i := 1; ; i++ {
		path := fmt.Sprintf("biggan-%03d.png", i)
		if err := atomicfile.Write(path, data, false); !errors.Is(err, atomicfile.ErrExists) {
			return path, err
		}
	}
}

// folderSink writes one file a picture.
type folderSink struct {
	app    *app
	folder string
	made   bool
	paths  []string
}

func (s *folderSink) prepare() error {
	err := os.Mkdir(s.folder, 0o755)
	s.made = err == nil
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

var unsafeInNames = regexp.MustCompile(`[^A-Za-z0-9_]+`)

func (s *folderSink) picture(p biggan.Picture, meta pictureMeta, encode encoder) error {
	data, err := encode(p.Image, meta)
	if err != nil {
		return err
	}
	class := unsafeInNames.ReplaceAllString(meta.Classes[0], "-")
	path := filepath.Join(s.folder, fmt.Sprintf("%03d-%s.png", p.Index, class))
	if err := atomicfile.Write(path, data, s.app.force); err != nil {
		return err
	}
	s.paths = append(s.paths, path)
	return nil
}

func (s *folderSink) finish(pictureMeta, encoder) ([]string, error) { return s.paths, nil }

// discard keeps whole pictures, and takes back the folder if it has none.
func (s *folderSink) discard() error {
	if s.made && len(s.paths) == 0 {
		return os.Remove(s.folder)
	}
	return nil
}

func parseStats(text string) (backend.StatsMode, error) {
	mode, err := backend.ParseStatsMode(text)
	if err != nil {
		return 0, usage("--stats: %w", err)
	}
	return mode, nil
}
