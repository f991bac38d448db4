package cpu

import (
	"context"
	"slices"
	"time"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// CompilePreferring compiles with the named methods where a shape allows them.
func CompilePreferring(names []string) backend.Compile { return steered(policy{}, names) }

// CompileRounding does so with every convolution in bfloat16 that may be at some size.
func CompileRounding(names []string) backend.Compile {
	return steered(policy{rounded1x1: 1, rounded3x3: 1}, names)
}

func steered(p policy, names []string) backend.Compile {
	p.take = func(_ string, m method) bool { return slices.Contains(names, m.String()) }
	return func(g *graph.Graph, w weights.Source, o backend.Options) (backend.Program, error) {
		return compile(g, w, o, p)
	}
}

// Odd tunes by a stopwatch that lies: methods that the cost model does not choose, where there
// are any worth trying.
func Odd(g *graph.Graph, w weights.Source, o backend.Options) (map[string]string, error) {
	all, err := tune(context.Background(), g, w, o, nil, func(int64) stopwatch {
		return func(_ context.Context, c *choice, methods []method) ([]time.Duration, error) {
			times := make([]time.Duration, len(methods))
			for i, m := range methods {
				times[i] = time.Millisecond
				if m.String() == c.method().String() {
					times[i] = time.Hour
				}
			}
			return times, nil
		}
	})
	odd := map[string]string{}
	for _, t := range all {
		odd[t.Shape] = t.Best
	}
	return odd, err
}
