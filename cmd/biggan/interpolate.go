package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/sample"
)

func newInterpolate(a *app) *cobra.Command {
	var p pictureFlags
	var i recipe.Interpolated
	cmd := &cobra.Command{
		Use:   "interpolate --from CLASS --to CLASS",
		Short: "Draw the way from one picture to another",
		Long: `Draw the way from one picture to another: a sheet with a row for each pair of pictures in
a PNG file, or an animation in a .gif (256 colours a frame, dithered) or .apng file (without
loss). Row r goes from picture r of --seed-a to picture r of --seed-b. The class moves
linearly in its embedding; the latent vector on a straight line, or with --path slerp on a
great circle, which keeps its length. Without --from or --to the seed of that end draws a class.`,
		Example: `  biggan interpolate --from A --to B --seed-a 1 --seed-b 2 --steps 10 --rows 3 -o sheet.png
  biggan interpolate --from A --to Q --steps 20 --loop -o morph.gif`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkStdout(p.out); err != nil {
				return err
			}
			r, err := p.recipe(a)
			if err != nil {
				return err
			}
			for flag, class := range map[string]string{"from": i.From, "to": i.To} {
				if class == "" && cmd.Flags().Changed(flag) {
					return fmt.Errorf("--%s: %w %q: without the flag the seed draws one", flag, labels.ErrUnknown, class)
				}
			}
			if i.Rows < 1 {
				return usage("--rows %d: want at least 1", i.Rows)
			}
			if i.Steps < 2 {
				return usage("--steps %d: want at least 2", i.Steps)
			}
			if _, err := sample.ParsePath(i.Path); err != nil {
				return usage("--path %q: want one of %s", i.Path, names(sample.Paths))
			}
			file := pictureFile{a, p.out}
			if err := file.prepare(); err != nil {
				return err
			}
			m, err := a.open(cmd.Context(), p.model)
			if err != nil {
				return err
			}
			defer m.Close()
			if !p.noMetadata || a.json {
				if r.SHA256, err = m.Digest(); err != nil {
					return err
				}
			}
			r.Interpolated = &i
			s, err := a.make(cmd.Context(), m, &r, a.tuned(a.options()), nil)
			if err != nil {
				return err
			}
			data, err := r.Encode(s, recipe.Extension(p.out), !p.noMetadata)
			if err != nil {
				return err
			}
			paths, err := file.write(data)
			if err != nil {
				return err
			}
			a.tell("seeds %d and %d, truncation %v, classes %s", i.SeedA, i.SeedB, r.Truncation, listed(r.Classes))
			return a.reportMade(paths, r, s.Still(r.Labels), p.preview)
		},
	}
	f := cmd.Flags()
	f.StringVar(&i.From, "from", "", "class of the first picture of a row, by name or number, or a mix")
	f.StringVar(&i.To, "to", "", "class of the last picture of a row")
	f.Uint32Var(&i.SeedA, "seed-a", 0, "seed of the first pictures, 0 to 4294967295")
	f.Uint32Var(&i.SeedB, "seed-b", 0, "seed of the last pictures")
	f.IntVar(&i.Steps, "steps", 5, "pictures a row, both ends included")
	f.IntVar(&i.Rows, "rows", 1, "rows: pictures of the seeds")
	f.BoolVar(&i.Loop, "loop", false, "go back to the first picture, which is not repeated: 2(K-1) pictures a row")
	f.StringVar(&i.Path, "path", string(sample.Linear), "way of the latent vectors: linear, slerp")
	f.StringVarP(&p.out, "output", "o", "", "OUT.png, OUT.gif or OUT.apng, - for stdout")
	p.add(f)
	return cmd
}
