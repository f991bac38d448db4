package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/peers"
)

type peersJSON struct {
	PythonPath string     `json:"python_path,omitempty"`
	Python     string     `json:"python,omitempty"` // version
	Peers      []peerJSON `json:"peers"`
}

type peerJSON struct {
	Name      string            `json:"name"`
	Title     string            `json:"title"`
	Available bool              `json:"available"`
	Modules   map[string]string `json:"modules,omitempty"` // versions of those that are installed
	Reason    string            `json:"reason,omitempty"`  // why not
}

func newPeers(a *app) *cobra.Command {
	var python string
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "List other implementations that can run here",
		Long: `List other implementations of the networks, and whether they can run here, in your own
Python: --python, else $BIGGAN_PYTHON, else python3.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc, err := probePeers(cmd.Context(), python)
			if err != nil {
				return err
			}
			return a.print(doc, doc.text)
		},
	}
	cmd.PersistentFlags().StringVar(&python, "python", os.Getenv("BIGGAN_PYTHON"), "Python that has the packages")
	cmd.PersistentFlags().Lookup("python").DefValue = "" // the same page everywhere
	cmd.AddCommand(newPeersRun(a, &python))
	return cmd
}

func probePeers(ctx context.Context, python string) (peersJSON, error) {
	var doc peersJSON
	path, err := peers.FindPython(python)
	if err != nil {
		for _, p := range peers.All {
			doc.Peers = append(doc.Peers, peerJSON{Name: p.Name, Title: p.Title, Reason: err.Error()})
		}
		return doc, nil
	}
	state, err := peers.Probe(ctx, path)
	if err != nil {
		return doc, err
	}
	doc.PythonPath, doc.Python = path, state.Python
	for _, p := range peers.All {
		row := peerJSON{Name: p.Name, Title: p.Title, Modules: map[string]string{}}
		for _, m := range p.Modules {
			if v := state.Modules[m]; v != nil {
				row.Modules[m] = *v
			}
		}
		missing := state.Missing(p)
		if row.Available = len(missing) == 0; !row.Available {
			row.Reason = "lacks " + strings.Join(missing, ", ") + ": " + p.Install(path)
		}
		doc.Peers = append(doc.Peers, row)
	}
	return doc, nil
}

func (p peersJSON) text(w io.Writer) error {
	if p.Python != "" {
		fmt.Fprintf(w, "Python %s, %s\n\n", p.Python, p.PythonPath)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "PEER\tWHAT\tSTATE")
	for _, row := range p.Peers {
		state := row.Reason
		if row.Available {
			var versions []string
			for _, m := range slices.Sorted(maps.Keys(row.Modules)) {
				versions = append(versions, m+" "+row.Modules[m])
			}
			state = strings.Join(versions, ", ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", row.Name, row.Title, state)
	}
	return t.Flush()
}
