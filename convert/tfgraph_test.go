package convert

import (
	"testing"

	"github.com/biggan-zoo/biggan/convert/tfhub"
	"github.com/biggan-zoo/biggan/convert/tfhub/tfhubtest"
	"github.com/biggan-zoo/biggan/convert/tfhub/tfpb"
	"github.com/biggan-zoo/biggan/weights"
)

// smallGraph is a batch norm before an attention: a table of variances under a root, and
// two blocks.
func smallGraph() *tfpb.SavedModel {
	attr := func(name string, tensor *tfpb.Tensor) map[string]*tfpb.Attr {
		return map[string]*tfpb.Attr{name: {Value: &tfpb.Attr_Tensor{Tensor: tensor}}}
	}
	variable := func(name string) *tfpb.Node { return &tfpb.Node{Name: name, Op: "VarHandleOp"} }
	nodes := []*tfpb.Node{
		variable("Generator/GBlock/conv0/w"), variable("Generator/GBlock_1/conv1/w"), variable("Generator/attention/theta/w"), variable("gain/w"),
		{Name: "table", Op: "Const", Attrs: attr("value", &tfpb.Tensor{Dtype: 1, Shape: tfhubtest.Shape(3, 2), Floats: []float32{1}})},
		{Name: "mean", Op: "Const", Attrs: attr("value", &tfpb.Tensor{Dtype: 1, Shape: tfhubtest.Shape(3, 2), Floats: []float32{2}})},
		{Name: "eps", Op: "Const", Attrs: attr("value", &tfpb.Tensor{Dtype: 1, Floats: []float32{1e-3}})},
		{Name: "row", Op: "GatherV2", Inputs: []string{"table", "t"}}, {Name: "meanrow", Op: "GatherV2", Inputs: []string{"mean:0", "t"}},
		{Name: "sum", Op: "Add", Inputs: []string{"row", "eps"}}, {Name: "inv", Op: "Rsqrt", Inputs: []string{"sum"}},
		{Name: "c0", Op: "Conv2D", Inputs: []string{"x", "Generator/GBlock/conv0/w"}}, {Name: "up", Op: "DepthToSpace", Inputs: []string{"c0"}},
		{Name: "c1", Op: "Conv2D", Inputs: []string{"up", "Generator/GBlock_1/conv1/w"}},
		{Name: "xm", Op: "Mul", Inputs: []string{"c1", "inv"}}, {Name: "mm", Op: "Mul", Inputs: []string{"meanrow", "inv"}},
		{Name: "neg", Op: "Neg", Inputs: []string{"mm"}}, {Name: "n", Op: "AddV2", Inputs: []string{"xm", "neg"}},
		{Name: "g", Op: "MatMul", Inputs: []string{"cond", "gain/w"}}, {Name: "scaled", Op: "Mul", Inputs: []string{"g", "n"}},
		{Name: "theta", Op: "Conv2D", Inputs: []string{"scaled", "Generator/attention/theta/w"}},
	}
	return &tfpb.SavedModel{MetaGraphs: []*tfpb.MetaGraph{{Graph: &tfpb.Graph{Nodes: nodes}}}}
}

var smallNorm = tfNorm{mean: "m/accumulated_mean", variance: "m/accumulated_var", gain: "gain"}

// TestGainAfterTheNorm: statistics are found where the gain scales the normalised map, not
// the root itself.
func TestGainAfterTheNorm(t *testing.T) {
	g, err := tfhub.ParseGraph(tfhubtest.Marshal(smallGraph()))
	if err != nil {
		t.Fatal(err)
	}
	r := newGraphReader(g)
	for variable, want := range map[string]string{smallNorm.mean: "mean", smallNorm.variance: "table"} {
		if table, ok := r.table(smallNorm, 0, variable, 2); !ok || table.node != want {
			t.Errorf("the table of %s is %+v, want %s", variable, table, want)
		}
	}
	if eps, ok := r.normEpsilon(smallNorm); !ok || eps != 1e-3 {
		t.Errorf("epsilon %v, %v", eps, ok)
	}
	if block, ok := r.lastBlockBefore("Generator/attention/theta"); !ok || block != 1 {
		t.Errorf("the attention stands after block %d, %v", block, ok)
	}
	if !r.upsamples("Generator/GBlock_1/conv1") || r.upsamples("Generator/GBlock/conv0") {
		t.Error("upsampling is not found where it is")
	}
}

// FuzzGraphReader reads networks off graphs.
func FuzzGraphReader(f *testing.F) {
	f.Add(tfhubtest.Marshal(smallGraph()))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := tfhub.ParseGraph(data)
		if err != nil {
			return
		}
		r := newGraphReader(g)
		if _, err := r.spectralEpsilon(); err != nil {
			return
		}
		r.normEpsilon(smallNorm)
		r.upsamples("Generator/GBlock_1/conv1")
		r.lastBlockBefore("Generator/attention/theta")
		for _, v := range []string{smallNorm.mean, smallNorm.variance} {
			table, ok := r.table(smallNorm, 0, v, 2)
			if !ok || table.shape[0] > maxRows {
				continue
			}
			m := &tfModule{module: &tfhub.Module{Graph: g}}
			if data, err := m.table(v, table, &scratch{}); err == nil && int64(len(data)) != (weights.Info{DType: weights.F32, Shape: table.shape}).Bytes() {
				t.Errorf("table %v has %d bytes", table.shape, len(data))
			}
		}
	})
}
