package verify

import (
	"fmt"
	"slices"

	"github.com/biggan-zoo/biggan/graph"
)

// Pair is a node of one network and the node of another that computes the same.
type Pair struct {
	Got, Want *graph.Node
	Channels  int    // compare the first so many alone; 0 = all
	Note      string // how they are brought together
	Skip      string // why they are not compared, or ""
}

// Align pairs the nodes of two networks: by name, or in their order where the names are
// those of different ports. Networks of other shapes are ErrIncomparable.
func Align(g, other *graph.Graph) ([]Pair, error) {
	var pairs []Pair
	partner := byName(g, other)
	if len(partner) < len(g.Nodes)/2 {
		partner = byOrder(g, other)
	}
	for _, n := range g.Nodes {
		o := partner[n]
		rgb := feedsPicture(g, n)
		switch {
		case o != nil && slices.Equal(n.Shape, o.Shape):
		case o != nil && rgb && feedsPicture(other, o) && slices.Equal(n.Shape[1:], o.Shape[1:]):
		case rgb: // a port that has three channels slices none out of more
			continue
		case o == nil:
			return nil, fmt.Errorf("%w: node %s %v has no counterpart", ErrIncomparable, n.Name, n.Shape)
		default:
			return nil, fmt.Errorf("%w: node %s is %v here, %s %v there", ErrIncomparable, n.Name, n.Shape, o.Name, o.Shape)
		}
		if n.Op == graph.Input {
			continue
		}
		p := pair(n, o)
		p.Skip = rearranged(g, n, other, o)
		pairs = append(pairs, p)
	}
	for _, o := range other.Nodes {
		if !paired(partner, o) && !feedsPicture(other, o) {
			return nil, fmt.Errorf("%w: node %s %v of the other has no counterpart", ErrIncomparable, o.Name, o.Shape)
		}
	}
	return pairs, nil
}

func pair(n, o *graph.Node) Pair {
	p := Pair{Got: n, Want: o}
	if n.Shape[0] != o.Shape[0] {
		p.Channels = min(n.Shape[0], o.Shape[0])
		p.Note = fmt.Sprintf("the first %d of %d channels", p.Channels, max(n.Shape[0], o.Shape[0]))
	}
	return p
}

func paired(partner map[*graph.Node]*graph.Node, o *graph.Node) bool {
	for _, p := range partner {
		if p == o {
			return true
		}
	}
	return false
}

func byName(g, other *graph.Graph) map[*graph.Node]*graph.Node {
	partner := map[*graph.Node]*graph.Node{}
	for _, n := range g.Nodes {
		if o, ok := other.Node(n.Name); ok {
			partner[n] = o
		}
	}
	return partner
}

// byOrder pairs the longest sequence of nodes that both networks have, told by operation and shape.
func byOrder(g, other *graph.Graph) map[*graph.Node]*graph.Node {
	same := func(n, o *graph.Node) bool {
		a, b := n.Op, o.Op
		if a == graph.Embed { // ports write the embedding as either
			a = graph.Linear
		}
		if b == graph.Embed {
			b = graph.Linear
		}
		return a == b && slices.Equal(n.Shape, o.Shape) && (a != graph.Input || n.Name == o.Name)
	}
	// length[i][j] is that of the longest common sequence of the nodes from i and from j.
	length := make([][]int, len(g.Nodes)+1)
	for i := range length {
		length[i] = make([]int, len(other.Nodes)+1)
	}
	for i, n := range slices.Backward(g.Nodes) {
		for j, o := range slices.Backward(other.Nodes) {
			length[i][j] = max(length[i+1][j], length[i][j+1])
			if same(n, o) {
				length[i][j] = max(length[i][j], 1+length[i+1][j+1])
			}
		}
	}
	partner := map[*graph.Node]*graph.Node{}
	for i, j := 0, 0; i < len(g.Nodes) && j < len(other.Nodes); {
		switch n, o := g.Nodes[i], other.Nodes[j]; {
		case same(n, o) && length[i][j] == 1+length[i+1][j+1]:
			partner[n] = o
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	for _, n := range g.Nodes { // the last convolution has as many channels as the port likes
		for _, o := range other.Nodes {
			if partner[n] == nil && n.Op == graph.Conv && o.Op == graph.Conv && feedsPicture(g, n) && feedsPicture(other, o) {
				partner[n] = o
			}
		}
	}
	return partner
}

// feedsPicture reports whether a node is the convolution to rgb, or the slice of its first
// three channels.
func feedsPicture(g *graph.Graph, n *graph.Node) bool {
	for _, m := range g.Nodes {
		if m.Op != graph.Tanh {
			continue
		}
		in := m.In[0]
		return n == in || in.Op == graph.Slice && n == in.In[0]
	}
	return false
}

// rearranged says why the values of two nodes stand in another order, or "".
func rearranged(g *graph.Graph, n *graph.Node, other *graph.Graph, o *graph.Node) string {
	if n.Op == graph.Concat && len(n.Shape) == 1 && o.Op == graph.Concat {
		if n.In[0].Name != o.In[0].Name && n.In[0].Name == o.In[len(o.In)-1].Name {
			return "joined in another order; its parts are compared"
		}
		return ""
	}
	a, b := reshaped(g, n), reshaped(other, o)
	if a != nil && b != nil && a.Order != b.Order {
		return fmt.Sprintf("laid out as %s here, %s there; the map %s is compared", a.Order, b.Order, a.Name)
	}
	return ""
}

// reshaped is the node that makes a map of a vector, or nil.
func reshaped(g *graph.Graph, n *graph.Node) *graph.Node {
	for _, m := range g.Nodes {
		if m.Op == graph.Reshape && m.In[0] == n {
			return m
		}
	}
	return nil
}
