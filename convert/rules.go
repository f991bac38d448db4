package convert

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// rule says what becomes of the source tensors whose whole name matches From. In From,
// {i} and {k} are numbers, {a|b} one of several words; To repeats them in order as {}.
type rule struct {
	From, To string
	Divide   string // sums: divide by this tensor (its name in the source, with {})
	Layout   layout // of the source
	Drop     string // why the tensor is not carried over; To is empty
}

// same keeps the name.
func same(name string) rule { return rule{From: name} }

// table is a compiled list of rules: those without numbers by name, the others as patterns.
type table struct {
	rules    []rule
	literal  map[string]literal
	patterns []compiled
	inverse  map[string]string // of the literal ones: parameter to source name
}

// literal is a rule for one name.
type literal struct {
	rule       int
	to, divide string
}

type compiled struct {
	rule    int
	match   *regexp.Regexp // source names
	inverse *regexp.Regexp // parameter names
}

var (
	placeholder = regexp.MustCompile(`\{([^}]*)\}`)
	number      = regexp.MustCompile(`\{[ik]\}`)
)

func compile(rules ...[]rule) *table {
	t := &table{literal: map[string]literal{}, inverse: map[string]string{}}
	for _, r := range slices.Concat(rules...) {
		if r.To == "" && r.Drop == "" {
			r.To = placeholder.ReplaceAllString(r.From, "{}")
		}
		t.rules = append(t.rules, r)
		if number.MatchString(r.From) {
			t.pattern(len(t.rules)-1, r)
			continue
		}
		t.spell(len(t.rules)-1, r, r.From, nil)
	}
	return t
}

// pattern compiles a rule with numbers.
func (t *table) pattern(i int, r rule) {
	inverse := r.To
	for _, word := range placeholder.FindAllString(r.From, -1) {
		inverse = strings.Replace(inverse, "{}", word, 1)
	}
	t.patterns = append(t.patterns, compiled{i, wholeName(r.From), wholeName(inverse)})
}

// spell enters every name that a rule of words stands for; the first rule for a name counts.
func (t *table) spell(i int, r rule, from string, words []string) {
	at := placeholder.FindStringIndex(from)
	if at == nil {
		if _, twice := t.literal[from]; twice {
			return
		}
		to := expand(r.To, words)
		t.literal[from] = literal{i, to, expand(r.Divide, words)}
		if _, known := t.inverse[to]; !known && r.Drop == "" {
			t.inverse[to] = from
		}
		return
	}
	for word := range strings.SplitSeq(from[at[0]+1:at[1]-1], "|") {
		t.spell(i, r, from[:at[0]]+word+from[at[1]:], append(slices.Clone(words), word))
	}
}

// wholeName compiles a name with placeholders.
func wholeName(name string) *regexp.Regexp {
	pattern := placeholder.ReplaceAllStringFunc(name, func(p string) string {
		if p == "{i}" || p == "{k}" {
			return "(0|[1-9][0-9]{0,3})"
		}
		return "(" + strings.Trim(p, "{}") + ")"
	})
	return regexp.MustCompile("^" + strings.ReplaceAll(pattern, ".", `\.`) + "$")
}

// target is where a source tensor goes.
type target struct {
	source weights.Info
	divide string // source name of the divisor, or ""
	layout layout
}

// plan maps every parameter of the schema to its source, and lists what is dropped.
type plan struct {
	targets map[string]target
	dropped []Dropped
}

