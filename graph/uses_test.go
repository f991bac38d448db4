package graph_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/biggan-zoo/biggan/graph"
)

// branching is a network whose vectors come before its map and after it.
func branching(t *testing.T) *graph.Graph {
	t.Helper()
	b := graph.New("branching")
	y := b.Input("y", 3)
	x := b.InputMap("x", 3, 2, 2)
	rectified := b.At("relu").ReLU(x)
	doubled := b.At("add").Add(rectified, rectified)
	total := b.At("sum").Sum(doubled)
	early := b.At("slice").Slice(y, 0, 3)
	b.Output("logit", b.At("dot").Dot(total, early))
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestUses(t *testing.T) {
	g := branching(t)
	u := g.Uses([]string{"sum", "dot", "sum", "nowhere", "logit"})
	for _, c := range []struct{ node, names, users, only, late string }{
		{"y", "[]", "[slice]", "slice", "false"},
		{"x", "[]", "[relu]", "relu", "false"},
		{"relu", "[]", "[add add]", "", "false"}, // read twice
		{"add", "[]", "[sum]", "sum", "false"},
		{"sum", "[sum]", "[dot]", "", "true"}, // returned
		{"slice", "[]", "[dot]", "dot", "false"},
		{"dot", "[logit dot]", "[]", "", "true"},
	} {
		n, ok := g.Node(c.node)
		if !ok {
			t.Fatalf("no node %q", c.node)
		}
		var users []string
		for _, x := range u.Users(n) {
			users = append(users, x.Name)
		}
		only := ""
		if x := u.OnlyUser(n); x != nil {
			only = x.Name
		}
		got := []string{fmt.Sprint(u.Names(n)), fmt.Sprint(users), only, fmt.Sprint(u.Late(n))}
		if want := []string{c.names, c.users, c.only, c.late}; !slices.Equal(got, want) {
			t.Errorf("%s: names, users, only user, late are %q, want %q", c.node, got, want)
		}
	}
	var results []string
	for _, r := range u.Results {
		results = append(results, r.Name+" of "+r.Node.Name)
	}
	if want := []string{"logit of dot", "sum of sum", "dot of dot"}; !slices.Equal(results, want) {
		t.Errorf("results %q, want %q", results, want)
	}
}
