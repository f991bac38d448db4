package labels_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/labels"
)

func ExampleList_Find() {
	l := labels.For([]string{"cat", "dog"}, 2)
	class, _ := l.Find("Dog")
	fmt.Println(class, l.Name(class))
	_, err := l.Find("7")
	fmt.Println(err)
	// Output:
	// 1 dog
	// unknown class "7": the model has 2 classes, "cat" to "dog" or 0 to 1
}

func TestFind(t *testing.T) {
	letters, err := labels.Parse("A-Z")
	if err != nil || len(letters) != 26 {
		t.Fatal(letters, err)
	}
	named, bare := labels.For(letters, 26), labels.For(letters, 999)
	for query, want := range map[string]int{"A": 0, "z": 25, "3": 3, "25": 25} {
		if got, err := named.Find(query); got != want || err != nil {
			t.Errorf("%q: %d, %v", query, got, err)
		}
	}
	for _, query := range []string{"", "-1", "26", "AA", "1e1"} {
		if _, err := named.Find(query); !errors.Is(err, labels.ErrUnknown) {
			t.Errorf("%q: %v", query, err)
		}
	}
	if got, err := bare.Find("998"); got != 998 || err != nil || bare.Name(998) != "998" {
		t.Errorf("class without a name: %d, %v", got, err)
	}
	if _, err := bare.Find("A"); !errors.Is(err, labels.ErrUnknown) {
		t.Errorf("a name where there are none: %v", err)
	}
}

func TestParse(t *testing.T) {
	if names, err := labels.Parse("red fox, tiger"); err != nil || !slices.Equal(names, []string{"red fox", "tiger"}) {
		t.Errorf("%v, %v", names, err)
	}
	for _, bad := range []string{"", "a,,b", "a,a"} {
		if _, err := labels.Parse(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestDense(t *testing.T) {
	if got := labels.Dense([]labels.Mix{labels.One(1), {{0, 0.75}, {2, 0.25}}}, 3); !slices.Equal(got, []float32{0, 1, 0, 0.75, 0, 0.25}) {
		t.Error(got)
	}
}