// match applies the table: each tensor by exactly one rule, each parameter from one
// tensor. Everything that does not fit is listed in one error.
func (t *table) match(tensors []weights.Info, schema []*graph.Param) (plan, error) {
	p := plan{targets: map[string]target{}}
	want := map[string]*graph.Param{}
	for _, param := range schema {
		want[param.Name] = param
	}
	var problems []string
	for _, info := range tensors {
		to, divide, r, ok := t.find(info.Name)
		param := want[to]
		_, twice := p.targets[to]
		switch {
		case !ok:
			problems = append(problems, fmt.Sprintf("extra %q %v: no rule for this name", info.Name, info.Shape))
		case r.Drop != "":
			p.dropped = append(p.dropped, Dropped{info.Name, r.Drop})
		case param == nil:
			problems = append(problems, fmt.Sprintf("extra %q %v: the network of this config has no such layer", info.Name, info.Shape))
		case !floating(info.DType):
			problems = append(problems, fmt.Sprintf("%q is %s, want a floating type", info.Name, info.DType))
			p.targets[to] = target{source: info} // not missing as well
		case twice:
			problems = append(problems, fmt.Sprintf("%q and %q are both %q", p.targets[to].source.Name, info.Name, to))
		case !slices.Equal(squeeze(r.Layout.shape(info.Shape)), squeeze(param.Shape)):
			problems = append(problems, fmt.Sprintf("%q is %v, want %v", info.Name, info.Shape, r.Layout.source(param.Shape)))
			p.targets[to] = target{source: info} // not missing as well
		default:
			p.targets[to] = target{info, divide, r.Layout}
		}
	}
	for _, param := range schema {
		if _, ok := p.targets[param.Name]; !ok && param.Role != graph.Sigma && !param.Role.Optional() {
			problems = append(problems, "missing "+t.describe(param))
		}
	}
	return p, listed(problems)
}

// describe names a parameter as the schema does and as the source does.
func (t *table) describe(param *graph.Param) string {
	text := fmt.Sprintf("%q %v", param.Name, param.Shape)
	if name, ok := t.sourceName(param.Name); ok && name != param.Name {
		text += fmt.Sprintf(" (%q in the source)", name)
	}
	return text
}

func floating(d weights.DType) bool {
	return d == weights.F32 || d == weights.F64 || d == weights.F16 || d == weights.BF16
}

func (t *table) find(name string) (to, divide string, r rule, ok bool) {
	if l, ok := t.literal[name]; ok {
		return l.to, l.divide, t.rules[l.rule], true
	}
	for _, c := range t.patterns {
		if m := c.match.FindStringSubmatch(name); m != nil {
			r := t.rules[c.rule]
			return expand(r.To, m[1:]), expand(r.Divide, m[1:]), r, true
		}
	}
	return "", "", rule{}, false
}

// expand puts the matched parts in place of {}.
func expand(pattern string, parts []string) string {
	for _, part := range parts {
		pattern = strings.Replace(pattern, "{}", part, 1)
	}
	return pattern
}

// squeeze drops axes of one element: [1,96] and [96], [] and [1] hold the same.
func squeeze(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(d int) bool { return d == 1 })
}

// listed makes one error of many problems.
func listed(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	shown := problems[:min(len(problems), 10)]
	more := ""
	if n := len(problems) - len(shown); n > 0 {
		more = fmt.Sprintf("\n  and %d more", n)
	}
	return fmt.Errorf("convert: %w: %d tensors do not fit the network:\n  %s%s", weights.ErrFormat, len(problems), strings.Join(shown, "\n  "), more)
}

// sourceName reads the table backwards: what the source calls a parameter.
func (t *table) sourceName(param string) (string, bool) {
	if from, ok := t.inverse[param]; ok {
		return from, true
	}
	for _, c := range t.patterns {
		r := t.rules[c.rule]
		if r.Drop != "" {
			continue
		}
		if m := c.inverse.FindStringSubmatch(param); m != nil {
			return expand(placeholder.ReplaceAllString(r.From, "{}"), m[1:]), true
		}
	}
	return "", false
}

// SourceName is the name of a schema's parameter in a source format, "hf" or
// "biggan-pytorch"; ok is false where that format has no such tensor.
func SourceName(format, param string) (name string, ok bool) {
	switch format {
	case "hf":
		return hfRules.sourceName(param)
	case "biggan-pytorch":
		return bgptRules.sourceName(param)
	}
	return "", false
}
