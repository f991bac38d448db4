package labels_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/labels"
)

// TestImageNetWords: every word of the table leads to its class.
func TestImageNetWords(t *testing.T) {
	l := labels.ImageNet()
	if l.Len() != 1000 {
		t.Fatalf("%d classes", l.Len())
	}
	broader := map[string][]int{}
	for i := range l.Len() {
		c := l.Class(i)
		if len(c.WNID) != 9 || c.Gloss == "" || len(c.Hypernyms) == 0 || c.Hypernyms[len(c.Hypernyms)-1] != "entity" {
			t.Errorf("class %d: %+v", i, c)
		}
		for _, word := range slices.Concat([]string{c.Name, c.WNID, strings.ToUpper(c.Name)}, c.Synonyms, []string{strings.Join(append([]string{c.Name}, c.Synonyms...), ", ")}) {
			if m, err := l.Lookup(word); err != nil || !slices.Contains(m.Classes, i) || len(m.Classes) > 2 {
				t.Errorf("%q of class %d leads to %v, %v", word, i, m, err)
			}
		}
		for _, word := range c.Hyponyms {
			if _, err := l.Lookup(word); err != nil {
				t.Errorf("narrower term %q of class %d: %v", word, i, err)
			}
		}
		for _, word := range c.Hypernyms {
			broader[word] = append(broader[word], i)
		}
	}
	for word, classes := range broader {
		m, err := l.Lookup(word)
		if err != nil || m.By == labels.ByHypernym && !slices.Equal(m.Classes, slices.Compact(classes)) {
			t.Errorf("broader term %q: %v, %v, want %v", word, m, err, classes)
		}
	}
}

// TestImageNetQueries has the examples of Hugging Face's one_hot_from_names among them.
func TestImageNetQueries(t *testing.T) {
	l := labels.ImageNet()
	for query, want := range map[string]int{
		"soap bubble": 971, "coffee": 967, "mushroom": 947, "tennis ball": 852, "daisy": 985, "soap_bubble": 971,
		"933) cheeseburger": 933, "207": 207, "n02099601": 207, "tench, Tinca tinca": 0, " Golden  Retriever ": 207, "latte": 967,
		"Cardigan": 264, "cardigan": 474,
	} {
		if got, err := l.Find(query); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", query, got, err, want)
		}
	}
	for query, want := range map[string]int{"dog": 118, "crane": 2, "Crane": 2, "CARDIGAN": 2, "entity": 1000} {
		if m, err := l.Lookup(query); err != nil || len(m.Classes) != want {
			t.Errorf("%q: %d classes, %v, want %d", query, len(m.Classes), err, want)
		}
	}
	for query, hint := range map[string]string{
		"golden retreiver": `did you mean "golden retriever"?`, "chessburger": `did you mean "cheeseburger"?`, "1000": "0 to 999", "x": "1000 classes",
	} {
		if _, err := l.Lookup(query); !errors.Is(err, labels.ErrUnknown) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: %v", query, err)
		}
	}
	if _, err := l.Find("dog"); !errors.Is(err, labels.ErrUnknown) || !strings.Contains(err.Error(), "118 classes: 151 Chihuahua") {
		t.Errorf("dog as one class: %v", err)
	}
	if got := l.Search("retriever"); !slices.Contains(got, 207) || len(got) < 5 {
		t.Errorf("retriever: %v", got)
	}
}

func TestQuery(t *testing.T) {
	l := labels.ImageNet()
	first := func(_, n int) int { return n - 1 }
	for text, want := range map[string]labels.Mix{
		"tiger":                {{Class: 292, Weight: 1}},
		"tiger:0.6,lion:0.4":   {{Class: 292, Weight: 0.6}, {Class: 291, Weight: 0.4}},
		"tiger:3, lion:1":      {{Class: 292, Weight: 0.75}, {Class: 291, Weight: 0.25}},
		"tiger:1,292:1":        {{Class: 292, Weight: 1}},
		"crane:0.5,tiger:0.5":  {{Class: 517, Weight: 0.5}, {Class: 292, Weight: 0.5}},
		"tiger:1e-3,lion:1e-3": {{Class: 292, Weight: 0.5}, {Class: 291, Weight: 0.5}},
	} {
		q, err := l.Query(text)
		if err != nil || !slices.Equal(q.Mix(first), want) {
			t.Errorf("%q: %v, %v, want %v", text, q.Mix(first), err, want)
		}
	}
	for _, bad := range []string{"tiger:0,lion:1", "tiger:-1,lion:2", "tiger:NaN", "tiger:Inf", "tiger:", "tiger:0.5,lion", "tiger:1e308,lion:1e308"} {
		if _, err := l.Query(bad); !errors.Is(err, labels.ErrWeight) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "tiger,lion", "tigre:1,lion:1", ":1"} {
		if _, err := l.Query(bad); !errors.Is(err, labels.ErrUnknown) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	between := labels.Between(labels.One(1), labels.Mix{{Class: 1, Weight: 0.5}, {Class: 2, Weight: 0.5}}, 0.5)
	if !slices.Equal(between, labels.Mix{{Class: 1, Weight: 0.75}, {Class: 2, Weight: 0.25}}) {
		t.Error(between)
	}
	name := l.MixName(between)
	again, err := l.Query("tench:1,goldfish:1")
	if name != "goldfish:0.75,great white shark:0.25" || err != nil || len(again) != 2 {
		t.Error(name, err)
	}
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"dog", "tiger:0.6,lion:0.4", "crane:1e-9,:2", "933) cheeseburger", "n02099601", "-1", ",:,"} {
		f.Add(seed)
	}
	l := labels.ImageNet()
	f.Fuzz(func(t *testing.T, text string) {
		q, err := l.Query(text)
		if err != nil {
			if !errors.Is(err, labels.ErrUnknown) && !errors.Is(err, labels.ErrWeight) {
				t.Error(err)
			}
			return
		}
		sum := 0.0
		for _, s := range q.Mix(func(_, n int) int { return n / 2 }) {
			sum += float64(s.Weight)
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Errorf("%q: shares of %v in all", text, sum)
		}
	})
}
