package graph

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Summary prints the graph as a table: name, operation, output shape, trained parameters, MFLOP of one sample.
func (g *Graph) Summary(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "name\top\tshape\tparameters\tMFLOP")
	var flops int64
	for _, n := range g.Nodes {
		var params int
		for _, p := range []*Param{n.Weight, n.Bias, n.Gain} {
			if p != nil {
				params += p.Elements()
			}
		}
		flops += n.FLOPs()
		fmt.Fprintf(t, "%s\t%s\t%v\t%d\t%.1f\n", n.Name, n.Op, n.Shape, params, float64(n.FLOPs())/1e6)
	}
	fmt.Fprintf(t, "total\t\t\t%d\t%.1f\n", g.ParamCount(), float64(flops)/1e6)
	return t.Flush()
}
