// Package labels names the classes of a model, and finds them by what people call them.
package labels

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Class is one class of a model. All but Index and Name may be empty.
type Class struct {
	Index     int      `json:"number"`
	Name      string   `json:"name"` // its number as text where a model names no classes
	Synonyms  []string `json:"synonyms,omitempty"`
	WNID      string   `json:"wnid,omitempty"` // WordNet's synset: "n" and eight digits
	Gloss     string   `json:"gloss,omitempty"`
	Hypernyms []string `json:"hypernyms,omitempty"` // broader terms, nearest first
	Hyponyms  []string `json:"hyponyms,omitempty"`  // narrower terms
}

// List is the classes of a model in order.
type List struct {
	classes []Class
	named   bool
	words   *words
}

// For lists n classes under the names that a model carries. A model of 1000 classes without
// names has ImageNet's; other classes without names, or with names that are not n in number,
// have numbers alone.
func For(names []string, n int) List {
	if len(names) != n {
		names = nil
	}
	if names == nil && n == len(ImageNet().classes) {
		return ImageNet()
	}
	classes := make([]Class, n)
	for i := range classes {
		classes[i] = Class{Index: i, Name: strconv.Itoa(i)}
		if names != nil {
			classes[i].Name = names[i]
		}
	}
	l := newList(classes)
	l.named = names != nil
	return l
}

func newList(classes []Class) List { return List{classes, true, indexWords(classes)} }

// Len is the number of classes.
func (l List) Len() int { return len(l.classes) }

// Class is the class of a number from 0 to Len-1.
func (l List) Class(i int) Class { return l.classes[i] }

// Name is the class's name, or its number as text.
func (l List) Name(class int) string { return l.classes[class].Name }

// Names lists all names; nil if the classes have none.
func (l List) Names() []string {
	if !l.named {
		return nil
	}
	names := make([]string, len(l.classes))
	for i, c := range l.classes {
		names[i] = c.Name
	}
	return names
}

func (l List) describe() string {
	if !l.named {
		return fmt.Sprintf("the classes 0 to %d", len(l.classes)-1)
	}
	last := len(l.classes) - 1
	return fmt.Sprintf("%d classes, %q to %q or 0 to %d", last+1, l.Name(0), l.Name(last), last)
}

// Parse reads a list of names as the command line takes it: "A-Z" for single letters in
// order, or names between commas.
func Parse(text string) ([]string, error) {
	from, to, ok := strings.Cut(text, "-")
	if ok && len(from) == 1 && len(to) == 1 && from[0] < to[0] {
		var names []string
		for c := from[0]; c <= to[0]; c++ {
			names = append(names, string(rune(c)))
		}
		return names, nil
	}
	names := strings.Split(text, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if names[i] == "" || slices.Contains(names[:i], names[i]) {
			return nil, fmt.Errorf("labels %q: name %d is empty or stands twice; want A-Z or names between commas", text, i+1)
		}
	}
	return names, nil
}
