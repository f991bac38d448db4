package explain

import (
	"fmt"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/verify"
)

// againstModel lists what another model has otherwise. Each cause puts that in the place of
// what is here.
func (m Model) againstModel(other Model, in backend.Inputs, pairs []verify.Pair) ([]verify.Cause, error) {
	var causes []verify.Cause
	norms, err := m.otherNorms(other, pairs)
	if err != nil {
		return nil, err
	}
	causes = appendIf(causes, norms)
	causes = appendIf(causes, m.otherEpsilon(pairs, other, false))
	causes = appendIf(causes, m.otherEpsilon(pairs, other, true))
	statistics, err := m.otherTables(other, in.Truncation, pairs)
	if err != nil {
		return nil, err
	}
	causes = appendIf(causes, statistics)
	var arranged []func(s *verify.Side)
	if c := m.otherOrder(pairs, other); c.Name != "" {
		causes, arranged = append(causes, c), append(arranged, c.Apply)
	}
	if c := m.otherLayout(pairs, other); c.Name != "" {
		causes, arranged = append(causes, c), append(arranged, c.Apply)
	}
	trained, err := m.trained(other, pairs, arranged)
	return appendIf(causes, trained), err
}

// differing lists the parameters whose values the other model has otherwise, as loans.
// Parameters of another shape differ; they are lent if shapes may.
func (m Model) differing(other Model, params []shared, anyShape bool) (map[string]loan, error) {
	loans := map[string]loan{}
	for _, p := range params {
		l := loan{other.File, p.there.Name}
		if !slices.Equal(p.here.Shape, p.there.Shape) {
			if anyShape {
				loans[p.here.Name] = l
			}
			continue
		}
		a, b := make([]float32, p.here.Elements()), make([]float32, p.here.Elements())
		if err := m.File.Float32s(a, p.here.Name); err != nil {
			return nil, err
		}
		if err := other.File.Float32s(b, p.there.Name); err != nil {
			return nil, err
		}
		if !slices.Equal(a, b) {
			loans[p.here.Name] = l
		}
	}
	return loans, nil
}

// otherNorms are the other model's spectral norms. Where a known formula makes them of the
// weights here, its epsilon is the cause, and what it makes is tried, not what the other has;
// where none does, they are norms of other weights.
func (m Model) otherNorms(other Model, pairs []verify.Pair) (verify.Cause, error) {
	loans, err := m.differing(other, parameters(pairs, graph.Sigma), false)
	if err != nil || len(loans) == 0 {
		return verify.Cause{}, err
	}
	theirs := overlay{m.File, loans}
	apart := m.apart(theirs, m.File)
	if apart < sameNorms {
		return verify.Cause{}, nil
	}
	c := verify.Cause{
		Name: otherNorms, Kind: spectralNorm, Apply: lend(loans),
		Text: fmt.Sprintf("those of %s (%s): up to %.1e of a norm apart", other.Name, other.Meta.SourceFormat, apart),
	}
	for _, f := range convert.Formulas {
		norms, ok, err := convert.SpectralNorms(m.File, m.Graph, f)
		if err != nil {
			return verify.Cause{}, err
		}
		if ok && m.apart(norms, theirs) < apart/10 {
			c.Name, c.Apply = spectralNorm, lend(lentFrom(norms))
			c.Text = fmt.Sprintf("spectral norms of %s by %s, where %s has those of its source (%s): up to %.1e of a norm apart", other.Name, f.Text, m.Name, m.Meta.SourceFormat, apart)
			break
		}
	}
	return c, nil
}

// otherEpsilon is the other model's, of the last batch norm or of all others.
func (m Model) otherEpsilon(pairs []verify.Pair, other Model, last bool) verify.Cause {
	theirs := map[string]float64{}
	c := verify.Cause{Name: blockEpsilon, Kind: blockEpsilon}
	if last {
		c.Name, c.Kind = lastEpsilon, lastEpsilon
	}
	for _, p := range pairs {
		if p.Got.Op == graph.Norm && (len(p.Got.In) == 1) == last && p.Got.Eps != p.Want.Eps {
			theirs[p.Got.Name] = p.Want.Eps
			c.Text = fmt.Sprintf("%.0e in %s, %.0e in %s", p.Want.Eps, other.Name, p.Got.Eps, m.Name)
		}
	}
	if len(theirs) == 0 {
		return verify.Cause{}
	}
	c.Apply = rewrite(func(n *graph.Node) {
		if eps, ok := theirs[n.Name]; ok {
			n.Eps = eps
		}
	})
	return c
}

