package cpu

import (
	"context"
	"fmt"
	"time"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// trials measures methods as they run in a network: its input and the scratch memory are warm,
// its weights are not, for a run reads all others in between.
type trials struct {
	options backend.Options
	rounds  int
	traffic []float32 // what a run reads
}

// mostTraffic is more than caches hold.
const mostTraffic = 256 << 20

func newTrials(o backend.Options, rounds int, traffic int64) *trials {
	return &trials{backend.Options{Threads: o.Threads, Precision: o.Precision}, rounds, floats(int(min(traffic, mostTraffic) / 4))}
}

// measure runs every method once a round and gives the fastest time of each.
func (t *trials) measure(ctx context.Context, c *choice, methods []method) ([]time.Duration, error) {
	g, w, err := c.network()
	if err != nil {
		return nil, err
	}
	in := backend.Inputs{Batch: 1, Tensors: map[string][]float32{"x": noise(c.in.c*c.in.h*c.in.w, 1)}}
	best := make([]time.Duration, len(methods))
	programs := make([]*program, len(methods))
	for i, m := range methods {
		p := policy{take: func(_ string, other method) bool { return other.String() == m.String() }}
		if c.half {
			p.rounded3x3 = 1
		}
		compiled, err := compile(g, w, t.options, p)
		if err != nil {
			return nil, err
		}
		programs[i] = compiled.(*program)
	}
	for round := range 1 + t.rounds { // one to warm up
		for i, p := range programs {
			if err := t.evict(ctx, p.threads); err != nil {
				return nil, err
			}
			layers, err := p.Profile(ctx, in)
			if err != nil {
				return nil, err
			}
			for _, l := range layers {
				if l.Name == timed && round > 0 && (best[i] == 0 || l.Time < best[i]) {
					best[i] = l.Time
				}
			}
		}
	}
	return best, nil
}

// evict reads as much memory as a run does.
func (t *trials) evict(ctx context.Context, threads int) error {
	const block = 1 << 16
	parts, part := share(len(t.traffic), block)
	sums := make([]float32, threads)
	return workers.parallel(ctx, threads, parts, false, func(worker, i int) {
		from, to := part(i)
		for at := from; at < to; at += alignment {
			sums[worker] += t.traffic[at]
		}
	})
}

// timed is the convolution that a trial measures.
const timed = "timed"

// network is a graph of two convolutions of the shape, with what networks have around them. The
// one that is timed comes second: it stores the sum.
func (c *choice) network() (*graph.Graph, weights.Memory, error) {
	w := weights.Memory{}
	b := graph.New("trial")
	param := func(at *graph.Builder, name string, role graph.Role, shape ...int) *graph.Param {
		p := at.Param(name, role, shape...)
		values := noise(p.Elements(), uint64(len(w)+2))
		if role == graph.Var {
			for i := range values {
				values[i] = 1
			}
		}
		w[p.Name] = weights.Tensor{Shape: p.Shape, Data: values}
		return p
	}
	n := b.At("norm")
	x := b.InputMap("x", c.in.c, c.in.h, c.in.w)
	x = n.AffineNorm(x, param(n, "gain", graph.Gain, c.in.c), param(n, "bias", graph.Bias, c.in.c), param(n, "mean", graph.Mean, c.in.c), param(n, "var", graph.Var, c.in.c), 1e-4)
	x = b.At("relu").ReLU(x)
	if c.in.up {
		x = b.At("up").Upsample(x)
	}
	conv := func(name string) *graph.Node {
		at := b.At(name)
		return at.Conv(x, param(at, "weight", graph.Weight, c.outs, c.in.c, 3, 3), param(at, "bias", graph.Bias, c.outs), nil)
	}
	sum := conv(timed) // waits for what it is added to
	b.Output("out", b.At("sum").Add(sum, conv("warm")))
	g, err := b.Build()
	if err != nil {
		return nil, nil, fmt.Errorf("cpu: a trial of %s: %w", c.shape, err)
	}
	return g, w, nil
}

// noise is n numbers in [-0.5, 0.5), the same for a seed.
func noise(n int, seed uint64) []float32 {
	values := make([]float32, n)
	for i := range values {
		seed = seed*6364136223846793005 + 1442695040888963407
		values[i] = float32(seed>>40)/(1<<24) - 0.5
	}
	return values
}
