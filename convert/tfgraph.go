package convert

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/biggan-zoo/biggan/convert/tfhub"
)

// graphReader reads off a module's graph what its variables do not say: epsilons, tables of
// statistics, upsampling, the place of the attention. It goes by variables and operations,
// not by the names of nodes, which the real modules may have otherwise.
type graphReader struct {
	g        *tfhub.Graph
	users    map[string][]string
	assigned map[string][]string // variable name: nodes whose values are assigned to it
	convs    map[string]string   // scope of a kernel: its Conv2D
	norms    map[string][]root   // scope of a gain, or name of a statistic of variance: what is scaled by it
	spectral []root

	left int // nodes that may still be visited
}

// root is a Rsqrt of value + epsilon.
type root struct {
	node, value string
	eps         float64
}

// maxVisits bounds the work in a graph; those of released modules take some ten thousand.
const maxVisits = 1 << 18

// tfNorm are the variables of a batch norm: statistics, and the scope of the gain's weight.
type tfNorm struct{ mean, variance, gain string }

// statsTable is a constant of the graph: shape [rows, channels].
type statsTable struct {
	node  string
	shape []int
	how   string // how it was found
}

func newGraphReader(g *tfhub.Graph) *graphReader {
	r := &graphReader{
		g: g, users: map[string][]string{}, assigned: map[string][]string{}, convs: map[string]string{}, norms: map[string][]root{}, left: maxVisits,
	}
	for _, name := range g.Names() {
		for _, in := range g.Inputs(name) {
			r.users[in] = append(r.users[in], name)
		}
	}
	for _, name := range g.Names() {
		inputs := g.Inputs(name)
		switch op := g.Op(name); {
		case (op == "AssignVariableOp" || op == "Assign") && len(inputs) == 2:
			for variable := range r.variables(inputs[0]) {
				r.assigned[variable] = append(r.assigned[variable], inputs[1])
			}
		case op == "Conv2D" && len(inputs) == 2:
			for variable := range r.variables(inputs[1]) {
				if scope, part := scopeOf(variable); part == "w" {
					r.convs[scope] = name
				}
			}
		case op == "Rsqrt":
			r.root(name)
		}
	}
	return r
}

// err reports a graph that was too much work.
func (r *graphReader) err() error {
	if r.left >= 0 {
		return nil
	}
	return fmt.Errorf("the graph is more tangled than any network of this kind: given up after %d steps", maxVisits)
}

// root files a reciprocal root under what its norm is known by.
func (r *graphReader) root(name string) {
	value, eps, ok := r.plusEpsilon(r.g.Inputs(name))
	if !ok {
		return
	}
	found := root{name, value, eps}
	if r.g.Op(value) == "Sum" && r.isSquareOfProduct(r.g.Inputs(value)) {
		r.spectral = append(r.spectral, found)
		return
	}
	for key := range r.gains(name) {
		r.norms[key] = append(r.norms[key], found)
	}
	for variable := range r.variablesUntil(value, isProduct) {
		r.norms[variable] = append(r.norms[variable], found)
	}
}

// pointwise are the operations between a norm's root and its gain.
var pointwise = map[string]bool{
	"Mul": true, "Add": true, "AddV2": true, "Sub": true, "Neg": true, "Identity": true, "Reshape": true, "ExpandDims": true, "Switch": true, "Merge": true,
}

// gains are the scopes of the weights, and the variables, that scale what a node is a factor of.
func (r *graphReader) gains(node string) map[string]bool {
	found := map[string]bool{}
	seen := map[string]bool{node: true}
	for queue := []string{node}; len(queue) > 0 && r.left >= 0; queue = queue[1:] {
		for _, user := range r.users[queue[0]] {
			r.left--
			if seen[user] || !pointwise[r.g.Op(user)] {
				continue
			}
			seen[user] = true
			queue = append(queue, user)
			factor, ok := r.factor(user, queue[0])
			if !ok {
				continue
			}
			for v := range r.variablesUntil(factor, func(op string) bool { return op == "Conv2D" || op == "Rsqrt" }) {
				scope, _ := scopeOf(v)
				found[scope], found[emaSuffix.ReplaceAllString(v, "")] = true, true
			}
		}
	}
	return found
}

