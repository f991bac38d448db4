package main

import (
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/zoo"
)

type listJSON struct {
	Models []listedJSON `json:"models"`
}

type listedJSON struct {
	Name         string `json:"name"`
	Architecture string `json:"architecture"`
	Resolution   int    `json:"resolution"`
	Parameters   int64  `json:"parameters"` // trained values
	Bytes        int64  `json:"bytes"`      // of the converted file; of one in f32 for models that are not here
	State        string `json:"state"`      // embedded, pulled, partial, remote; damaged = pulled, but not whole any more
	Path         string `json:"path,omitempty"`
	SHA256       string `json:"sha256,omitempty"`

	Partials []zoo.Partial `json:"partials,omitempty"` // downloads that were not finished
	Problem  string        `json:"problem,omitempty"`  // of a damaged model
}

func newList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the models known by name",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			store, err := a.openStore(false)
			if err != nil {
				return err
			}
			defer store.Close()
			var doc listJSON
			for _, known := range registry.Models {
				listed, err := describe(known.Name, store)
				if err != nil {
					return err
				}
				doc.Models = append(doc.Models, listed)
			}
			return a.print(doc, doc.text)
		},
	}
}

func describe(name string, store *zoo.Store) (listedJSON, error) {
	m, err := zoo.Find(name)
	if err != nil {
		return listedJSON{}, err
	}
	g, err := m.Graph()
	if err != nil {
		return listedJSON{}, err
	}
	doc := listedJSON{Name: m.Name, Architecture: m.Architecture, Resolution: m.Resolution, Parameters: g.ParamCount(), State: "remote"}
	if data, ok := zoo.Embedded(m.Name); ok {
		doc.State, doc.Bytes = "embedded", int64(len(data))
		return doc, nil
	}
	if doc.Bytes, err = m.ConvertedBytes(); err != nil {
		return doc, err
	}
	held, err := store.Held(name)
	if err != nil {
		return doc, err
	}
	doc.Partials = held.Partials
	switch p := held.Provenance; {
	case held.Damage != nil:
		doc.State, doc.Problem = "damaged", held.Damage.Error()
	case p != nil:
		doc.State, doc.Bytes, doc.SHA256 = "pulled", p.Bytes, p.SHA256.String()
		doc.Path = filepath.Join(store.Folder(), name, p.File)
	case len(held.Partials) > 0:
		doc.State = "partial"
	}
	return doc, nil
}

func (l listJSON) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tARCHITECTURE\tPIXELS\tPARAMETERS\tSIZE\tSTATE")
	for _, m := range l.Models {
		fmt.Fprintf(t, "%s\t%s\t%dx%d\t%.1f M\t%s\t%s\n", m.Name, m.Architecture, m.Resolution, m.Resolution, float64(m.Parameters)/1e6, size(m.Bytes), m.state())
	}
	return t.Flush()
}

// state is the state for people: of a partial download, how much is there.
func (m listedJSON) state() string {
	state := m.State
	for _, p := range m.Partials {
		state += fmt.Sprintf(", %s of %s here", size(p.Verified), p.File)
		if p.Active {
			state += " (under way)"
		}
	}
	return state
}
