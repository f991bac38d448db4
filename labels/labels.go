// Package labels names the classes of a model.
package labels

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrUnknown means that a model has no such class.
var ErrUnknown = errors.New("unknown class")

// List is the classes of a model in order.
type List struct {
	names []string // nil = numbers only
	n     int
}

// For lists n classes. Names that are not n in number are left out: the classes then have
// numbers alone.
func For(names []string, n int) List {
	if len(names) != n {
		names = nil
	}
	return List{names, n}
}

// Len is the number of classes.
func (l List) Len() int { return l.n }

// Name is the class's name, or its number as text.
func (l List) Name(class int) string {
	if l.names == nil {
		return strconv.Itoa(class)
	}
	return l.names[class]
}

// Names lists all names; nil if the classes have none.
func (l List) Names() []string { return l.names }

// Find looks a class up by its name, then by its name in any case, then by its number
// from 0. An error wraps ErrUnknown and says what there is.
func (l List) Find(query string) (int, error) {
	if i := slices.Index(l.names, query); i >= 0 {
		return i, nil
	}
	if i := slices.IndexFunc(l.names, func(name string) bool { return strings.EqualFold(name, query) }); i >= 0 {
		return i, nil
	}
	if i, err := strconv.Atoi(query); err == nil && i >= 0 && i < l.n {
		return i, nil
	}
	return 0, fmt.Errorf("%w %q: the model has %s", ErrUnknown, query, l.describe())
}

func (l List) describe() string {
	if l.names == nil {
		return fmt.Sprintf("the classes 0 to %d", l.n-1)
	}
	return fmt.Sprintf("%d classes, %q to %q or 0 to %d", l.n, l.names[0], l.names[l.n-1], l.n-1)
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

// OneHot is the y of classes of a model with n: a row of n values a class.
func OneHot(classes []int, n int) []float32 {
	y := make([]float32, len(classes)*n)
	for i, c := range classes {
		y[i*n+c] = 1
	}
	return y
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
