package graph

// Uses says who needs the value of each node when some of them are returned: what a backend
// must know before it fuses.
type Uses struct {
	Results []Output // what a run returns: the outputs, then the kept nodes, each name once

	names map[*Node][]string
	users [][]*Node // by node id
	late  []bool    // by node id
}

// Uses of a graph that returns nodes by name beside its outputs. Names of no node are passed over.
func (g *Graph) Uses(keep []string) *Uses {
	u := &Uses{names: map[*Node][]string{}, users: make([][]*Node, len(g.Nodes)), late: make([]bool, len(g.Nodes))}
	named := map[string]bool{}
	want := func(name string, n *Node) {
		if !named[name] {
			named[name] = true
			u.names[n] = append(u.names[n], name)
			u.Results = append(u.Results, Output{name, n})
		}
	}
	for _, o := range g.Outputs {
		want(o.Name, o.Node)
	}
	for _, name := range keep {
		if n, ok := g.Node(name); ok {
			want(name, n)
		}
	}
	for _, n := range g.Nodes {
		for _, in := range n.In {
			u.users[in.ID] = append(u.users[in.ID], n)
			u.late[n.ID] = u.late[n.ID] || u.late[in.ID] && len(n.Shape) == 1
		}
		u.late[n.ID] = u.late[n.ID] || n.Op == Sum
	}
	return u
}

// Names are those under which a node's value is returned; nil = it is not.
func (u *Uses) Names(n *Node) []string { return u.names[n] }

// Users are the nodes that read a node, one entry a use, in order of evaluation.
func (u *Uses) Users(n *Node) []*Node { return u.users[n.ID] }

// OnlyUser is the single user of a node whose own value is not returned, or nil. A node that it
// reads twice has none.
func (u *Uses) OnlyUser(n *Node) *Node {
	if len(u.users[n.ID]) == 1 && u.names[n] == nil {
		return u.users[n.ID][0]
	}
	return nil
}

// Late reports whether a vector is computed from maps, by Sum, so that it cannot come before them.
func (u *Uses) Late(n *Node) bool { return u.late[n.ID] }
