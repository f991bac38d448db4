package serve

import (
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/labels"
)

// TestSearch looks classes of ImageNet up, and checks that each argument means its class alone.
func TestSearch(t *testing.T) {
	m := &served{Model: Model{"imagenet", &biggan.Model{Labels: labels.ImageNet()}}}
	numbers := func(doc classesJSON) (all []int) {
		for _, c := range doc.Classes {
			all = append(all, c.Index)
		}
		return all
	}
	for query, want := range map[string][]int{
		"golden retriever": {207}, "207": {207}, "n02099601": {207}, "tench, Tinca tinca": {0}, "crane": {134, 517}, "nothing at all": nil,
	} {
		doc := m.search(query, 5)
		if got := numbers(doc); !slices.Equal(got[:min(len(got), max(len(want), 1))], want) {
			t.Errorf("%q: %v, want %v first", query, got, want)
		}
		if (doc.Group != nil) != (len(want) > 1) {
			t.Errorf("%q: group %+v", query, doc.Group)
		}
	}
	if doc := m.search("dog", 3); doc.Group == nil || doc.Group.Classes < 100 || doc.Group.Argument != "dog" || len(doc.Classes) != 3 || doc.Found < 100 {
		t.Errorf("dog: %+v, %d found", doc.Group, doc.Found)
	}
	for i, c := range m.search("", 1000).Classes {
		if one, err := m.Labels.Find(c.Argument); err != nil || one != i || c.Index != i {
			t.Errorf("class %d: %q means %d, %v", i, c.Argument, one, err)
		}
	}
}
