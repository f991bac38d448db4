package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/torch"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// ported writes a folder with G.pth and config.json: port MODEL FOLDER.
func ported(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: port MODEL FOLDER")
	}
	m, err := biggan.Open(context.Background(), ts.MkAbs(args[0]))
	ts.Check(err)
	defer m.Close()
	ts.Check(port(m, ts.MkAbs(args[1])))
}

// port writes an original BigGAN that came from a TF Hub module as BigGAN-PyTorch's own
// converter does: the first layer's outputs as [c,h,w], the conditioning as (embedding, z),
// the statistics of truncation 1 alone, the vectors u0 kept.
func port(m *biggan.Model, folder string) error {
	var infos []weights.Info
	content := map[string][]byte{}
	for _, n := range m.Graph.Nodes {
		for _, p := range parametersOf(m, n) {
			name, ok := convert.SourceName("biggan-pytorch", p.Name)
			if !ok {
				continue // sigma: computed from the others
			}
			values := make([]float32, p.Elements())
			if err := m.Weights().Float32s(values, p.Name); err != nil {
				return err
			}
			shape := p.Shape
			switch {
			case p.Role == graph.Mean || p.Role == graph.Var:
				shape = shape[len(shape)-1:]
				values = values[len(values)-shape[0]:]
			case strings.HasPrefix(p.Name, "linear."):
				values = channelsFirst(m, values, p.Shape[0])
			case n.Op == graph.Linear && p.Role == graph.Weight:
				values = embeddingFirst(n, values)
			}
			data := make([]byte, 0, 4*len(values))
			for _, v := range values {
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
			}
			infos = append(infos, weights.Info{Name: name, DType: weights.F32, Shape: shape})
			content[name] = data
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{"BN_eps": 1e-4, "SN_eps": 1e-4})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "config.json"), config, 0o644); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(folder, "G.pth"))
	if err != nil {
		return err
	}
	defer f.Close()
	return torch.Write(f, infos, func(name string) ([]byte, error) { return content[name], nil })
}

// parametersOf lists the parameters of a node, with the vector u of a normalised weight.
func parametersOf(m *biggan.Model, n *graph.Node) []*graph.Param {
	var all []*graph.Param
	for _, p := range []*graph.Param{n.Weight, n.Bias, n.Gain, n.Mean, n.Var} {
		if p != nil {
			all = append(all, p)
		}
	}
	for _, p := range m.Graph.Params() {
		if n.Weight != nil && p.Role == graph.U && p.Name == n.Name+".u" {
			all = append(all, p)
		}
	}
	return all
}

// channelsFirst turns rows that stand as [h,w,c] into [c,h,w].
func channelsFirst(m *biggan.Model, values []float32, rows int) []float32 {
	reshape, _ := m.Graph.Node("linear.reshape")
	channels := reshape.Shape[0]
	plane, width := rows/channels, len(values)/rows
	out := make([]float32, 0, len(values))
	for i := range rows {
		from := i%plane*channels + i/plane
		out = append(out, values[from*width:][:width]...)
	}
	return out
}

// embeddingFirst turns columns (z, embedding) into (embedding, z).
func embeddingFirst(n *graph.Node, values []float32) []float32 {
	cond := n.In[0]
	z, width := cond.In[0].Elements(), cond.Elements()
	var out []float32
	for row := 0; row < len(values); row += width {
		out = append(out, values[row+z:row+width]...)
		out = append(out, values[row:row+z]...)
	}
	return out
}