// reach visits a node and what it is computed from, not looking behind nodes where stop is true.
func (r *graphReader) reach(from string, stop func(name string) bool) map[string]bool {
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0 && r.left >= 0; r.left-- {
		name := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if stop(name) {
			continue
		}
		for _, in := range r.g.Inputs(name) {
			if !seen[in] {
				seen[in] = true
				queue = append(queue, in)
			}
		}
	}
	return seen
}

// variableOf is the checkpoint's name of a variable's node, "" for other nodes.
func (r *graphReader) variableOf(node string) string {
	switch r.g.Op(node) {
	case "VarHandleOp", "VariableV2", "Variable":
		if shared := r.g.Text(node, "shared_name"); shared != "" {
			return shared
		}
		return node
	}
	return ""
}

// variables are those that a node is computed from.
func (r *graphReader) variables(from string) map[string]bool {
	return r.variablesUntil(from, func(string) bool { return false })
}

// variablesUntil looks for variables not behind operations where stop is true.
func (r *graphReader) variablesUntil(from string, stop func(op string) bool) map[string]bool {
	found := map[string]bool{}
	for name := range r.reach(from, func(name string) bool { return stop(r.g.Op(name)) }) {
		if v := r.variableOf(name); v != "" {
			found[v] = true
		}
	}
	return found
}

// isProduct stops a search at what no statistics lie behind.
func isProduct(op string) bool {
	return op == "MatMul" || op == "Conv2D" || op == "Const" || op == "Pack" || op == "Placeholder"
}

// tablesBehind are the constants of shape [rows, channels], of more than one row, that a
// node is computed from: behind matrix products and convolutions nothing is looked for.
func (r *graphReader) tablesBehind(from string, channels int) []statsTable {
	var tables []statsTable
	for name := range r.reach(from, func(name string) bool { return isProduct(r.g.Op(name)) }) {
		if shape, ok := r.g.ConstShape(name); ok && len(shape) == 2 && shape[0] > 1 && shape[1] == channels && r.g.Op(name) != "Identity" {
			tables = append(tables, statsTable{node: name, shape: shape})
		}
	}
	return tables
}

// table finds the table that refines a statistic of the i-th norm in forward order: by what
// is assigned to the variable, by what the norm computes with, or by DeepMind's numbering.
func (r *graphReader) table(n tfNorm, i int, variable string, channels int) (statsTable, bool) {
	for _, value := range r.assigned[variable] {
		if tables := r.tablesBehind(value, channels); len(tables) == 1 {
			tables[0].how = "what the graph assigns to the statistics"
			return tables[0], true
		}
	}
	for _, found := range r.applied(n) {
		operands := []string{found.value}
		if variable == n.mean {
			operands = r.means(found)
		}
		for _, operand := range operands {
			if tables := r.tablesBehind(operand, channels); len(tables) == 1 {
				tables[0].how = "what the batch norms compute with"
				return tables[0], true
			}
		}
	}
	number := 5*i + 1
	if variable == n.variance {
		number = 5*i + 3
	}
	name := fmt.Sprintf("stack_%d", number)
	shape, ok := r.g.ConstShape(name)
	if !ok || len(shape) != 2 || shape[0] < 2 || shape[1] != channels {
		return statsTable{}, false
	}
	return statsTable{name, shape, "the numbers of stack_{5n+1} and stack_{5n+3}"}, true
}

// applied finds where a norm computes, known by the statistics under its root or else by
// the gain that its result is scaled by.
func (r *graphReader) applied(n tfNorm) []root {
	if found := r.norms[n.variance]; len(found) > 0 {
		return found
	}
	return r.norms[n.gain]
}

