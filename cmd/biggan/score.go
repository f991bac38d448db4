package main

import (
	"fmt"
	"image"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/render"
)

type scoreJSON struct {
	Scores []scoredJSON `json:"scores"`
}

type scoredJSON struct {
	Path  string  `json:"path"`
	Class string  `json:"class"`
	Logit float32 `json:"logit"`
}

func newScore(a *app) *cobra.Command {
	var model string
	var classes []string
	cmd := &cobra.Command{
		Use:   "score IMAGE.png... -m D -c CLASS",
		Short: "Let a discriminator judge pictures",
		Long: `Let a discriminator judge pictures: prints the logit of each, as a picture of its class.
Higher is more like the pictures that the discriminator was trained on.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if model == "" || len(classes) == 0 {
				return usage("score needs -m D.safetensors and -c CLASS")
			}
			m, err := a.open(cmd.Context(), model)
			if err != nil {
				return err
			}
			defer m.Close()
			turn, err := m.Labels.FindAll(classes)
			if err != nil {
				return err
			}
			var doc scoreJSON
			var pictures []image.Image
			var each []int
			for i, path := range args {
				picture, err := readPNG(path)
				if err != nil {
					return err
				}
				pictures = append(pictures, picture)
				each = append(each, turn[i%len(turn)])
			}
			logits, err := m.Score(cmd.Context(), pictures, each, a.backend, a.tuned(a.options()))
			if err != nil {
				return err
			}
			for i, path := range args {
				doc.Scores = append(doc.Scores, scoredJSON{path, m.Labels.Name(each[i]), logits[i]})
			}
			return a.print(doc, doc.text)
		},
	}
	cmd.Flags().StringVarP(&model, "model", "m", "", "discriminator: a file")
	cmd.Flags().StringArrayVarP(&classes, "class", "c", nil, "class by name or number; several are taken in turn")
	return cmd
}

func (s scoreJSON) text(w io.Writer) error {
	for _, r := range s.Scores {
		if _, err := fmt.Fprintf(w, "%.6f\t%s\n", r.Logit, r.Path); err != nil {
			return err
		}
	}
	return nil
}

// readPNG decodes a picture.
func readPNG(path string) (image.Image, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	picture, err := render.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return picture, nil
}
