package graph

import "slices"

// Rewrite is a copy of the graph in which change has altered nodes: their inputs, Eps,
// Order, or the shapes of their parameters. It sees each node of the copy once, inputs
// before users. Names, operations and shapes of nodes must stay; nothing is validated.
func (g *Graph) Rewrite(change func(n *Node)) *Graph {
	c := &Graph{Name: g.Name, Grid: g.Grid, byName: map[string]*Node{}}
	params := map[*Param]*Param{}
	for _, p := range g.params {
		q := &Param{Name: p.Name, Role: p.Role, Shape: slices.Clone(p.Shape)}
		params[p] = q
		c.params = append(c.params, q)
	}
	for _, n := range g.Nodes {
		m := *n
		m.In = make([]*Node, len(n.In))
		for i, in := range n.In {
			m.In[i] = c.Nodes[in.ID]
		}
		for _, p := range []**Param{&m.Weight, &m.Sigma, &m.Bias, &m.Gain, &m.Mean, &m.Var} {
			*p = params[*p] // nil stays nil
		}
		c.Nodes = append(c.Nodes, &m)
		c.byName[m.Name] = &m
		change(&m)
	}
	for _, o := range g.Outputs {
		c.Outputs = append(c.Outputs, Output{o.Name, c.Nodes[o.Node.ID]})
	}
	return c
}
