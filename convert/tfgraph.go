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
}

// tfNorm are the variables of a batch norm: statistics, and the scope of the gain's weight.
type tfNorm struct{ mean, variance, gain string }

// statsTable is a constant of the graph: shape [rows, channels].
type statsTable struct {
	node  string
	shape []int
	how   string // how it was found
}

func newGraphReader(g *tfhub.Graph) *graphReader {
	r := &graphReader{g: g, users: map[string][]string{}, assigned: map[string][]string{}, convs: map[string]string{}}
	for _, name := range g.Names() {
		inputs := g.Inputs(name)
		for _, in := range inputs {
			r.users[in] = append(r.users[in], name)
		}
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
		}
	}
	return r
}

// reach visits a node and what it is computed from, not looking behind nodes where stop is true.
func (r *graphReader) reach(from string, stop func(name string) bool) map[string]bool {
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0; {
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
	found := map[string]bool{}
	for name := range r.reach(from, func(string) bool { return false }) {
		if v := r.variableOf(name); v != "" {
			found[v] = true
		}
	}
	return found
}

// tablesBehind are the constants of shape [rows, channels], of more than one row, that a
// node is computed from: behind matrix products and convolutions nothing is looked for.
func (r *graphReader) tablesBehind(from string, channels int) []statsTable {
	var tables []statsTable
	stop := func(name string) bool {
		switch r.g.Op(name) {
		case "MatMul", "Conv2D", "Const", "Pack", "Placeholder":
			return true
		}
		return false
	}
	for name := range r.reach(from, stop) {
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
	if mean, variance, _, ok := r.applied(n); ok {
		operand := mean
		if variable == n.variance {
			operand = variance
		}
		if tables := r.tablesBehind(operand, channels); len(tables) == 1 {
			tables[0].how = "what the batch norms compute with"
			return tables[0], true
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

// applied finds where a norm computes: (x-mean)·rsqrt(variance+eps)·gain, as
// x·m + (offset - mean·m) with m = rsqrt(variance+eps)·gain. The norm is known by the
// variable that its gain is computed from.
func (r *graphReader) applied(n tfNorm) (mean, variance string, eps float64, ok bool) {
	for _, name := range r.g.Names() {
		if r.g.Op(name) != "Rsqrt" {
			continue
		}
		operand, e, isSum := r.plusEpsilon(r.g.Inputs(name))
		if !isSum {
			continue
		}
		for _, product := range r.users[name] {
			gain, isProduct := r.factor(product, name)
			if !isProduct || !r.isGainOf(gain, n) {
				continue
			}
			for _, use := range r.users[product] {
				other, isProduct := r.factor(use, product)
				if isProduct && (len(r.tablesOrStatistics(other, n)) > 0) {
					return other, operand, e, true
				}
			}
		}
	}
	return "", "", 0, false
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

// isGainOf reports whether a value is computed from the gain's weight of a norm, and no
// convolution.
func (r *graphReader) isGainOf(value string, n tfNorm) bool {
	found := r.reach(value, func(name string) bool { return r.g.Op(name) == "Conv2D" || r.g.Op(name) == "Rsqrt" })
	for name := range found {
		v := r.variableOf(name)
		if v == "" {
			continue
		}
		if scope, part := scopeOf(v); part == "w" && scope == n.gain || emaSuffix.ReplaceAllString(v, "") == n.gain {
			return true
		}
	}
	return false
}

// tablesOrStatistics are constants or statistics that a value is computed from, without a
// convolution or a matrix product between.
func (r *graphReader) tablesOrStatistics(value string, n tfNorm) []string {
	var found []string
	stop := func(name string) bool {
		op := r.g.Op(name)
		return op == "MatMul" || op == "Conv2D" || op == "Const" || op == "Pack" || op == "Placeholder"
	}
	for name := range r.reach(value, stop) {
		if r.variableOf(name) == n.mean {
			found = append(found, name)
		}
		if shape, ok := r.g.ConstShape(name); ok && len(shape) == 2 && shape[0] > 1 {
			found = append(found, name)
		}
	}
	return found
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
	_, _, eps, ok := r.applied(n)
	return eps, ok
}

// spectralEpsilon is that of the power iteration: of the sums of squares, computed by matrix
// products, under a reciprocal root. All layers must agree; 1e-4 where none is found.
func (r *graphReader) spectralEpsilon() (float64, error) {
	const usual = 1e-4
	found := 0.0
	for _, name := range r.g.Names() {
		if r.g.Op(name) != "Rsqrt" {
			continue
		}
		value, eps, ok := r.plusEpsilon(r.g.Inputs(name))
		if !ok || r.g.Op(value) != "Sum" || !r.isSquareOfProduct(r.g.Inputs(value)) {
			continue
		}
		if found != 0 && eps != found {
			return 0, fmt.Errorf("spectral norms with epsilons %g and %g: not supported", found, eps)
		}
		found = eps
	}
	if found == 0 {
		return usual, nil
	}
	return found, nil
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
		if r.g.Op(name) == "ResizeNearestNeighbor" {
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
