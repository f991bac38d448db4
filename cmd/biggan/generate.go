package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/render"
	"github.com/biggan-zoo/biggan/sample"
)

// embedded is the model without -m.
const embedded = "letters"

// pictureFlags are the flags of all verbs that draw.
type pictureFlags struct {
	model, out, stats, noise, preview string
	truncation, fps                   float64
	labels, noMetadata                bool
}

func (p *pictureFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&p.model, "model", "m", embedded, "model: a name or a file")
	f.Float64Var(&p.truncation, "truncation", 0.5, "0 to 1: less is more typical, more is more varied")
	f.StringVar(&p.noise, "noise", string(sample.Truncated), "latent vectors: truncated (the Colab demo's), normal, resampled (the paper's)")
	f.BoolVar(&p.labels, "labels", false, "write names below the pictures of a sheet")
	f.Float64Var(&p.fps, "fps", 10, "pictures a second of a .gif or .apng, 1 to 50")
	f.BoolVar(&p.noMetadata, "no-metadata", false, "write nothing about the making into the files")
	f.StringVar(&p.preview, "preview", "", "show the result in the terminal: auto, kitty, iterm2, sixel, blocks")
	f.Lookup("preview").NoOptDefVal = "auto"
	statsFlag(f, &p.stats)
}

// recipe begins a recipe.
func (p *pictureFlags) recipe(a *app) (recipe.Recipe, error) {
	r := recipe.Recipe{
		Version: recipe.Version, Model: p.model, Precision: a.precision, Stats: p.stats, Truncation: p.truncation,
		Noise: p.noise, Labels: p.labels,
	}
	if !slices.Contains(sample.Kinds, sample.Kind(p.noise)) {
		return r, usage("--noise %q: want one of %s", p.noise, names(sample.Kinds))
	}
	if _, err := parseStats(p.stats); err != nil {
		return r, err
	}
	if p.preview != "" && p.preview != "auto" && !slices.Contains(render.Protocols, render.Protocol(p.preview)) {
		return r, usage("--preview %q: want auto or one of %s", p.preview, names(render.Protocols))
	}
	if e := recipe.Extension(p.out); e == ".gif" || e == ".apng" {
		if !(p.fps >= 1 && p.fps <= 50) {
			return r, usage("--fps %v: want 1 to 50", p.fps)
		}
		r.FPS = p.fps
	}
	return r, nil
}

// madeJSON is the document of verbs that draw.
type madeJSON struct {
	Paths []string `json:"paths"`
	recipe.Recipe
}

// report prints the paths, and shows the pictures if asked to.
func (a *app) reportMade(paths []string, r recipe.Recipe, show image.Image, preview string) error {
	if len(paths) > 0 { // else the picture went to stdout
		if err := a.print(madeJSON{paths, r.Public()}, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, strings.Join(paths, "\n"))
			return err
		}); err != nil {
			return err
		}
	}
	if preview == "" {
		return nil
	}
	return a.preview(show, preview)
}

// maxKeptLatents bounds the latent vectors that a picture keeps, in values.
const maxKeptLatents = 1 << 17

// make follows a recipe with options, and shows how far it is. each may be nil.
func (a *app) make(ctx context.Context, m *biggan.Model, r *recipe.Recipe, o backend.Options, each func(biggan.Picture) error) (*recipe.Sheet, error) {
	for _, t := range r.Truncations() {
		a.warnStats(m, t)
	}
	p := a.newProgress("drawing", false)
	defer p.finish()
	return r.Make(ctx, m, recipe.Kitchen{Backend: a.backend, Options: o}, func(picture biggan.Picture, done, n int) error {
		p.update(int64(done), int64(n))
		if each == nil {
			return nil
		}
		return each(picture)
	})
}

// generateFlags are the flags of generate.
type generateFlags struct {
	pictureFlags
	latents, latentsOut string
	classes, mix        []string
	n, first, columns   int
	perFile             int
	shard               string
	seed                uint32
	sweep               []float64
}

