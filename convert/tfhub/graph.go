package tfhub

import (
	"errors"
	"fmt"
	"strings"

	"github.com/biggan-zoo/biggan/weights"
)

// Bounds of a graph; the largest real ones have some 40,000 nodes and 15 MB.
const (
	maxNodes  = 1 << 17
	maxInputs = 1 << 19
	maxText   = 8 << 20 // of all names and operations
)

// Graph is the computation of a module. It reads from the module's files: after Close only
// its texts may be used.
type Graph struct {
	nodes  []node
	names  []string
	byName map[string]int32
	inputs []int32 // of all nodes; -1 for what is no node
}

// node is a NodeDef: its operation, its inputs as a part of the graph's, and its message.
type node struct {
	op       string
	from, to int32
	body     []byte
}

// ParseGraph reads a saved_model.pb. Of several meta graphs the one without tags counts,
// else the first. data must not change while the graph is used.
func ParseGraph(data []byte) (*Graph, error) {
	var chosen []byte
	found, untagged := 0, false
	err := message(data, func(v field) error {
		if v.number != 2 {
			return nil
		}
		meta, err := v.bytes()
		if err != nil {
			return err
		}
		graph, tags, err := metaGraph(meta)
		if err != nil {
			return fmt.Errorf("meta graph %d: %w", found, err)
		}
		if found == 0 || tags == 0 && !untagged {
			chosen, untagged = graph, tags == 0
		}
		found++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found == 0 {
		return nil, errors.New("no graph in it")
	}
	return newGraph(chosen)
}

// metaGraph takes a MetaGraphDef apart: its GraphDef, and how many tags it has.
func metaGraph(data []byte) (graph []byte, tags int, err error) {
	err = message(data, func(v field) error {
		var err error
		switch v.number {
		case 1: // meta_info_def
			var info []byte
			if info, err = v.bytes(); err != nil {
				return err
			}
			err = message(info, func(v field) error {
				if v.number == 4 {
					tags++
				}
				return nil
			})
		case 2:
			graph, err = v.bytes()
		}
		return err
	})
	return graph, tags, err
}

// newGraph lists the nodes of a GraphDef and joins them by their inputs. The functions of
// its library are no part of it.
func newGraph(data []byte) (*Graph, error) {
	count := 0
	err := message(data, func(v field) error {
		if v.number == 1 {
			count++
		}
		return nil
	})
	if err == nil && count > maxNodes {
		err = fmt.Errorf("%d nodes, want at most %d", count, maxNodes)
	}
	if err != nil {
		return nil, err
	}
	g := &Graph{byName: map[string]int32{}}
	ops := map[string]string{}
	text := 0
	err = message(data, func(v field) error {
		if v.number != 1 {
			return nil
		}
		body, err := v.bytes()
		if err != nil {
			return err
		}
		name, op, err := nameAndOp(body)
		if err != nil {
			return fmt.Errorf("node %d: %w", len(g.nodes), err)
		}
		if _, twice := g.byName[name]; twice {
			return fmt.Errorf("two nodes %.100q", name)
		}
		shared, ok := ops[op]
		if !ok {
			ops[op], shared = op, op
			text += len(op)
		}
		if text += len(name); text > maxText {
			return fmt.Errorf("names of more than %d bytes", maxText)
		}
		g.byName[name] = int32(len(g.nodes))
		g.nodes = append(g.nodes, node{op: shared, body: body})
		g.names = append(g.names, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range g.nodes {
		if err := g.join(&g.nodes[i]); err != nil {
			return nil, fmt.Errorf("node %.100q: %w", g.names[i], err)
		}
	}
	return g, nil
}

func nameAndOp(body []byte) (name, op string, err error) {
	err = message(body, func(v field) error {
		if v.number != 1 && v.number != 2 {
			return nil
		}
		text, err := v.bytes()
		if err == nil && len(text) > maxKey {
			err = fmt.Errorf("a name of %d bytes", len(text))
		}
		if err != nil {
			return err
		}
		if v.number == 1 {
			name = string(text)
		} else {
			op = string(text)
		}
		return nil
	})
	return name, op, err
}

// join finds the nodes whose outputs a node takes; ":1" is taken off, control inputs ("^")
// are left out.
func (g *Graph) join(n *node) error {
	n.from = int32(len(g.inputs))
	err := message(n.body, func(v field) error {
		if v.number != 3 {
			return nil
		}
		text, err := v.bytes()
		if err != nil {
			return err
		}
		if len(text) > 0 && text[0] == '^' {
			return nil
		}
		if len(g.inputs) == maxInputs {
			return fmt.Errorf("more than %d inputs in all", maxInputs)
		}
		base, _, _ := strings.Cut(string(text), ":")
		to, ok := g.byName[base]
		if !ok {
			to = -1
		}
		g.inputs = append(g.inputs, to)
		return nil
	})
	n.to = int32(len(g.inputs))
	return err
}

// Names lists the nodes in the order of the file.
func (g *Graph) Names() []string { return g.names }

func (g *Graph) node(name string) (node, bool) {
	i, ok := g.byName[name]
	if !ok {
		return node{}, false
	}
	return g.nodes[i], true
}

// Op is a node's operation, "" for a name that is no node.
func (g *Graph) Op(name string) string {
	n, _ := g.node(name)
	return n.op
}

// Inputs lists the nodes whose outputs a node takes, without control inputs; "" for what
// the graph does not hold.
func (g *Graph) Inputs(name string) []string {
	n, _ := g.node(name)
	if n.from == n.to {
		return nil
	}
	inputs := make([]string, 0, n.to-n.from)
	for _, i := range g.inputs[n.from:n.to] {
		if i < 0 {
			inputs = append(inputs, "")
			continue
		}
		inputs = append(inputs, g.names[i])
	}
	return inputs
}

// attribute is a field of an AttrValue of a node; of several, as protocol buffers have it,
// the last. nil if the node has none.
func (g *Graph) attribute(n node, name string, kind int) (found *field) {
	err := message(n.body, func(v field) error {
		if v.number != 5 {
			return nil
		}
		entry, err := v.bytes()
		if err != nil {
			return err
		}
		var key, value []byte
		err = message(entry, func(v field) (err error) {
			switch v.number {
			case 1:
				key, err = v.bytes()
			case 2:
				value, err = v.bytes()
			}
			return err
		})
		if err != nil || string(key) != name {
			return err
		}
		found = nil
		return message(value, func(v field) error {
			if int(v.number) == kind {
				found = &v
			}
			return nil
		})
	})
	if err != nil {
		return nil
	}
	return found
}

// The kinds of an AttrValue that are read.
const (
	attrText    = 2
	attrInteger = 3
	attrReal    = 4
	attrTensor  = 8
)

// Text is a string attribute of a node, "" if it has none.
func (g *Graph) Text(name, attribute string) string {
	n, _ := g.node(name)
	if v := g.attribute(n, attribute, attrText); v != nil {
		return string(v.data)
	}
	return ""
}

// Real is a float attribute of a node.
func (g *Graph) Real(name, attribute string) (value float64, ok bool) {
	n, _ := g.node(name)
	v := g.attribute(n, attribute, attrReal)
	if v == nil {
		return 0, false
	}
	return weights.Decimal(fromFloat(v.n)), true
}
