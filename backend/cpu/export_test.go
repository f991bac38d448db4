package cpu

import (
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// CompilePreferring compiles with the named methods where a shape allows them.
func CompilePreferring(names []string) backend.Compile { return steered(policy{}, names) }

// CompileRounding does so with every product in bfloat16.
func CompileRounding(names []string) backend.Compile {
	return steered(policy{rounded1x1: 1, rounded3x3: 1}, names)
}

func steered(p policy, names []string) backend.Compile {
	p.prefer = func(m method) bool { return slices.Contains(names, m.String()) }
	return func(g *graph.Graph, w weights.Source, o backend.Options) (backend.Program, error) {
		return compile(g, w, o, p)
	}
}