// means are the operands that may be a norm's mean: the factors of its root m, or of
// m·gain, in x·m + (offset - mean·m) or (x - mean)·m.
func (r *graphReader) means(found root) []string {
	var operands []string
	for _, product := range r.users[found.node] {
		other, ok := r.factor(product, found.node)
		if !ok {
			continue
		}
		operands = append(operands, other)
		for _, use := range r.users[product] {
			if r.left--; r.left < 0 {
				return nil
			}
			if other, ok := r.factor(use, product); ok {
				operands = append(operands, other)
			}
		}
	}
	return operands
}

// factor is the other input of a product.
func (r *graphReader) factor(product, one string) (other string, ok bool) {
	in := r.g.Inputs(product)
	if r.g.Op(product) != "Mul" || len(in) != 2 || in[0] == in[1] {
		return "", false
	}
	if in[0] == one {
		return in[1], true
	}
	return in[0], in[1] == one
}

// plusEpsilon takes value + small constant apart, where that is the single input of a node.
func (r *graphReader) plusEpsilon(inputs []string) (value string, eps float64, ok bool) {
	if len(inputs) != 1 {
		return "", 0, false
	}
	sum := r.g.Inputs(inputs[0])
	if op := r.g.Op(inputs[0]); (op != "Add" && op != "AddV2") || len(sum) != 2 {
		return "", 0, false
	}
	for i, name := range sum {
		if e, isConst := r.g.Scalar(name); isConst && e > 0 && e < 0.1 {
			return sum[1-i], e, true
		}
	}
	return "", 0, false
}

// normEpsilon is the epsilon of a norm.
func (r *graphReader) normEpsilon(n tfNorm) (float64, bool) {
	found := r.applied(n)
	if len(found) == 0 {
		return 0, false
	}
	return found[0].eps, true
}

// spectralEpsilon is that of the power iteration: of the sums of squares, computed by matrix
// products, under a reciprocal root. All layers must agree; 1e-4 where none is found.
func (r *graphReader) spectralEpsilon() (float64, error) {
	const usual = 1e-4
	if len(r.spectral) == 0 {
		return usual, nil
	}
	eps := r.spectral[0].eps
	for _, s := range r.spectral {
		if s.eps != eps {
			return 0, fmt.Errorf("spectral norms with epsilons %g and %g: not supported", eps, s.eps)
		}
	}
	return eps, nil
}

func (r *graphReader) isSquareOfProduct(inputs []string) bool {
	if len(inputs) == 0 {
		return false
	}
	square := r.g.Inputs(inputs[0])
	switch r.g.Op(inputs[0]) {
	case "Mul":
		return len(square) == 2 && square[0] == square[1] && r.g.Op(square[0]) == "MatMul"
	case "Square":
		return len(square) == 1 && r.g.Op(square[0]) == "MatMul"
	}
	return false
}

// upsamples reports whether the input of a convolution is enlarged after the convolution before.
func (r *graphReader) upsamples(scope string) bool {
	inputs := r.g.Inputs(r.convs[scope])
	if len(inputs) == 0 {
		return false
	}
	for name := range r.reach(inputs[0], func(name string) bool { return r.g.Op(name) == "Conv2D" }) {
		if op := r.g.Op(name); op == "ResizeNearestNeighbor" || op == "DepthToSpace" {
			return true
		}
	}
	return false
}

var blockNumber = regexp.MustCompile(`^Generator/GBlock(?:_([0-9]{1,3}))?/conv`)

// lastBlockBefore is the last block that the input of a convolution is computed from.
func (r *graphReader) lastBlockBefore(scope string) (block int, ok bool) {
	inputs := r.g.Inputs(r.convs[scope])
	if len(inputs) == 0 {
		return 0, false
	}
	for variable := range r.variables(inputs[0]) {
		m := blockNumber.FindStringSubmatch(variable)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[1]) // "" is block 0; three digits always parse
		block, ok = max(block, n), true
	}
	return block, ok
}
