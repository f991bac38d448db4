package onnx

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/biggan-zoo/biggan/convert/onnx/onnxpb"
)

// of is a tensor of n values whose bytes are all 7.
func of(name string, n int) Tensor {
	return Tensor{Name: name, Dims: []int64{int64(n)}, Write: func(w io.Writer) error {
		_, err := w.Write(bytes.Repeat([]byte{7}, 4*n))
		return err
	}}
}

// TestWrite wants the bytes to be the message that holds everything at once, for tensors
// whose lengths take one to four bytes.
func TestWrite(t *testing.T) {
	m := &onnxpb.Model{
		IrVersion: 7, Opsets: []*onnxpb.Opset{{Version: 13}}, Metadata: []*onnxpb.Property{{Key: "k", Value: "v"}},
		Graph: &onnxpb.Graph{
			Name: "g", Initializers: []*onnxpb.Tensor{Int64s("i", []int64{2}, 1, -1), Floats("f", nil, 0.5)},
			Inputs: []*onnxpb.Value{Value("x", "doc", "N", 3), Value("s", "", "")},
			Nodes:  []*onnxpb.Node{{Op: "Relu", Name: "r", Inputs: []string{"x"}, Outputs: []string{"r"}, Attrs: []*onnxpb.Attr{Int("a", 0), Ints("b", 1, 2), String("c", "")}}},
		},
	}
	want := proto.CloneOf(m)
	var tensors []Tensor
	for _, n := range []int{0, 1, 31, 32, 4095, 4096, 600_000} {
		tensors = append(tensors, of("t", n))
		want.Graph.Initializers = append(want.Graph.Initializers, &onnxpb.Tensor{
			Name: "t", Dims: []int64{int64(n)}, Type: onnxpb.DataType_FLOAT, Raw: bytes.Repeat([]byte{7}, 4*n),
		})
	}
	var file bytes.Buffer
	if err := Write(&file, m, tensors); err != nil {
		t.Fatal(err)
	}
	got := &onnxpb.Model{}
	if err := proto.Unmarshal(file.Bytes(), got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Error("the file is another message")
	}
	if a := got.Graph.Nodes[0].Attrs[0]; a.I == nil || *a.I != 0 {
		t.Error("an attribute of 0 is lost")
	}
}

func TestWrongLength(t *testing.T) {
	for name, c := range map[string]struct {
		write int
		want  string
	}{"short": {7, "4 bytes short"}, "long": {9, "more than its shape has"}} {
		tensor := of("t", c.write)
		tensor.Dims = []int64{2, 4}
		if err := Write(io.Discard, &onnxpb.Model{}, []Tensor{tensor}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	failing := Tensor{Name: "t", Dims: []int64{1}, Write: func(io.Writer) error { return io.ErrUnexpectedEOF }}
	if err := Write(io.Discard, &onnxpb.Model{}, []Tensor{failing}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

// TestSize refuses 2 GiB, of one tensor or of all, and shapes that overflow.
func TestSize(t *testing.T) {
	for name, tensors := range map[string][]Tensor{
		"one":      {{Name: "t", Dims: []int64{1 << 29}}},
		"all":      {{Name: "t", Dims: []int64{1 << 28}}, {Name: "u", Dims: []int64{1 << 28}}},
		"overflow": {{Name: "t", Dims: []int64{math.MaxInt64, math.MaxInt64}}},
		"negative": {{Name: "t", Dims: []int64{-1}}},
	} {
		var file bytes.Buffer
		if err := Write(&file, &onnxpb.Model{}, tensors); !errors.Is(err, ErrSize) || file.Len() > 0 {
			t.Errorf("%s: error %v, %d bytes written", name, err, file.Len())
		}
	}
}
