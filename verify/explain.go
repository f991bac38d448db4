package verify

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Cause is a known way in which implementations differ.
type Cause struct {
	Name  string // of the difference, as reports say it
	Text  string // what is there instead of what is here
	Kind  string // at most one cause of a kind holds
	Wreck bool   // leaves nothing of the picture: two such show only when both are taken away
	// Apply makes the change. nil: the model lacks what that would take; the cause is told, not tried.
	Apply func(s *Side)
}

// Explanation says what becomes of a difference when its suspected causes are taken away:
// when the side compared is changed to do as the other is thought to do.
type Explanation struct {
	Causes []Effect `json:"causes"`
	Tried  bool     `json:"tried"` // false: the model lacks what it takes to try it
	Node   string   `json:"node"`  // whose largest difference Before and After are
	Before float64  `json:"before"`
	After  float64  `json:"after"`
	Closes bool     `json:"closes"`          // every node is within its tolerance
	First  string   `json:"first,omitempty"` // the first node that is not

	With *Report `json:"-"` // every node with the causes taken away
}

// Effect is a cause, and what remains, of the sample that differed most, when it alone is
// taken away.
type Effect struct {
	Name  string  `json:"name"`
	Text  string  `json:"text"`
	Alone float64 `json:"alone"`
}

// helps is how much a cause must reduce a difference to be worth naming; adds, to be kept
// in a combination.
const (
	helps = 2.0
	adds  = 1.1
)

// Explain tries causes on a comparison that failed, alone, in the order given until one
// closes the difference, and in combination, on one sample of the picture (or, where that agrees, of the node that is furthest out). What closes the
// difference is confirmed on every node. base is the side that was compared; quick, if not
// nil, compiles for trials. progress counts trials and may be nil.
func (r *Report) Explain(ctx context.Context, base Side, against Against, causes []Cause, quick Compile, progress func(done, total int)) error {
	focus, before, ok := r.focus()
	if !ok {
		return nil
	}
	s := &search{base: base, against: against, causes: causes, focus: focus, progress: progress, total: len(causes)}
	s.known = map[string]Difference{fmt.Sprint([]int(nil)): {Name: focus.Node, Max: before}}
	if quick != nil {
		s.base.Compile = quick
	}
	set, err := s.best(ctx)
	if err != nil {
		return err
	}
	for i, c := range causes {
		if _, tried := s.known[fmt.Sprint([]int{i})]; tried && !slices.Contains(r.Tried, c.Name) {
			r.Tried = append(r.Tried, c.Name)
		}
	}
	if set != nil {
		e := Explanation{Tried: true, Node: focus.Node, Before: before}
		for _, i := range set {
			e.Causes = append(e.Causes, Effect{causes[i].Name, causes[i].Text, s.result([]int{i}).Max})
		}
		if e.With, err = against(ctx, s.changed(base, set), nil); err != nil {
			return err
		}
		e.Closes, e.First = e.With.OK, e.With.First
		for _, d := range e.With.Nodes {
			if d.Name == focus.Node {
				e.After = d.Max
			}
		}
		r.Explanations = append(r.Explanations, e)
		if e.Closes {
			return nil
		}
	}
	for _, c := range causes {
		if c.Apply == nil {
			r.Explanations = append(r.Explanations, Explanation{Node: focus.Node, Before: before, After: before, Causes: []Effect{{c.Name, c.Text, before}}})
		}
	}
	return nil
}

// focus is where trials look: the picture if it differs, or the node furthest out.
func (r *Report) focus() (f Focus, before float64, ok bool) {
	worst := 0.0
	for _, d := range r.Nodes {
		if d.OK {
			continue
		}
		out := d.Max / math.Max(d.Tolerance, math.SmallestNonzeroFloat64)
		if d.Name == picture {
			out = math.Inf(1)
		}
		if !ok || out > worst {
			elements := 1
			for _, n := range d.Shape[1:] {
				elements *= n
			}
			f, before, ok, worst = Focus{d.Name, d.At / elements}, d.Max, true, out
		}
	}
	return f, before, ok
}

// search tries sets of causes, given as sorted indices.
type search struct {
	base     Side
	against  Against
	causes   []Cause
	focus    Focus
	known    map[string]Difference
	progress func(done, total int)
	total    int // trials expected
}

func (s *search) changed(side Side, set []int) Side {
	for _, i := range set {
		s.causes[i].Apply(&side)
	}
	return side
}

// result is what was measured of a set.
func (s *search) result(set []int) Difference { return s.known[fmt.Sprint(set)] }