func newGenerate(a *app) *cobra.Command {
	var g generateFlags
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Draw pictures",
		Long: `Draw pictures: a sheet in one PNG file, or with -o FOLDER/ one file each. The paths
written are printed. Without flags: 16 pictures of seed 0 at truncation 0.5, of classes that
the seed draws, in the next free biggan-NNN.png of the current folder.

CLASS is a number, a name or synonym, a WordNet id, or a broader term ("dog" is one of 118
breeds, drawn from the seed for every picture); ` + "`biggan classes`" + ` finds them. A mix of classes has
weights: -c "tiger:0.6,lion:0.4".

--mix gives blocks of the network a latent vector or a class of their own: with --mix
0-3=seed:7,class:tiger the first four see a tiger of seed 7, the others what -c and --seed say.
BLOCKS is a number from 0, a range, "4-" to the last, "all", or "input" (the layer before
block 0 alone, which block 0 takes along).

--sweep draws every picture at each truncation, a row each.

A .gif or .apng file shows the pictures one after another, of a sweep row after row.

Very many pictures go to a folder (more than 64), to OUT.tar (NNN.png and NNN.cls a picture,
as WebDataset reads them) or to OUT.npz (arr_0 uint8 [n, h, w, 3], arr_1 classes). Without -c
every class is drawn as often as any other. A manifest stands beside them; the same command
goes on where an earlier one was broken off, and --shard 2/3 makes the second of three parts
on a machine of its own. The files are the same whatever happens on the way.`,
		Example: `  biggan generate -c A -c B -n 8 --seed 7 -o letters.png
  biggan generate -m deep.safetensors -c "golden retriever" --truncation 0.4 -o dogs/
  biggan generate -m deep.safetensors -c tiger --mix 0-3=seed:7,class:lion -o mixed.png
  biggan generate -c A -c B --sweep 0.1,0.4,0.7,1 --labels -o sweep.png
  biggan generate -m deep.safetensors -n 50000 --truncation 1 --shard 1/4 -o samples.npz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("number") && g.n < 1 {
				return usage("-n %d: want at least 1", g.n)
			}
			if !cmd.Flags().Changed("number") && len(g.classes) == 0 && g.latents == "" {
				g.n = 16
				if g.sweep != nil {
					g.n = 4
				}
			}
			return a.generate(cmd.Context(), g)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&g.classes, "class", "c", nil, "class by name or number, or a mix; several are taken in turn")
	f.IntVarP(&g.n, "number", "n", 0, "pictures in all, of a sweep in a row (default one a class; 16 without -c, 4 in a sweep)")
	f.IntVar(&g.first, "first", 0, "number of the first picture among those of the seed")
	f.Uint32Var(&g.seed, "seed", 0, "seed of the latent vectors, 0 to 4294967295: the same everywhere")
	f.StringVarP(&g.out, "output", "o", "", "OUT.png for a sheet, OUT.gif or OUT.apng, FOLDER/ for one file each, OUT.tar or OUT.npz, - for stdout")
	f.IntVar(&g.columns, "columns", 0, "columns of the sheet (default the squarest)")
	f.Float64SliceVar(&g.sweep, "sweep", nil, "truncations, between commas: a row each")
	f.IntVar(&g.perFile, "per-file", 250, "pictures a .tar or .npz file")
	f.StringVar(&g.shard, "shard", "", "I/K: make part I of K, from 1")
	f.StringArrayVar(&g.mix, "mix", nil, "BLOCKS=seed:SEED,class:CLASS,keep:SHARE: what these blocks see; repeatable, the later wins")
	f.StringVar(&g.latentsOut, "latents-out", "", "write the latent vectors, truncated, to a .npy or .safetensors file")
	f.StringVar(&g.latents, "latents", "", "take latent vectors from a .npy file, or from z of a .safetensors file, as they are")
	g.add(f)
	return cmd
}

// recipe checks the flags of generate.
func (g *generateFlags) recipe(a *app) (recipe.Recipe, error) {
	r, err := g.pictureFlags.recipe(a)
	if err != nil {
		return r, err
	}
	switch {
	case g.columns < 0:
		err = usage("--columns %d: want at least 1", g.columns)
	case g.first < 0:
		err = usage("--first %d: want at least 0", g.first)
	case g.latents != "" && g.first > 0:
		err = usage("--first numbers pictures of a seed, --latents has none")
	case g.sweep != nil && (g.latents != "" || g.latentsOut != "" || g.columns > 0 || isFolder(g.out)):
		err = usage("--sweep makes one sheet of latent vectors of its own: not with --latents, --latents-out, --columns or a folder")
	}
	if err == nil {
		err = g.checkBulk()
	}
	r.Columns = g.columns
	r.Pictures = &recipe.Pictures{Seed: g.seed, Asked: g.classes, Mix: g.mix, Sweep: g.sweep, Latents: g.latents != ""}
	return r, err
}

// generate draws the pictures of one command.
func (a *app) generate(ctx context.Context, g generateFlags) error {
	if err := a.checkStdout(g.out); err != nil {
		return err
	}
	r, err := g.recipe(a)
	if err != nil {
		return err
	}
	m, err := a.open(ctx, g.model)
	if err != nil {
		return err
	}
	defer m.Close()
	var latents []float32
	if g.latents != "" {
		if latents, err = readLatents(g.latents, m.ZDim()); err != nil {
			return err
		}
		n := len(latents) / m.ZDim()
		if g.n > 0 && g.n != n {
			return usage("-n %d, but %s holds %d latent vectors", g.n, g.latents, n)
		}
		g.n, r.Z = n, recipe.PackLatents(latents)
	}
	if err := g.count(&r); err != nil {
		return err
	}
	if g.bulk() || !g.noMetadata || a.json {
		if r.SHA256, err = m.Digest(); err != nil {
			return err
		}
	}
	if g.latentsOut != "" {
		if err := a.checkLatentsOut(g.latentsOut); err != nil {
			return err
		}
	}
	d := &drawing{app: a, flags: g, recipe: r, model: m}
	if g.bulk() {
		return d.toMany(ctx)
	}
	if isFolder(g.out) {
		return d.toFolder(ctx)
	}
	return d.toFile(ctx)
}

// count settles how many pictures there are and, without classes, how many classes are drawn.
func (g *generateFlags) count(r *recipe.Recipe) error {
	n := max(g.n, 1)
	if g.n == 0 {
		n = max(len(g.classes), 1)
	}
	if n > biggan.MaxPictures || g.first > biggan.MaxPictures-n {
		return usage("-n %d from %d: want at most %d pictures", n, g.first, biggan.MaxPictures)
	}
	for i := range n {
		r.Indices = append(r.Indices, g.first+i)
	}
	if len(g.classes) == 0 {
		r.Drawn = render.Columns(n)
	}
	return nil
}

// drawing is one command of generate under way.
type drawing struct {
	app    *app
	flags  generateFlags
	recipe recipe.Recipe
	model  *biggan.Model

	z    []float32
	each []labels.Mix
}

// keep notes what --latents-out writes.
func (d *drawing) keep(p biggan.Picture) {
	if d.flags.latentsOut != "" {
		d.z, d.each = append(d.z, p.Z...), append(d.each, p.Class)
	}
}

// toFile puts all pictures into one file.
func (d *drawing) toFile(ctx context.Context) error {
	file := pictureFile{d.app, d.flags.out}
	if err := file.prepare(); err != nil {
		return err
	}
	s, err := d.app.make(ctx, d.model, &d.recipe, d.app.tuned(d.app.options()), func(p biggan.Picture) error {
		d.keep(p)
		return nil
	})
	if err != nil {
		return err
	}
	if len(d.recipe.Z) > 4*maxKeptLatents {
		d.recipe.Z = nil
	}
	data, err := d.recipe.Encode(s, recipe.Extension(d.flags.out), !d.flags.noMetadata)
	if err != nil {
		return err
	}
	if err := d.writeLatents(); err != nil {
		return err
	}
	paths, err := file.write(data)
	if err != nil {
		return err
	}
	return d.report(paths, s)
}

// toFolder writes one file a picture, as soon as it is drawn.
func (d *drawing) toFolder(ctx context.Context) error {
	to := &folder{app: d.app, name: d.flags.out}
	if err := to.prepare(); err != nil {
		return err
	}
	whole := d.recipe
	pictures := *whole.Pictures
	whole.Pictures = &pictures
	s, err := d.app.make(ctx, d.model, &whole, d.app.tuned(d.app.options()), func(p biggan.Picture) error {
		d.keep(p)
		one, own := whole, pictures
		own.Indices = []int{p.Index}
		if own.Latents {
			own.Z = recipe.PackLatents(p.Z)
		}
		one.Pictures, one.Columns = &own, 0
		one.Classes = []string{d.model.Labels.MixName(p.Class)}
		data, err := one.Encode(&recipe.Sheet{Images: []image.Image{p.Image}, Captions: one.Classes}, ".png", !d.flags.noMetadata)
		if err != nil {
			return err
		}
		return to.write(p, one.Classes[0], data)
	})
	if err == nil {
		err = d.writeLatents()
	}
	if err != nil {
		return errors.Join(err, to.discard())
	}
	d.recipe = whole
	return d.report(to.paths, s)
}

// report prints the paths, and tells the seed.
func (d *drawing) report(paths []string, s *recipe.Sheet) error {
	r := d.recipe
	truncation := fmt.Sprint(r.Truncation)
	if r.Sweep != nil {
		truncation = strings.Trim(fmt.Sprint(r.Sweep), "[]")
	}
	if !r.Latents {
		d.app.tell("seed %d, truncation %v, classes %s, on %s", r.Seed, truncation, listed(r.Classes), r.Backend)
	}
	return d.app.reportMade(paths, r, s.Still(r.Labels), d.flags.preview)
}

// listed names each class once; commas part names where spaces would not.
func listed(names []string) string {
	seen := map[string]bool{}
	var once []string
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			once = append(once, n)
		}
	}
	if spaced := strings.Join(once, " "); strings.Count(spaced, " ") < len(once) {
		return spaced
	}
	return strings.Join(once, ", ")
}

func parseStats(text string) (backend.StatsMode, error) {
	mode, err := backend.ParseStatsMode(text)
	if err != nil {
		return 0, usage("--stats: %w", err)
	}
	return mode, nil
}
