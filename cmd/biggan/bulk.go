package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/biggan-zoo/biggan/dataset"
	"github.com/biggan-zoo/biggan/recipe"
)

// fewPictures is how many a folder gets without a manifest.
const fewPictures = 64

// datasets are the outputs that hold very many pictures.
var datasets = map[string]dataset.Kind{".tar": dataset.Tar, ".npz": dataset.NPZ}

// bulk reports whether the output is one of very many pictures.
func (g *generateFlags) bulk() bool {
	return datasets[recipe.Extension(g.out)] != "" || isFolder(g.out) && (g.n > fewPictures || g.shard != "")
}

// checkBulk checks flags that only some outputs take.
func (g *generateFlags) checkBulk() error {
	if !g.bulk() {
		if g.shard != "" {
			return usage("--shard parts very many pictures: -o FOLDER/, OUT.tar or OUT.npz")
		}
		return nil
	}
	if g.perFile < 1 {
		return usage("--per-file %d: want at least 1", g.perFile)
	}
	if g.latents != "" || g.latentsOut != "" || g.sweep != nil || g.columns > 0 || g.labels || g.preview != "" {
		return usage("-o %s with %d pictures: not with --latents, --latents-out, --sweep, --columns, --labels or --preview", g.out, g.n)
	}
	_, _, err := g.part()
	return err
}

// part reads --shard I/K.
func (g *generateFlags) part() (i, k int, err error) {
	if g.shard == "" {
		return 1, 1, nil
	}
	first, second, ok := strings.Cut(g.shard, "/")
	i, bad := strconv.Atoi(first)
	k, worse := strconv.Atoi(second)
	const most = 1 << 16
	if !ok || bad != nil || worse != nil || i < 1 || i > k || k > most {
		return 0, 0, usage("--shard %q: want I/K with I from 1 to K, as in 2/3", g.shard)
	}
	return i, k, nil
}

// toMany makes the files of a plan that are not there yet.
func (d *drawing) toMany(ctx context.Context) error {
	a := d.app
	run, err := d.plan()
	if err != nil {
		return err
	}
	if err := run.Begin(a.force); err != nil {
		return err
	}
	i, k, err := d.flags.part()
	if err != nil {
		return err
	}
	from, to := run.Shard(i, k)
	missing, err := d.missing(run, from, to)
	if err != nil {
		return err
	}
	a.warnStats(d.model, d.recipe.Truncation)
	total := run.PicturesOf(missing)
	p := a.newProgress("drawing", false)
	defer p.finish()
	kitchen := recipe.Kitchen{Backend: a.backend, Options: a.options()}
	if err := run.Make(ctx, kitchen, missing, a.force, func(n int) { p.update(int64(n), int64(total)) }); err != nil {
		return err
	}
	var paths []string
	for file := from; file < to; file++ {
		paths = append(paths, run.Path(file))
	}
	a.tell("seed %d, truncation %v, %d pictures", d.recipe.Seed, d.recipe.Truncation, run.Pictures())
	d.recipe.Classes = []string{} // the manifest leads to them
	return a.reportMade(paths, d.recipe, nil, "")
}

// plan is the run of a command. It compiles the model, for the backend is part of the plan.
func (d *drawing) plan() (*dataset.Run, error) {
	var err error
	if d.recipe.Backend, err = d.model.Prepare(d.app.backend, d.app.options()); err != nil {
		return nil, err
	}
	kind := datasets[recipe.Extension(d.flags.out)]
	if kind == "" {
		kind = dataset.PNG
	}
	return dataset.New(d.model, dataset.Order{
		Recipe: d.recipe, Kind: kind, Out: d.flags.out, First: d.flags.first, N: len(d.recipe.Indices),
		PerFile: d.flags.perFile, Metadata: !d.flags.noMetadata,
	}, dataset.Local{})
}

// missing lists the files to make: those that are not there, or with --force all.
func (d *drawing) missing(run *dataset.Run, from, to int) ([]int, error) {
	if err := run.Clean(from, to); err != nil {
		return nil, err
	}
	missing, err := run.Missing(from, to)
	if err != nil || len(missing) == to-from {
		return missing, err
	}
	if d.app.force {
		missing = nil
		for file := from; file < to; file++ {
			missing = append(missing, file)
		}
		return missing, nil
	}
	d.app.tell("%d of %d files are there", to-from-len(missing), to-from)
	return missing, nil
}
