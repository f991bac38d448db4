package dataset

import (
	"context"
	"image"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/recipe"
)

// batch is how many pictures are computed at a time.
const batch = 16

// Make makes files, in ascending order of their numbers, and tells after each picture how
// many are drawn. Files are encoded and written beside the drawing. When the context ends,
// or something fails, what was written stays. k.Options.Methods are of no account: files that
// another machine makes, or this one after a measurement, shall be the same.
func (r *Run) Make(ctx context.Context, k recipe.Kitchen, files []int, overwrite bool, drawn func(n int)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0) + 4) // more than cores: most of a writer's time is waiting for the disk
	k.Options.Methods = nil
	done := 0
	err := r.draw(ctx, k, files, func(file int, pictures []biggan.Picture) error {
		group.Go(func() error { return r.write(file, pictures, overwrite) })
		return ctx.Err()
	}, func() {
		done++
		drawn(done)
	})
	if wrote := group.Wait(); wrote != nil {
		return wrote
	}
	return err
}

// draw draws the pictures of files and hands them over file by file.
func (r *Run) draw(ctx context.Context, k recipe.Kitchen, files []int, whole func(file int, pictures []biggan.Picture) error, drawn func()) error {
	for len(files) > 0 {
		run := 1 // files that follow each other are one request
		for run < len(files) && files[run] == files[0]+run {
			run++
		}
		from, _ := r.bounds(files[0])
		_, to := r.bounds(files[run-1])
		q, err := r.request(r.plan.First+from, to-from)
		if err != nil {
			return err
		}
		q.Backend, q.Options, q.Batch = k.Backend, k.Options, batch
		file := files[0]
		var pictures []biggan.Picture
		err = r.model.Each(ctx, q, func(p biggan.Picture, _ int) error {
			drawn()
			pictures = append(pictures, p)
			if _, end := r.bounds(file); p.Index < r.plan.First+end-1 {
				return nil
			}
			file++
			ready := pictures
			pictures = nil
			return whole(file-1, ready)
		})
		if err != nil {
			return err
		}
		files = files[run:]
	}
	return nil
}

// write writes a file whole.
func (r *Run) write(file int, pictures []biggan.Picture, overwrite bool) error {
	data, err := r.Encode(pictures)
	if err != nil {
		return err
	}
	return r.store.Write(r.Path(file), data, overwrite)
}

// Encode is the content of a file of these pictures.
func (r *Run) Encode(pictures []biggan.Picture) ([]byte, error) {
	switch r.plan.Kind {
	case Tar:
		return r.encodeTar(pictures)
	case NPZ:
		return encodeNPZ(pictures)
	}
	return r.encodePNG(pictures[0])
}

// encodePNG is the PNG file of a picture.
func (r *Run) encodePNG(p biggan.Picture) ([]byte, error) {
	one, own := r.plan.Recipe, *r.plan.Recipe.Pictures
	own.Indices = []int{p.Index}
	one.Pictures = &own
	one.Classes = []string{r.model.Labels.MixName(p.Class)}
	return one.Encode(&recipe.Sheet{Images: []image.Image{p.Image}}, ".png", r.plan.Metadata)
}
