package labels_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/labels"
)

// Words under which Hugging Face's one_hot_from_names gives a class that is not among ours.
var (
	// WordNet has several broader terms of some classes ("missile" is a weapon and a rocket). It
	// looks at all those next to a class; the table of ours holds one line of them, to the top.
	secondTerms = []string{
		"wind instrument", "car", "container", "weapon", "shop", "game equipment", "memorial", "hand tool", "body armor", "housing",
		"woman's clothing", "keyboard instrument", "tracked vehicle", "makeup", "military vehicle", "plaything", "loaf of bread",
	}
	// It looks at other meanings of the word as well: at a turtleneck for a turtle.
	otherMeanings = []string{
		"turtle", "cat", "drill", "point", "piece", "serpent", "sledge", "measure", "house", "string", "runner", "key", "surface", "Mantle", "material",
		"Cardigan", // the dog; it does not tell capitals apart and takes the jacket
	}
)

// TestHuggingFaceNames compares with what Hugging Face's one_hot_from_names makes of every word
// of ImageNet's classes (testdata/README.md). A name of one class is that class. A word that
// leads there to one class of several, or by chance to one of several, leads here to all that it
// names, that class among them, but for the words above.
func TestHuggingFaceNames(t *testing.T) {
	text, err := os.ReadFile("testdata/hf_names.tsv")
	if err != nil {
		t.Fatal(err)
	}
	l := labels.ImageNet()
	names := map[string]bool{}
	for i := range l.Len() {
		c := l.Class(i)
		for _, word := range append(c.Synonyms, c.Name) {
			names[word] = true
		}
	}
	count := map[string]int{}
	for line := range strings.Lines(string(text)) {
		word, theirs, _ := strings.Cut(strings.TrimSpace(line), "\t")
		m, err := l.Lookup(word)
		if err != nil {
			t.Errorf("%q: %v", word, err)
			continue
		}
		kind := "none"
		for _, c := range strings.Fields(theirs) {
			class, err := strconv.Atoi(c)
			switch {
			case c == "-":
			case err != nil || class >= l.Len():
				t.Fatalf("%q: class %q", word, c)
			case !slices.Contains(m.Classes, class):
				kind = "other"
			case kind == "none" && len(m.Classes) == 1:
				kind = "same"
			case kind == "none":
				kind = "among"
			}
		}
		if (kind == "other") != (slices.Contains(secondTerms, word) || slices.Contains(otherMeanings, word)) {
			t.Errorf("%q: classes %v, Hugging Face's %s", word, m.Classes, theirs)
		}
		if names[word] {
			kind += " name"
		}
		count[kind]++
	}
	want := map[string]int{
		"same name": 1823, "among name": 18, "other name": 1, // 18 words name two classes each
		"same": 2037, "among": 277, "none": 381, "other": len(secondTerms) + len(otherMeanings) - 1,
	}
	if !maps.Equal(count, want) {
		t.Errorf("%v words, want %v", count, want)
	}
}
