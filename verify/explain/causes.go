package explain

import (
	"fmt"
	"math"
	"slices"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/weights"
)

// The names of the known differences, as reports say them.
const (
	spectralNorm    = "epsilon of the spectral norm"
	otherNorms      = "spectral norms"
	blockEpsilon    = "epsilon of the blocks' batch norms"
	lastEpsilon     = "epsilon of the last batch norm"
	interpolation   = "interpolation of the statistics"
	oneStatistics   = "statistics without tables"
	otherStatistics = "statistics of the batch norms"
	conditioning    = "order of the conditioning"
	firstLayout     = "layout of the first layer"
	roundedWeights  = "rounded weights"
	otherWeights    = "trained weights"
	lowPrecision    = "precision"
)

// epsilons are those that implementations give their batch norms: DeepMind's and Hugging
// Face's, and PyTorch's default, which BigGAN-PyTorch's training scripts keep.
var epsilons = []float64{1e-4, 1e-5}

// againstRecording lists what its author may do otherwise, the likely first.
func (m Model) againstRecording(in backend.Inputs, o Options) ([]verify.Cause, error) {
	between, without := m.statistics(in.Truncation, o.Stats)
	formulas, err := m.formulas()
	if err != nil {
		return nil, err
	}
	causes := append(appendIf(nil, between), formulas...)
	for _, last := range []bool{true, false} {
		for _, eps := range epsilons {
			causes = appendIf(causes, m.epsilon(last, eps))
		}
	}
	for _, c := range []verify.Cause{without, m.reordered(), m.laidOut(), m.rounded()} {
		causes = appendIf(causes, c)
	}
	return causes, nil
}

// appendIf leaves out causes that do not exist.
func appendIf(causes []verify.Cause, c verify.Cause) []verify.Cause {
	if c.Name == "" {
		return causes
	}
	return append(causes, c)
}

// sameNorms is the relative distance up to which spectral norms count as the same: float32's.
const sameNorms = 1e-6

// formulas are those of the spectral norm that give other norms than the model has.
func (m Model) formulas() ([]verify.Cause, error) {
	var causes []verify.Cause
	known := []weights.Source{m.File}
	for _, f := range convert.Formulas {
		norms, ok, err := convert.SpectralNorms(m.File, m.Graph, f)
		if err != nil {
			return nil, err
		}
		if !ok || slices.ContainsFunc(known, func(k weights.Source) bool { return m.apart(norms, k) < sameNorms }) {
			continue
		}
		known = append(known, norms)
		causes = append(causes, verify.Cause{
			Name: spectralNorm, Kind: spectralNorm, Apply: lend(lentFrom(norms)),
			Text: fmt.Sprintf("spectral norms by %s, where the model has those of its source (%s): up to %.1e of a norm apart", f.Text, m.Meta.SourceFormat, m.apart(norms, m.File)),
		})
	}
	return causes, nil
}

// apart is the largest relative distance of two sets of spectral norms.
func (m Model) apart(a, b weights.Source) float64 {
	most := 0.0
	for _, p := range m.Graph.Params() {
		if p.Role != graph.Sigma {
			continue
		}
		var x, y [1]float64
		if a.Float64s(x[:], p.Name) != nil || b.Float64s(y[:], p.Name) != nil || y[0] == 0 {
			return math.Inf(1)
		}
		most = math.Max(most, math.Abs(x[0]/y[0]-1))
	}
	return most
}

// epsilon is another one in the last batch norm, or in all others.
func (m Model) epsilon(last bool, eps float64) verify.Cause {
	c := verify.Cause{Name: blockEpsilon, Kind: blockEpsilon}
	if last {
		c.Name, c.Kind = lastEpsilon, lastEpsilon
	}
	concerned := func(n *graph.Node) bool { return n.Op == graph.Norm && (len(n.In) == 1) == last }
	for _, n := range m.Graph.Nodes {
		if concerned(n) && n.Eps != eps {
			c.Text = fmt.Sprintf("%.0e, where the model has %.0e", eps, n.Eps)
		}
	}
	if c.Text == "" {
		return verify.Cause{}
	}
	c.Apply = rewrite(func(n *graph.Node) {
		if concerned(n) {
			n.Eps = eps
		}
	})
	return c
}

func rewrite(change func(n *graph.Node)) func(s *verify.Side) {
	return func(s *verify.Side) { s.Graph = s.Graph.Rewrite(change) }
}

