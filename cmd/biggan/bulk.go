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
	a, g := d.app, d.flags
	if len(d.recipe.Asked) == 0 {
		d.recipe.Drawn = min(len(d.recipe.Indices), d.model.Labels.Len())
	}
	var err error
	if d.recipe.Backend, err = d.model.Prepare(a.backend, a.options()); err != nil {
		return err
	}
	kind := datasets[recipe.Extension(g.out)]
	if kind == "" {
		kind = dataset.PNG
	}
	run, err := dataset.New(d.model, d.recipe, kind, g.out, g.first, len(d.recipe.Indices), g.perFile, !g.noMetadata)
	if err != nil {
		return err
	}
	if err := run.Begin(a.force); err != nil {
		return err
	}
	i, k, err := g.part()
	if err != nil {
		return err
	}
	from, to := run.Shard(i, k)
	missing, err := run.Missing(from, to)
	if err != nil {
		return err
	}
	if a.force {
		missing = nil
		for file := from; file < to; file++ {
			missing = append(missing, file)
		}
	}
	if there := to - from - len(missing); there > 0 {
		a.tell("%d of %d files are there", there, to-from)
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
	return a.reportMade(paths, d.recipe, nil, "")
}
