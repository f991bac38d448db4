package reference

import (
	"fmt"
	"math"
	"slices"

	"github.com/nlpodyssey/spago/mat"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/graph"
)

// compute evaluates one node from the values of its inputs.
func (p *program) compute(n *graph.Node, values []mat.Matrix, blend backend.StatsBlend) mat.Matrix {
	in := make([]mat.Matrix, len(n.In))
	for i, x := range n.In {
		in[i] = values[x.ID]
	}
	switch n.Op {
	case graph.Linear:
		return addBias(p.weights[n.Name].Mul(in[0]), p.bias(n))
	case graph.Embed:
		return in[0].T().Mul(p.weights[n.Name]).T()
	case graph.Reshape:
		return reshape(n, in[0])
	case graph.Conv:
		x, shape := in[0], n.In[0].Shape
		if n.Weight.Shape[2] == 3 {
			x = patches3x3(data(x), shape[0], shape[1], shape[2])
		}
		return addBias(p.weights[n.Name].Mul(x), p.bias(n))
	case graph.Norm:
		return p.norm(n, in, blend)
	case graph.ReLU:
		return each(in[0], func(v float64) float64 { return max(v, 0) })
	case graph.Tanh:
		return each(in[0], math.Tanh)
	case graph.Upsample:
		return upsample(in[0], n.In[0].Shape)
	case graph.MaxPool:
		return pool(in[0], n.In[0].Shape, func(a, b, c, d float64) float64 { return max(a, b, c, d) })
	case graph.AvgPool:
		return pool(in[0], n.In[0].Shape, func(a, b, c, d float64) float64 { return (a + b + c + d) / 4 })
	case graph.Sum:
		pixels := in[0].Shape()[1]
		return in[0].Mul(matrix(pixels, 1, slices.Repeat([]float64{1}, pixels)))
	case graph.Dot:
		return in[0].T().Mul(in[1])
	case graph.Slice:
		cols := in[0].Shape()[1]
		return matrix(n.Len, cols, data(in[0])[n.Start*cols:(n.Start+n.Len)*cols])
	case graph.Concat:
		var joined []float64
		for _, x := range in {
			joined = append(joined, data(x)...)
		}
		return matrix(n.Shape[0], len(joined)/n.Shape[0], joined)
	case graph.Add:
		return in[0].Add(in[1])
	case graph.AddScaled:
		return in[0].Add(in[1].ProdScalar(p.params[n.Gain.Name][0]))
	case graph.Attention:
		return attention(in[0], in[1], in[2])
	}
	panic(fmt.Sprintf("reference: operation %v has no implementation", n.Op)) // a graph cannot hold another
}

func (p *program) bias(n *graph.Node) []float64 {
	if n.Bias == nil {
		return nil
	}
	return p.params[n.Bias.Name]
}

// addBias adds one value to each row.
func addBias(m mat.Matrix, bias []float64) mat.Matrix {
	cols := m.Shape()[1]
	values := data(m)
	for r, b := range bias {
		for c := range cols {
			values[r*cols+c] += b
		}
	}
	return m
}

func each(m mat.Matrix, f func(float64) float64) mat.Matrix {
	out := make([]float64, m.Size())
	for i, v := range data(m) {
		out[i] = f(v)
	}
	return matrix(m.Shape()[0], m.Shape()[1], out)
}

func reshape(n *graph.Node, x mat.Matrix) mat.Matrix {
	c, hw := n.Shape[0], n.Shape[1]*n.Shape[2]
	if n.Order == graph.CHW {
		return matrix(c, hw, data(x))
	}
	return matrix(hw, c, data(x)).T()
}

// patches3x3 lays the 3x3 surroundings of every pixel out as a column of c·9 values, with
// zeros beyond the border: the convolution becomes one matrix product.
func patches3x3(x []float64, c, h, w int) mat.Matrix {
	out := make([]float64, c*9*h*w)
	for ch := range c {
		for ky := range 3 {
			for kx := range 3 {
				row := out[((ch*3+ky)*3+kx)*h*w:]
				for y := range h {
					for xx := range w {
						sy, sx := y+ky-1, xx+kx-1
						if sy >= 0 && sy < h && sx >= 0 && sx < w {
							row[y*w+xx] = x[(ch*h+sy)*w+sx]
						}
					}
				}
			}
		}
	}
	return matrix(c*9, h*w, out)
}

// norm is (x - mean) / sqrt(var + eps) · gain + bias for each channel.
func (p *program) norm(n *graph.Node, in []mat.Matrix, blend backend.StatsBlend) mat.Matrix {
	c, hw := n.Shape[0], n.Shape[1]*n.Shape[2]
	mean, variance := p.statistics(n.Mean, c, blend), p.statistics(n.Var, c, blend)
	out := make([]float64, c*hw)
	x := data(in[0])
	for ch := range c {
		var gain, bias float64
		if len(in) == 3 {
			gain, bias = 1+data(in[1])[ch], data(in[2])[ch]
		} else {
			gain, bias = p.params[n.Gain.Name][ch], p.params[n.Bias.Name][ch]
		}
		scale := gain / math.Sqrt(variance[ch]+n.Eps)
		for i := range hw {
			out[ch*hw+i] = (x[ch*hw+i]-mean[ch])*scale + bias
		}
	}
	return matrix(c, hw, out)
}

// statistics is the row, or the blend of two, that the truncation asks for.
func (p *program) statistics(param *graph.Param, c int, blend backend.StatsBlend) []float64 {
	table := p.params[param.Name]
	if len(param.Shape) == 1 {
		return table
	}
	out := make([]float64, c)
	for i := range out {
		out[i] = blend.W0*table[blend.Row0*c+i] + blend.W1*table[blend.Row1*c+i]
	}
	return out
}

func upsample(m mat.Matrix, shape []int) mat.Matrix {
	c, h, w := shape[0], shape[1], shape[2]
	x, out := data(m), make([]float64, 4*c*h*w)
	for ch := range c {
		for y := range 2 * h {
			for xx := range 2 * w {
				out[(ch*2*h+y)*2*w+xx] = x[(ch*h+y/2)*w+xx/2]
			}
		}
	}
	return matrix(c, 4*h*w, out)
}

func pool(m mat.Matrix, shape []int, of func(a, b, c, d float64) float64) mat.Matrix {
	c, h, w := shape[0], shape[1], shape[2]
	x, out := data(m), make([]float64, c*h*w/4)
	for ch := range c {
		for y := range h / 2 {
			for xx := range w / 2 {
				top := x[(ch*h+2*y)*w+2*xx:]
				out[(ch*h/2+y)*(w/2)+xx] = of(top[0], top[1], top[w], top[w+1])
			}
		}
	}
	return matrix(c, h*w/4, out)
}

// attention is g · softmax(θᵀφ)ᵀ, the softmax over the keys.
func attention(theta, phi, g mat.Matrix) mat.Matrix {
	scores := theta.T().Mul(phi) // queries x keys
	keys := scores.Shape()[1]
	values := data(scores)
	for q := range scores.Shape()[0] {
		softmax(values[q*keys : (q+1)*keys])
	}
	return g.Mul(scores.T())
}

func softmax(row []float64) {
	largest := math.Inf(-1)
	for _, v := range row {
		largest = max(largest, v)
	}
	var sum float64
	for i, v := range row {
		row[i] = math.Exp(v - largest)
		sum += row[i]
	}
	for i := range row {
		row[i] /= sum
	}
}
