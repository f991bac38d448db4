package main

import (
	"fmt"
	"maps"
	"os"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/render"
)

func newReplay(a *app) *cobra.Command {
	var out, model string
	cmd := &cobra.Command{
		Use:   "replay PICTURE -o OUT",
		Short: "Make a picture again from its metadata",
		Long: `Make a PNG, APNG or GIF file again from what it says of its making. On the same kind of
machine, by the same backend, OUT has the same bytes; where a table of bench --tune chose how
the picture was computed, the picture says so, and replay reads no table. The model must be
the same file, by its digest: where its path has changed, -m names it.`,
		Example: `  biggan replay letters.png -o again.png`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usage("replay needs -o OUT")
			}
			if err := a.checkStdout(out); err != nil {
				return err
			}
			r, extension, err := recipeOf(args[0])
			if err != nil {
				return err
			}
			if out != "-" && recipe.Extension(out) != extension {
				return usage("-o %s: %s is a %s file", out, args[0], extension)
			}
			file := pictureFile{a, out}
			if err := file.prepare(); err != nil {
				return err
			}
			if model == "" {
				model = r.Model
			}
			m, err := a.open(cmd.Context(), model)
			if err != nil {
				return err
			}
			defer m.Close()
			if err := sameModel(args[0], r, m); err != nil {
				return err
			}
			if a.backend == "auto" {
				a.backend = r.Backend
			}
			a.precision = r.Precision
			o, asked := a.options(), r.Methods
			o.Methods = asked
			s, err := a.make(cmd.Context(), m, &r, o, nil)
			if err != nil {
				return err
			}
			if !maps.Equal(asked, r.Methods) && a.backend == "cpu" {
				a.warn("%s was computed by methods that this version does not choose or lacks: bytes may differ", args[0])
			}
			data, err := r.Encode(s, extension, true)
			if err != nil {
				return err
			}
			paths, err := file.write(data)
			if err != nil {
				return err
			}
			return a.reportMade(paths, r, nil, "")
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "file to write, of the same kind; - is stdout")
	f.StringVarP(&model, "model", "m", "", "model, where the name or path in the picture does not lead to it")
	return cmd
}

// sameModel refuses a model that is not the one of a recipe.
func sameModel(path string, r recipe.Recipe, m *biggan.Model) error {
	digest, err := m.Digest()
	if err != nil {
		return err
	}
	if digest != r.SHA256 {
		return fmt.Errorf("%s: %w: it was made with a model of sha256 %s, %s has %s", path, recipe.ErrRecipe, r.SHA256, m.Name, digest)
	}
	return nil
}

// recipeOf reads the recipe of a picture file, and the extension of its kind.
func recipeOf(path string) (r recipe.Recipe, extension string, err error) {
	info, extension, err := readPicture(path)
	if err != nil {
		return r, "", err
	}
	if r, err = recipe.Read(info.Texts); err != nil {
		return r, "", fmt.Errorf("%s: %w", path, err)
	}
	return r, extension, nil
}

// readPicture reads what a PNG, APNG or GIF file says beside its pixels.
func readPicture(path string) (info render.Info, extension string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return info, "", err
	}
	if render.IsGIF(data) {
		extension = ".gif"
		info, err = render.ReadGIF(data)
	} else {
		extension = ".png"
		if info, err = render.ReadPNG(data); info.Frames > 0 {
			extension = ".apng"
		}
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return info, extension, err
}