// try measures a set, once.
func (s *search) try(ctx context.Context, set []int) (Difference, error) {
	if d, ok := s.known[fmt.Sprint(set)]; ok {
		return d, nil
	}
	r, err := s.against(ctx, s.changed(s.base, set), &s.focus)
	if err != nil {
		return Difference{}, err
	}
	d := r.Nodes[0]
	s.known[fmt.Sprint(set)] = d
	if s.progress != nil {
		s.progress(len(s.known), max(s.total, len(s.known)))
	}
	return d, nil
}

// best is the set that explains most: the first single cause that closes the difference; or
// the smallest combination found that does; or the one that leaves least. nil = none helps.
func (s *search) best(ctx context.Context) ([]int, error) {
	var leader []int
	left := math.Inf(1)
	for i, c := range s.causes {
		if c.Apply == nil {
			continue
		}
		d, err := s.try(ctx, []int{i})
		if err != nil {
			return nil, err
		}
		if d.OK {
			return []int{i}, nil
		}
		if d.Max < left {
			leader, left = []int{i}, d.Max
		}
	}
	if leader == nil {
		return nil, nil
	}
	leader, err := s.grow(ctx, leader)
	if err != nil {
		return nil, err
	}
	if !s.result(leader).OK {
		if leader, err = s.wrecks(ctx, leader); err != nil {
			return nil, err
		}
	}
	if leader, err = s.prune(ctx, leader); err != nil {
		return nil, err
	}
	if d := s.result(leader); !d.OK && d.Max*helps > s.result(nil).Max {
		return nil, nil
	}
	return leader, nil
}

// grow adds the cause that leaves least, again and again, while that leaves less.
func (s *search) grow(ctx context.Context, set []int) ([]int, error) {
	for !s.result(set).OK {
		next, left := []int(nil), s.result(set).Max/adds
		for i := range s.causes {
			if !s.fits(set, i) {
				continue
			}
			candidate := with(set, i)
			d, err := s.try(ctx, candidate)
			if err != nil {
				return nil, err
			}
			if d.Max < left {
				next, left = candidate, d.Max
			}
		}
		if next == nil {
			break
		}
		set = next
	}
	return set, nil
}

// wrecks tries causes together that each leave nothing of the picture, and grows what
// leaves least.
func (s *search) wrecks(ctx context.Context, set []int) ([]int, error) {
	sets := [][]int{nil}
	for i, c := range s.causes {
		if !c.Wreck {
			continue
		}
		for _, smaller := range sets {
			if s.fits(smaller, i) {
				sets = append(sets, with(smaller, i))
			}
		}
	}
	s.total = len(s.known) + len(sets)
	left := s.result(set).Max
	for _, candidate := range sets {
		d, err := s.try(ctx, candidate)
		if err != nil {
			return nil, err
		}
		if d.Max < left {
			set, left = candidate, d.Max
		}
	}
	return s.grow(ctx, set)
}

// prune drops causes without which as much is explained.
func (s *search) prune(ctx context.Context, set []int) ([]int, error) {
	for at := 0; len(set) > 1 && at < len(set); {
		fewer := slices.Delete(slices.Clone(set), at, at+1)
		d, err := s.try(ctx, fewer)
		if err != nil {
			return nil, err
		}
		if whole := s.result(set); d.OK == whole.OK && (d.OK || d.Max < whole.Max*adds) {
			set, at = fewer, 0
		} else {
			at++
		}
	}
	return set, nil
}

// fits reports whether a cause can be added: it can be tried, and none of its kind is there.
func (s *search) fits(set []int, i int) bool {
	if s.causes[i].Apply == nil {
		return false
	}
	for _, j := range set {
		if i == j || s.causes[i].Kind == s.causes[j].Kind {
			return false
		}
	}
	return true
}

func with(set []int, i int) []int {
	all := append(slices.Clone(set), i)
	slices.Sort(all)
	return all
}

// Title names the causes.
func (e Explanation) Title() string {
	var b strings.Builder
	for i, c := range e.Causes {
		switch {
		case i == 0:
		case i == len(e.Causes)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(c.Name)
	}
	return b.String()
}

// Verdict is a word for what an explanation does.
func (e Explanation) Verdict() string {
	switch {
	case !e.Tried:
		return "possible, not tried"
	case e.Closes:
		return "explained"
	}
	return "explained in part"
}

// Outcome says what became of the difference.
func (e Explanation) Outcome() string {
	text := fmt.Sprintf("recomputed so, %s differs by %.2e in place of %.2e", e.Node, e.After, e.Before)
	if e.Closes {
		return text + ": every node is within the tolerance"
	}
	return text + fmt.Sprintf(": %s still leaves the tolerance", e.First)
}
