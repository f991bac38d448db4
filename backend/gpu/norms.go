package gpu

import (
	"fmt"
	"math"

	"github.com/biggan-zoo/biggan/backend/gpu/shader"
	"github.com/biggan-zoo/biggan/graph"
)

// normGroup are normalisations whose gains lie in one tensor and whose biases lie in one: a step
// computes them together.
type normGroup struct {
	gain, bias *tensor // nil: stored
	rows       int     // of the statistics tables; 0 = one set
	eps        float64
	nodes      []*graph.Node
	at         []int // where each node's channels begin, within the group
	channels   int
}

// norms groups the normalisations and emits a step a group. Channels of each are padded to a multiple
// of four with scales and shifts of zero.
func (l *lowering) norms() error {
	var groups []*normGroup
	for _, n := range l.graph.Nodes {
		if n.Op != graph.Norm || len(n.In) == 3 && (l.Late(n.In[1]) || l.Late(n.In[2])) {
			continue
		}
		g := l.groupOf(n, &groups)
		g.nodes = append(g.nodes, n)
		g.at = append(g.at, g.channels)
		g.channels += fours(n.Shape[0])
	}
	for _, g := range groups {
		base := l.normTotal
		l.normTotal += g.channels
		for i, n := range g.nodes {
			l.normOf[n] = &norm{at: base + g.at[i]}
		}
		if err := l.emitNorms(g, base); err != nil {
			return err
		}
	}
	return nil
}

func (l *lowering) groupOf(n *graph.Node, groups *[]*normGroup) *normGroup {
	key := normGroup{eps: n.Eps}
	if len(n.Mean.Shape) == 2 {
		key.rows = n.Mean.Shape[0]
	}
	if len(n.In) == 3 {
		for _, x := range n.In[1:] {
			l.viewOf[x] = l.plain(x.Name, l.viewOf[x])
		}
		key.gain, key.bias = l.viewOf[n.In[1]].t, l.viewOf[n.In[2]].t
	}
	for _, g := range *groups {
		if g.gain == key.gain && g.bias == key.bias && g.rows == key.rows && g.eps == key.eps {
			return g
		}
	}
	*groups = append(*groups, &key)
	return &key
}

// emitNorms appends the step of a group whose channels begin at base.
func (l *lowering) emitNorms(g *normGroup, base int) error {
	columns, stored, err := l.columns(g)
	if err != nil {
		return err
	}
	where := &constant{size: 4 * len(columns), words: columns}
	l.constants = append(l.constants, where)
	tables := l.newConstant(2*max(g.rows, 1)*g.channels, func() ([]float32, error) { return l.tables(g) })
	gain, bias := operand{tensor: g.gain}, operand{tensor: g.bias}
	var gainSample, biasSample int
	one := float32(1)
	var reads []view
	if g.gain == nil {
		c := l.newConstant(len(stored), func() ([]float32, error) { return stored, nil })
		gain, bias, one = operand{constant: c}, operand{constant: c}, 0
	} else {
		gainSample, biasSample = g.gain.size, g.bias.size
		reads = []view{{t: g.gain}, {t: g.bias}}
	}
	tabled := 0
	if g.rows > 0 {
		tabled = 1
	}
	l.emit(step{
		name: g.nodes[0].Name, op: shader.Norm,
		bind: []operand{gain, bias, {constant: tables}, {constant: where}, {norms: true}},
		grid: func(batch int) grid {
			words := integers(
				g.channels, batch, base, 2*l.normTotal, l.normTotal, gainSample, biasSample, 0, 0, 0, 0, tabled,
			)
			words = append(words, math.Float32bits(float32(g.eps)), math.Float32bits(one), 0, 0)
			return grid{words, (g.channels + threads - 1) / threads, batch, 1}
		},
	}, nil, reads...)
	return nil
}

// columns says, for each channel, where its gain and its bias lie in their tensors; stored are the
// values themselves, for a group that has no tensors.
func (l *lowering) columns(g *normGroup) (columns []uint32, stored []float32, err error) {
	for i := 0; i < 2*g.channels; i++ {
		columns = append(columns, math.MaxUint32) // padding
	}
	for i, n := range g.nodes {
		c := n.Shape[0]
		gainAt, biasAt := len(stored), len(stored)+c
		if g.gain != nil {
			gainAt, biasAt = l.viewOf[n.In[1]].base, l.viewOf[n.In[2]].base
		} else {
			values := make([]float32, 2*c)
			for j, p := range []*graph.Param{n.Gain, n.Bias} {
				if err := l.w.Float32s(values[j*c:][:c], p.Name); err != nil {
					return nil, nil, fmt.Errorf("gpu: %s: %w", n.Name, err)
				}
			}
			stored = append(stored, values...)
		}
		for ch := range c {
			columns[2*(g.at[i]+ch)] = uint32(gainAt + ch)
			columns[2*(g.at[i]+ch)+1] = uint32(biasAt + ch)
		}
	}
	return columns, stored, nil
}

// tables joins the statistics of a group: for each row, means and then variances of all channels.
func (l *lowering) tables(g *normGroup) ([]float32, error) {
	rows := max(g.rows, 1)
	joined := make([]float32, rows*2*g.channels)
	for i, n := range g.nodes {
		c := n.Shape[0]
		for j, p := range []*graph.Param{n.Mean, n.Var} {
			table := make([]float32, rows*c)
			if err := l.w.Float32s(table, p.Name); err != nil {
				return nil, err
			}
			for row := range rows {
				copy(joined[(2*row+j)*g.channels+g.at[i]:], table[row*c:][:c])
			}
		}
	}
	return joined, nil
}
