package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/graph"
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
	State        string `json:"state"`      // embedded, remote
}

func newList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the models known by name",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			var doc listJSON
			for _, m := range registry.Models {
				listed, err := describe(m)
				if err != nil {
					return err
				}
				doc.Models = append(doc.Models, listed)
			}
			return a.print(doc, doc.text)
		},
	}
}

func describe(m registry.Model) (listedJSON, error) {
	g, err := m.Graph()
	if err != nil {
		return listedJSON{}, err
	}
	doc := listedJSON{Name: m.Name, Architecture: m.Architecture, Resolution: m.Resolution, Parameters: g.ParamCount(), State: "remote"}
	if data, ok := zoo.Embedded(m.Name); ok {
		doc.State, doc.Bytes = "embedded", int64(len(data))
		return doc, nil
	}
	for _, p := range g.Params() {
		width := int64(4)
		if p.Role == graph.Sigma {
			width = 8
		}
		doc.Bytes += width * int64(p.Elements())
	}
	return doc, nil
}

func (l listJSON) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tARCHITECTURE\tPIXELS\tPARAMETERS\tSIZE\tSTATE")
	for _, m := range l.Models {
		fmt.Fprintf(t, "%s\t%s\t%dx%d\t%.1f M\t%s\t%s\n", m.Name, m.Architecture, m.Resolution, m.Resolution, float64(m.Parameters)/1e6, size(m.Bytes), m.State)
	}
	return t.Flush()
}
