package labels

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/biggan-zoo/biggan/nearest"
)

// ErrUnknown means that a model has no such class.
var ErrUnknown = errors.New("unknown class")

// ErrWeight means that the weights of a mix cannot be meant.
var ErrWeight = errors.New("bad weight")

// By says by what a query found classes.
type By string

const (
	ByName     By = "name" // or a synonym
	ByNumber   By = "number"
	ByWNID     By = "wnid"
	ByHypernym By = "hypernym" // a broader term: all classes below it
	ByHyponym  By = "hyponym"  // a narrower term: the classes above it
)

// Match is what a query found: one class, or those of a word with several.
type Match struct {
	Classes []int // ascending, at least one
	By      By
}

// words leads from a folded word to the classes that it may mean.
type words struct {
	exact                          map[string][]int // names and synonyms as they are written
	names, wnids, hypernyms, hypos map[string][]int
}

func indexWords(classes []Class) *words {
	w := &words{map[string][]int{}, map[string][]int{}, map[string][]int{}, map[string][]int{}, map[string][]int{}}
	add := func(to map[string][]int, class int, texts ...string) {
		for _, text := range texts {
			key := fold(text)
			if known := to[key]; !slices.Contains(known, class) {
				to[key] = append(known, class)
			}
		}
	}
	for i, c := range classes {
		lemmas := append([]string{c.Name}, c.Synonyms...)
		for _, name := range lemmas {
			w.exact[name] = append(w.exact[name], i)
		}
		add(w.names, i, lemmas...)
		add(w.names, i, strings.Join(lemmas, ", ")) // the usual way to write a class of ImageNet
		if c.WNID != "" {
			add(w.wnids, i, c.WNID)
		}
		add(w.hypernyms, i, c.Hypernyms...)
		add(w.hypos, i, c.Hyponyms...)
	}
	return w
}

// fold makes words equal that differ in case, spaces, hyphens or underscores alone.
func fold(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ' ' || r == '_' || r == '-' || r == '\t' }), " ")
}

// numbered is a class as the Colab demo's menu writes it: "933) cheeseburger".
var numbered = regexp.MustCompile(`^(\d{1,9})\)`)

// Lookup finds the classes that a query means: those of that name or synonym, else the one
// of that number from 0, else that wnid, else those under a hypernym ("dog" is 118 breeds),
// else those above a hyponym. Case, hyphens and underscores do not count, unless two names
// differ in nothing else. An error wraps ErrUnknown and says what there is.
func (l List) Lookup(query string) (Match, error) {
	key := fold(query)
	number := query
	if m := numbered.FindStringSubmatch(query); m != nil {
		number = m[1]
	}
	if found := l.words.names[key]; found != nil && l.named {
		if exact := l.words.exact[query]; exact != nil {
			found = exact
		}
		return Match{found, ByName}, nil
	}
	if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(l.classes) {
		return Match{[]int{i}, ByNumber}, nil
	}
	for _, table := range []struct {
		by    By
		words map[string][]int
	}{{ByWNID, l.words.wnids}, {ByHypernym, l.words.hypernyms}, {ByHyponym, l.words.hypos}} {
		if found := table.words[key]; found != nil {
			return Match{found, table.by}, nil
		}
	}
	return Match{}, fmt.Errorf("%w %q: the model has %s%s", ErrUnknown, query, l.describe(), l.hint(key))
}

// hint names the word that a typing error meant.
func (l List) hint(key string) string {
	const longest = 80 // longer ones are no words
	if !l.named || len(key) < 3 || len(key) > longest {
		return ""
	}
	for _, table := range []map[string][]int{l.words.names, l.words.hypernyms, l.words.hypos} {
		if near := nearest.Of(key, slices.Sorted(maps.Keys(table))); near != "" {
			return fmt.Sprintf("; did you mean %q?", near)
		}
	}
	return ""
}

// Find looks one class up. A query that means several is an error that lists some.
func (l List) Find(query string) (int, error) {
	m, err := l.Lookup(query)
	if err != nil {
		return 0, err
	}
	if len(m.Classes) > 1 {
		return 0, fmt.Errorf("%w %q: it means %d classes: %s", ErrUnknown, query, len(m.Classes), l.some(m.Classes))
	}
	return m.Classes[0], nil
}

// some lists the first few classes by number and name.
func (l List) some(classes []int) string {
	const few = 4
	var parts []string
	for _, c := range classes[:min(few, len(classes))] {
		parts = append(parts, fmt.Sprintf("%d %s", c, l.Name(c)))
	}
	if len(classes) > few {
		parts = append(parts, "...")
	}
	return strings.Join(parts, ", ")
}

// FindAll looks several classes up.
func (l List) FindAll(queries []string) ([]int, error) {
	classes := make([]int, len(queries))
	for i, q := range queries {
		var err error
		if classes[i], err = l.Find(q); err != nil {
			return nil, err
		}
	}
	return classes, nil
}

// Search lists the classes that have the text in a name, a synonym or a narrower term.
func (l List) Search(text string) []int {
	var found []int
	key := fold(text)
	for i, c := range l.classes {
		all := slices.Concat([]string{c.Name}, c.Synonyms, c.Hyponyms)
		if key != "" && slices.ContainsFunc(all, func(word string) bool { return strings.Contains(fold(word), key) }) {
			found = append(found, i)
		}
	}
	return found
}
