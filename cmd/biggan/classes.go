package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/registry"
)

type classesJSON struct {
	Model   string         `json:"model"` // imagenet where none was named
	Query   string         `json:"query,omitempty"`
	By      string         `json:"by,omitempty"` // what the query is: name, number, wnid, hypernym, hyponym, text
	Classes []labels.Class `json:"classes"`
}

// noticeJSON is the document of --notice.
type noticeJSON struct {
	Notice string `json:"notice"`
}

func newClasses(a *app) *cobra.Command {
	var model string
	var notice bool
	cmd := &cobra.Command{
		Use:   "classes [QUERY]",
		Short: "Find classes",
		Long: `Find the classes of a model: number, names, WordNet id. Without -m they are ImageNet's 1000,
which all released models have. QUERY is what -c takes: a number, a name or synonym, a WordNet
id, a broader term ("dog" lists 118 breeds) or a narrower one; a text that is none of these
lists the classes that have it in a name. Words, glosses and broader terms are WordNet 3.0's:
--notice prints Princeton University's licence.`,
		Example: `  biggan classes "golden retriever"
  biggan classes dog
  biggan classes -m letters`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if notice {
				return a.print(noticeJSON{labels.Notice}, func(w io.Writer) error {
					_, err := io.WriteString(w, labels.Notice)
					return err
				})
			}
			doc := classesJSON{Model: "imagenet"}
			list := labels.ImageNet()
			if model != "" {
				var err error
				if list, err = a.labelsOf(cmd.Context(), model); err != nil {
					return err
				}
				doc.Model = model
			}
			if len(args) == 1 {
				doc.Query = args[0]
			}
			if err := doc.find(list, len(args) == 0); err != nil {
				return err
			}
			return a.print(doc, doc.text)
		},
	}
	cmd.Flags().StringVarP(&model, "model", "m", "", "model: a name or a file (default ImageNet's classes)")
	cmd.Flags().BoolVar(&notice, "notice", false, "print the licence of WordNet's words")
	return cmd
}

// labelsOf are the classes of a model, also of one that is known but not here.
func (a *app) labelsOf(ctx context.Context, name string) (labels.List, error) {
	m, err := a.open(ctx, name)
	if err == nil {
		defer m.Close()
		return m.Labels, nil
	}
	known, unknown := registry.FindModel(name)
	if unknown != nil || !errors.Is(err, biggan.ErrNotFound) {
		return labels.List{}, err
	}
	g, err := known.Graph()
	if err != nil {
		return labels.List{}, err
	}
	y, _ := g.Input("y")
	return labels.For(nil, y.Elements()), nil
}

// find lists what the query means.
func (d *classesJSON) find(list labels.List, all bool) error {
	var found []int
	m, err := list.Lookup(d.Query)
	switch {
	case all:
		for i := range list.Len() {
			found = append(found, i)
		}
	case err == nil:
		found, d.By = m.Classes, string(m.By)
	default:
		if found = list.Search(d.Query); len(found) == 0 {
			return err
		}
		d.By = "text"
	}
	for _, i := range found {
		d.Classes = append(d.Classes, list.Class(i))
	}
	return nil
}

func (d classesJSON) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range d.Classes {
		line := fmt.Sprintf("%d\t%s", c.Index, strings.Join(append([]string{c.Name}, c.Synonyms...), ", "))
		if c.WNID != "" {
			line += "\t" + c.WNID
		}
		fmt.Fprintln(t, line)
	}
	return t.Flush()
}
