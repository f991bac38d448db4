package explain

import (
	"slices"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/weights"
)

// loan is a parameter of another model.
type loan struct {
	from weights.Source
	name string
}

// overlay is a source of weights of which some are another model's.
type overlay struct {
	weights.Source
	loans map[string]loan
}

// lentFrom lends tensors in memory under their own names.
func lentFrom(tensors weights.Memory) map[string]loan {
	loans := map[string]loan{}
	for name := range tensors {
		loans[name] = loan{tensors, name}
	}
	return loans
}

// lend puts loans over the weights of a side.
func lend(loans map[string]loan) func(s *verify.Side) {
	return func(s *verify.Side) { s.Weights = overlay{s.Weights, loans} }
}

func (o overlay) Info(name string) (weights.Info, bool) {
	if l, ok := o.loans[name]; ok {
		return l.from.Info(l.name)
	}
	return o.Source.Info(name)
}

func (o overlay) Float32s(dst []float32, name string) error {
	if l, ok := o.loans[name]; ok {
		return l.from.Float32s(dst, l.name)
	}
	return o.Source.Float32s(dst, name)
}

func (o overlay) Float64s(dst []float64, name string) error {
	if l, ok := o.loans[name]; ok {
		return l.from.Float64s(dst, l.name)
	}
	return o.Source.Float64s(dst, name)
}

// shared is a parameter that two networks have in the same place.
type shared struct{ here, there *graph.Param }

// parameters lists those of paired nodes, of some roles.
func parameters(pairs []verify.Pair, roles ...graph.Role) []shared {
	var all []shared
	for _, p := range pairs {
		a, b := p.Got, p.Want
		for _, s := range []shared{{a.Weight, b.Weight}, {a.Sigma, b.Sigma}, {a.Bias, b.Bias}, {a.Gain, b.Gain}, {a.Mean, b.Mean}, {a.Var, b.Var}} {
			if s.here != nil && s.there != nil && slices.Contains(roles, s.here.Role) {
				all = append(all, s)
			}
		}
	}
	return all
}
