package gpu

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/backend/gpu/shader"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// The self-check is a network of two 3x3 convolutions with everything that is fused into them, on a map of
// side 8 with checkChannels channels. A driver that gets it wrong would draw wrong pictures silently.
const (
	checkSide     = 8
	checkChannels = 12
	checkError    = 1e-4
)

// check finds the tiles with which an adapter computes the self-check right, and whether it makes bytes of
// floats as backend.Pixel does. It is done once for an adapter and a driver; the result is kept with the tuning.
func (g *accelerator) check() error {
	if len(g.tuning.checked) > 0 {
		return nil
	}
	network, w, err := checkNetwork()
	if err != nil {
		return err
	}
	in := backend.Inputs{Batch: 1, Truncation: 1, Tensors: map[string][]float32{"x": checkValues(checkChannels*checkSide*checkSide, 1)}}
	want := checkResult(w, in.Tensors["x"])
	p := &program{graph: network, w: w}
	failure := errors.New("no tile fits")
	defer func() { g.tuning.forced = nil }()
	for _, t := range shader.Tiles {
		if t.Shared && g.Adapter.Software || t.Threads() > int(g.Limits.Invocations) {
			continue
		}
		g.tuning.forced = &t
		got, err := p.once(g, in)
		if errors.Is(err, device.ErrLost) {
			return err
		}
		if err == nil {
			err = compareCheck(got, want)
		}
		if err != nil {
			failure = fmt.Errorf("tile %s: %w", t, err)
			continue
		}
		g.tuning.checked = append(g.tuning.checked, t.String())
	}
	if len(g.tuning.checked) == 0 {
		return fmt.Errorf("%w: %s fails the self-check: %w", device.ErrNone, g.Adapter.Name, failure)
	}
	err = g.checkPixels()
	if errors.Is(err, device.ErrLost) {
		return err
	}
	if err == nil {
		g.tuning.checked = append(g.tuning.checked, pixelCheck)
	}
	g.tuning.dirty = true
	return nil
}

// once builds the program, runs it and gives its only result.
func (p *program) once(g *accelerator, in backend.Inputs) ([]float32, error) {
	s, err := p.build(g)
	if err != nil {
		return nil, err
	}
	defer s.release()
	out, err := s.run(context.Background(), in)
	return out["out"].Data, err
}

func compareCheck(got []float32, want []float64) error {
	for i, v := range want {
		if d := math.Abs(float64(got[i]) - v); !(d <= checkError) {
			return fmt.Errorf("value %d of %d is %v, want %v", i, len(want), got[i], v)
		}
	}
	return nil
}

func checkNetwork() (*graph.Graph, weights.Memory, error) {
	b := graph.New("self-check")
	x := b.InputMap("x", checkChannels, checkSide, checkSide)
	w := weights.Memory{}
	param := func(at *graph.Builder, name string, role graph.Role, shape ...int) *graph.Param {
		p := at.Param(name, role, shape...)
		values := checkValues(p.Elements(), len(w)+2)
		if role == graph.Var {
			for i, v := range values {
				values[i] = 1 + v
			}
		}
		w[p.Name] = weights.Tensor{Shape: p.Shape, Data: values}
		return p
	}
	n := b.At("norm")
	c := checkChannels
	x = n.AffineNorm(x, param(n, "gain", graph.Gain, c), param(n, "bias", graph.Bias, c), param(n, "mean", graph.Mean, c), param(n, "var", graph.Var, c), 1e-4)
	x = b.At("up").Upsample(b.At("relu").ReLU(x))
	at := b.At("conv")
	x = at.Conv(x, param(at, "weight", graph.Weight, c, c, 3, 3), param(at, "bias", graph.Bias, c), nil)
	last := b.At("last")
	x = last.Conv(x, param(last, "weight", graph.Weight, c, c, 3, 3), nil, nil)
	b.Output("out", b.At("tanh").Tanh(x))
	g, err := b.Build()
	return g, w, err
}

// checkValues are n numbers in [-0.25, 0.25].
func checkValues(n, seed int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(0.25 * math.Sin(float64(seed*1009+i*(i%7+3))))
	}
	return values
}

// checkResult is the self-check in float64, as plainly as it can be written.
func checkResult(w weights.Memory, x []float32) []float64 {
	small, side := checkSide, 2*checkSide
	up := make([]float64, checkChannels*side*side)
	for i := range up {
		c, y, xx := i/(side*side), i/side%side, i%side
		of := func(name string) float64 { return float64(w["norm."+name].Data[c]) }
		v := float64(x[(c*small+y/2)*small+xx/2])
		up[i] = max((v-of("mean"))/math.Sqrt(of("var")+1e-4)*of("gain")+of("bias"), 0)
	}
	out := checkConv(up, w["conv.weight"].Data, w["conv.bias"].Data)
	out = checkConv(out, w["last.weight"].Data, make([]float32, checkChannels))
	for i, v := range out {
		out[i] = math.Tanh(v)
	}
	return out
}

func checkConv(x []float64, weight, bias []float32) []float64 {
	side := 2 * checkSide
	out := make([]float64, len(x))
	for i := range out {
		o, y, xx := i/(side*side), i/side%side, i%side
		sum := float64(bias[o])
		for k := range checkChannels * 9 {
			c, sy, sx := k/9, y+k/3%3-1, xx+k%3-1
			if sy >= 0 && sy < side && sx >= 0 && sx < side {
				sum += x[(c*side+sy)*side+sx] * float64(weight[o*checkChannels*9+k])
			}
		}
		out[i] = sum
	}
	return out
}
