package tfhubtest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/convert/tfhub/tfpb"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/weights"
)

// rows is how many truncations the tables of BigGAN-deep have.
const rows = 51

// ReleasedDeep is a module of the size of a released BigGAN-deep: the variables of its
// inventory with random values, tables of statistics as stacks of 51 rows under DeepMind's
// numbers, and of the graph beside them what says where blocks upsample and the attention stands.
func ReleasedDeep(t testing.TB, inventory string) Files {
	t.Helper()
	shapes := goldentest.Inventory(t, inventory)
	var variables []Variable
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		info := weights.Info{Name: name, DType: weights.F32, Shape: shapes[name]}
		variables = append(variables, Variable{info, random(name, info.Elements())})
	}
	g := &skeleton{shapes: shapes}
	g.deep()
	saved := &tfpb.SavedModel{MetaGraphs: []*tfpb.MetaGraph{{Graph: &tfpb.Graph{Nodes: g.nodes}}}}
	return NewFiles(Marshal(saved), NewBundle(1, variables...))
}

// random is so many float32 values: of a variance's between 0.5 and 1.5, else between -0.1 and 0.1.
func random(name string, n int) []byte {
	low, span := float32(-0.1), float32(0.2)
	if strings.HasSuffix(name, "_var") {
		low, span = 0.5, 1
	}
	state := uint32(len(name))
	for _, c := range name {
		state = state*31 + uint32(c)
	}
	data := make([]byte, 0, 4*n)
	for range n {
		state = state*1664525 + 1013904223
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(low+span*float32(state>>8)/(1<<24)))
	}
	return data
}

// skeleton builds a graph.
type skeleton struct {
	shapes map[string][]int
	nodes  []*tfpb.Node
	last   string
	norms  int
}

func (g *skeleton) add(op string, inputs ...string) {
	g.last = fmt.Sprintf("n%d", len(g.nodes))
	g.nodes = append(g.nodes, &tfpb.Node{Name: g.last, Op: op, Inputs: inputs})
}

// conv convolves what is there with the kernel of a scope.
func (g *skeleton) conv(scope string) {
	kernel := scope + "/w/ema_0.9999"
	g.nodes = append(g.nodes, &tfpb.Node{Name: kernel, Op: "VarHandleOp"}, &tfpb.Node{Name: kernel + "/read", Op: "ReadVariableOp", Inputs: []string{kernel}})
	g.add("Conv2D", g.last, kernel+"/read")
}

// tables adds the five stacks of a norm: a dead row, the means, a dead row, the variances,
// and a pair that is none of them.
func (g *skeleton) tables(scope string) {
	channels := g.shapes[scope+"/accumulated_mean"][0]
	for i, statistic := range []string{"_mean", "_var"} {
		number := 5*g.norms + 2*i
		g.constant(fmt.Sprintf("stack_%d", number), random(statistic, channels), channels)
		pack := &tfpb.Node{Name: fmt.Sprintf("stack_%d", number+1), Op: "Pack"}
		for r := range rows {
			name := fmt.Sprintf("%s/values_%d", pack.Name, r)
			g.constant(name, random(fmt.Sprint(scope, r, statistic), channels), channels)
			pack.Inputs = append(pack.Inputs, name)
		}
		g.nodes = append(g.nodes, pack)
	}
	g.constant(fmt.Sprintf("stack_%d", 5*g.norms+4), random("", 2), 2)
	g.norms++
}

func (g *skeleton) constant(name string, content []byte, shape ...int) {
	value := &tfpb.Attr{Value: &tfpb.Attr_Tensor{Tensor: &tfpb.Tensor{Dtype: 1, Shape: Shape(shape...), Content: content}}}
	g.nodes = append(g.nodes, &tfpb.Node{Name: name, Op: "Const", Attrs: map[string]*tfpb.Attr{"value": value}})
}

// deep is a BigGAN-deep: every second block upsamples, the attention stands before the ninth.
func (g *skeleton) deep() {
	scope := func(name string, i int) string {
		if i == 0 {
			return name
		}
		return fmt.Sprintf("%s_%d", name, i)
	}
	g.add("Placeholder")
	for i := 0; ; i++ {
		block := "Generator/" + scope("GBlock", i)
		if g.shapes[block+"/conv0/b/ema_0.9999"] == nil {
			break
		}
		if i == 8 {
			g.conv("Generator/attention/theta")
		}
		for k := range 4 {
			g.tables(block + "/" + scope("BatchNorm", k))
			if k == 1 && i%2 == 1 {
				g.add("ResizeNearestNeighbor", g.last)
			}
			g.conv(fmt.Sprintf("%s/conv%d", block, k))
		}
	}
	g.tables("Generator/BatchNorm")
}
