package labels

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Share is a class and its part in a mix.
type Share struct {
	Class  int     `json:"class"`
	Weight float32 `json:"weight"` // 0 to 1
}

// Mix is a soft class: shares that add up to one. Most mixes are one class.
type Mix []Share

// One is the mix of one class alone.
func One(class int) Mix { return Mix{{class, 1}} }

// Between is the mix at t, 0 to 1, on the way from a to b: linear in y, and so in the
// embedding of the class.
func Between(a, b Mix, t float64) Mix {
	var out Mix
	add := func(m Mix, factor float64) {
		for _, s := range m {
			if w := factor * float64(s.Weight); w != 0 {
				out = out.plus(s.Class, float32(w))
			}
		}
	}
	add(a, 1-t)
	add(b, t)
	return out
}

func (m Mix) plus(class int, weight float32) Mix {
	for i := range m {
		if m[i].Class == class {
			m[i].Weight += weight
			return m
		}
	}
	return append(m, Share{class, weight})
}

// OneHot is the y of classes of a model with n: a row of n values a class.
func OneHot(classes []int, n int) []float32 {
	mixes := make([]Mix, len(classes))
	for i, c := range classes {
		mixes[i] = One(c)
	}
	return Dense(mixes, n)
}

// Dense is the y of mixes for a model of n classes: a row of n values a mix.
func Dense(mixes []Mix, n int) []float32 {
	y := make([]float32, len(mixes)*n)
	for i, m := range mixes {
		for _, s := range m {
			y[i*n+s.Class] += s.Weight
		}
	}
	return y
}

// MixName is the name of a mix: that of its class, or names with shares, which Query reads again.
func (l List) MixName(m Mix) string {
	if len(m) == 1 && m[0].Weight == 1 {
		return l.Name(m[0].Class)
	}
	parts := make([]string, len(m))
	for i, s := range m {
		parts[i] = l.Name(s.Class) + ":" + strconv.FormatFloat(float64(s.Weight), 'g', 4, 32)
	}
	return strings.Join(parts, ",")
}

// Term is one part of a query.
type Term struct {
	Text   string
	Weight float64
	Match
}

// Query is what a class argument asks for: one term, or several that are mixed.
type Query []Term

// Query reads a class, or a mix of classes: "tiger:0.6,lion:0.4". Weights are positive; they
// are divided by their sum. Errors wrap ErrUnknown, or say what is wrong with a weight.
func (l List) Query(text string) (Query, error) {
	m, err := l.Lookup(text)
	if err == nil {
		return Query{{text, 1, m}}, nil
	}
	if !strings.Contains(text, ":") {
		if strings.Contains(text, ",") {
			err = fmt.Errorf("%w; a mix has weights (\"tiger:0.6,lion:0.4\"), several classes are named one by one", err)
		}
		return nil, err
	}
	var q Query
	sum := 0.0
	for part := range strings.SplitSeq(text, ",") {
		at := strings.LastIndexByte(part, ':')
		if at < 0 {
			return nil, fmt.Errorf("%w: mix %q: none in %q, want CLASS:WEIGHT", ErrWeight, text, part)
		}
		name, number := strings.TrimSpace(part[:at]), strings.TrimSpace(part[at+1:])
		weight, err := strconv.ParseFloat(number, 64)
		if err != nil || !(weight > 0) || math.IsInf(weight, 0) {
			return nil, fmt.Errorf("%w: mix %q: weight %q of %q, want a number above 0", ErrWeight, text, number, name)
		}
		m, err := l.Lookup(name)
		if err != nil {
			return nil, err
		}
		q = append(q, Term{name, weight, m})
		sum += weight
	}
	if math.IsInf(sum, 0) {
		return nil, fmt.Errorf("%w: mix %q: the weights are too large", ErrWeight, text)
	}
	if math.Abs(sum-1) > 1e-6 {
		for i := range q {
			q[i].Weight /= sum
		}
	}
	return q, nil
}

// Mix settles a query. choose picks one of the n classes that term i may mean.
func (q Query) Mix(choose func(term, n int) int) Mix {
	var m Mix
	for i, t := range q {
		class := t.Classes[0]
		if len(t.Classes) > 1 {
			class = t.Classes[choose(i, len(t.Classes))]
		}
		m = m.plus(class, float32(t.Weight))
	}
	return m
}