// otherTables are the statistics of the other model, with their tables or without.
func (m Model) otherTables(other Model, truncation float64, pairs []verify.Pair) (verify.Cause, error) {
	tables := parameters(pairs, graph.Mean, graph.Var)
	loans, err := m.differing(other, tables, true)
	if err != nil || len(loans) == 0 {
		return verify.Cause{}, err
	}
	shapes := map[string][]int{}
	for _, p := range tables {
		shapes[p.here.Name] = p.there.Shape
	}
	grid := other.Graph.Grid
	c := verify.Cause{
		Name: otherStatistics, Kind: otherStatistics, Wreck: true,
		Text: fmt.Sprintf("%s of %s, where %s has %s: the truncation is %g", described(grid), other.Name, m.Name, described(m.Graph.Grid), truncation),
		Apply: func(s *verify.Side) {
			lend(loans)(s)
			rewrite(func(n *graph.Node) {
				for _, p := range []*graph.Param{n.Mean, n.Var} {
					if p != nil && shapes[p.Name] != nil {
						p.Shape = shapes[p.Name]
					}
				}
			})(s)
			s.Graph.Grid = grid
		},
	}
	if grid.Rows == 0 || m.Graph.Grid.Rows == 0 {
		c.Name = oneStatistics
	}
	return c, nil
}

func described(grid graph.StatsGrid) string {
	if grid.Rows == 0 {
		return "the one set of statistics"
	}
	return fmt.Sprintf("the statistics in %d rows", grid.Rows)
}

// otherOrder is the conditioning as the other model joins it.
func (m Model) otherOrder(pairs []verify.Pair, other Model) verify.Cause {
	for _, p := range pairs {
		if joins(p.Got) && p.Got.In[0].Name != p.Want.In[0].Name && p.Skip != "" {
			c := m.reordered()
			c.Text = fmt.Sprintf("(%s, %s) in %s, (%s, %s) in %s", p.Want.In[0].Name, p.Want.In[1].Name, other.Name, p.Got.In[0].Name, p.Got.In[1].Name, m.Name)
			return c
		}
	}
	return verify.Cause{}
}

// otherLayout is the first layer as the other model lays it out.
func (m Model) otherLayout(pairs []verify.Pair, other Model) verify.Cause {
	for _, p := range pairs {
		if p.Got.Op == graph.Reshape && p.Got.Order != p.Want.Order {
			c := layoutCause(p.Got.Order, p.Want.Order)
			c.Text = fmt.Sprintf("%s in %s, %s in %s", p.Want.Order, other.Name, p.Got.Order, m.Name)
			return c
		}
	}
	return verify.Cause{}
}

// trained are the other model's weights, arranged as there.
func (m Model) trained(other Model, pairs []verify.Pair, arranged []func(s *verify.Side)) (verify.Cause, error) {
	loans, err := m.differing(other, parameters(pairs, graph.Weight, graph.Bias, graph.Gain), false)
	if err != nil || len(loans) == 0 {
		return verify.Cause{}, err
	}
	c := verify.Cause{
		Name: otherWeights, Kind: otherWeights, Wreck: true, Text: fmt.Sprintf("%d weights of %s, which %s has otherwise", len(loans), other.Name, m.Name),
		Apply: func(s *verify.Side) {
			lend(loans)(s)
			for _, arrange := range arranged {
				arrange(s)
			}
		},
	}
	if here, there := m.dtype(), other.dtype(); here != there {
		c.Name, c.Text = roundedWeights, fmt.Sprintf("weights of %s, stored as %s, where %s has them as %s", other.Name, there, m.Name, here)
	}
	return c, nil
}