// statistics are the ways to take them at a truncation: between rows, and without tables.
func (m Model) statistics(truncation float64, mode backend.StatsMode) (between, without verify.Cause) {
	grid := m.Graph.Grid
	if grid.Rows == 0 {
		if _, generator := m.Graph.Input("z"); generator && truncation != 1 {
			without = verify.Cause{
				Name: oneStatistics, Kind: otherStatistics,
				Text: fmt.Sprintf("the model has one set of statistics, of truncation 1, and the truncation is %g: an implementation with tables takes others, which the model lacks", truncation),
			}
		}
		return between, without
	}
	other, text := backend.StatsHF, "Hugging Face's, reversed between rows (--stats hf)"
	if mode == backend.StatsHF {
		other, text = backend.StatsLinear, "linear (--stats linear), where --stats hf reverses it"
	}
	here, there := backend.Blend(grid, truncation, mode), backend.Blend(grid, truncation, other)
	if here != there {
		between = verify.Cause{
			Name: interpolation, Kind: otherStatistics, Wreck: true, Apply: func(s *verify.Side) { s.Stats = other },
			Text: fmt.Sprintf("%s: at truncation %g, %s, where the model takes %s", text, truncation, blended(there), blended(here)),
		}
	}
	if here != backend.Blend(grid, 1, mode) {
		without = verify.Cause{
			Name: oneStatistics, Kind: otherStatistics, Wreck: true, Apply: func(s *verify.Side) { s.Full = true },
			Text: fmt.Sprintf("those of truncation 1 at any truncation, as implementations without tables have them, where the model takes %s at truncation %g", blended(here), truncation),
		}
	}
	return between, without
}

// blended describes rows of a table, counted from 0.
func blended(b backend.StatsBlend) string {
	const nothing = 1e-9
	switch {
	case b.W1 < nothing:
		return fmt.Sprintf("row %d", b.Row0)
	case b.W0 < nothing:
		return fmt.Sprintf("row %d", b.Row1)
	}
	return fmt.Sprintf("%.3g of row %d and %.3g of row %d", b.W0, b.Row0, b.W1, b.Row1)
}

// joins reports whether a node joins the latent vector and the embedding.
func joins(n *graph.Node) bool { return n.Op == graph.Concat && len(n.Shape) == 1 && len(n.In) == 2 }

// reordered is the conditioning the other way round.
func (m Model) reordered() verify.Cause {
	var c verify.Cause
	first := map[string]string{} // what comes first then, by node
	for _, n := range m.Graph.Nodes {
		if joins(n) {
			first[n.Name] = n.In[1].Name
			c.Text = fmt.Sprintf("(%s, %s), where the model has (%s, %s)", n.In[1].Name, n.In[0].Name, n.In[0].Name, n.In[1].Name)
		}
	}
	if len(first) == 0 {
		return c
	}
	c.Name, c.Kind, c.Wreck = conditioning, conditioning, true
	c.Apply = rewrite(func(n *graph.Node) {
		if want, ok := first[n.Name]; ok && n.In[0].Name != want {
			n.In[0], n.In[1] = n.In[1], n.In[0]
		}
	})
	return c
}

// laidOut is the first layer in the other layout.
func (m Model) laidOut() verify.Cause {
	for _, n := range m.Graph.Nodes {
		if n.Op == graph.Reshape {
			return layoutCause(n.Order, graph.CHW+graph.HWC-n.Order)
		}
	}
	return verify.Cause{}
}

func layoutCause(here, there graph.Order) verify.Cause {
	return verify.Cause{
		Name: firstLayout, Kind: firstLayout, Wreck: true, Text: fmt.Sprintf("%s, where the model has %s", there, here),
		Apply: rewrite(func(n *graph.Node) {
			if n.Op == graph.Reshape {
				n.Order = there
			}
		}),
	}
}

// rounded tells of weights that are stored in fewer bits than their source had.
func (m Model) rounded() verify.Cause {
	if d := m.dtype(); d == weights.F16 || d == weights.BF16 {
		return verify.Cause{
			Name: roundedWeights, Kind: roundedWeights,
			Text: fmt.Sprintf("the model's weights are rounded to %s; convert its checkpoint without --dtype to take that away", d),
		}
	}
	return verify.Cause{}
}

// dtype is what the weights of a model are stored as.
func (m Model) dtype() weights.DType {
	for _, p := range m.Graph.Params() {
		if info, ok := m.File.Info(p.Name); ok && p.Role == graph.Weight {
			return info.DType
		}
	}
	return ""
}

// precision is float32 in place of what was asked for.
func precision(plain verify.Compile) []verify.Cause {
	if plain == nil {
		return nil
	}
	return []verify.Cause{{
		Name: lowPrecision, Kind: lowPrecision, Text: "computed in float32 in place of --precision",
		Apply: func(s *verify.Side) { s.Compile = plain },
	}}
}
