// Package onnx writes the ONNX file format: a model's protobuf message, whose tensors
// stream by, so that a file may be larger than what is in memory. It knows no networks.
package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/biggan-zoo/biggan/convert/onnx/onnxpb"
)

// ErrSize means that a model does not fit into a protobuf message.
var ErrSize = errors.New("larger than an ONNX file can be")

// maxSize is what protobuf's parsers take: 2 GiB.
const maxSize = math.MaxInt32

// Field numbers of onnx.proto that Write puts down itself.
const (
	modelGraph       = 7
	graphInitializer = 5
	tensorRaw        = 9
)

// Tensor is a float32 initializer whose values are written when their turn comes.
type Tensor struct {
	Name string
	Dims []int64
	// Write writes the values, little-endian, in C order; any other number of bytes is an error.
	Write func(w io.Writer) error
}

// bytes is the size of the values, -1 if it overflows.
func (t Tensor) bytes() int64 {
	n := int64(4)
	for _, d := range t.Dims {
		if d < 0 || d > 0 && n > math.MaxInt64/d {
			return -1
		}
		n *= d
	}
	return n
}

// Write writes a model; tensors are initializers of its graph beside those that it holds.
// Nothing is written of one that would be ErrSize.
func Write(w io.Writer, m *onnxpb.Model, tensors []Tensor) error {
	outer := proto.CloneOf(m)
	outer.Graph = nil
	head, err := marshal(outer)
	if err != nil {
		return err
	}
	graph, err := marshal(m.GetGraph())
	if err != nil {
		return err
	}
	heads := make([][]byte, len(tensors))
	size := int64(len(graph))
	for i, t := range tensors {
		values := t.bytes()
		if values < 0 || values > maxSize {
			return fmt.Errorf("onnx: tensor %q of shape %v: %w (2 GiB)", t.Name, t.Dims, ErrSize)
		}
		if heads[i], err = tensorHead(t, values); err != nil {
			return err
		}
		size += int64(len(heads[i])) + values
	}
	head = protowire.AppendTag(head, modelGraph, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	if total := int64(len(head)) + size; total > maxSize {
		return fmt.Errorf("onnx: a model of %d bytes: %w (2 GiB)", total, ErrSize)
	}
	if _, err := w.Write(append(head, graph...)); err != nil {
		return err
	}
	for i, t := range tensors {
		if _, err := w.Write(heads[i]); err != nil {
			return err
		}
		if err := writeValues(w, t); err != nil {
			return fmt.Errorf("onnx: tensor %q: %w", t.Name, err)
		}
	}
	return nil
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// tensorHead is what stands before the values of an initializer.
func tensorHead(t Tensor, values int64) ([]byte, error) {
	message, err := marshal(&onnxpb.Tensor{Name: t.Name, Dims: t.Dims, Type: onnxpb.DataType_FLOAT})
	if err != nil {
		return nil, err
	}
	message = protowire.AppendTag(message, tensorRaw, protowire.BytesType)
	message = protowire.AppendVarint(message, uint64(values))
	head := protowire.AppendTag(nil, graphInitializer, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(int64(len(message))+values))
	return append(head, message...), nil
}

func writeValues(w io.Writer, t Tensor) error {
	exact := &counted{w: w, left: t.bytes()}
	if err := t.Write(exact); err != nil {
		return err
	}
	if exact.left != 0 {
		return fmt.Errorf("%d bytes short", exact.left)
	}
	return nil
}

// counted takes a number of bytes and no more.
type counted struct {
	w    io.Writer
	left int64
}

func (c *counted) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		return 0, fmt.Errorf("%d bytes more than its shape has", int64(len(p))-c.left)
	}
	n, err := c.w.Write(p)
	c.left -= int64(n)
	return n, err
}

// Int64s is a small initializer of integers, for shapes and indices.
func Int64s(name string, dims []int64, values ...int64) *onnxpb.Tensor {
	return small(name, onnxpb.DataType_INT64, dims, values)
}

// Floats is a small initializer of float32 values.
func Floats(name string, dims []int64, values ...float32) *onnxpb.Tensor {
	return small(name, onnxpb.DataType_FLOAT, dims, values)
}

func small(name string, t onnxpb.DataType, dims []int64, values any) *onnxpb.Tensor {
	var raw bytes.Buffer
	_ = binary.Write(&raw, binary.LittleEndian, values) // slices of numbers into memory
	return &onnxpb.Tensor{Name: name, Type: t, Dims: dims, Raw: raw.Bytes()}
}

// Value is a float32 tensor that a graph takes or gives. batch names the leading dimension,
// which is free; "" = there is none, and with no dims the value is a scalar.
func Value(name, doc, batch string, dims ...int) *onnxpb.Value {
	shape := &onnxpb.Shape{}
	if batch != "" {
		shape.Dims = append(shape.Dims, &onnxpb.Shape_Dim{Size: &onnxpb.Shape_Dim_Param{Param: batch}})
	}
	for _, d := range dims {
		shape.Dims = append(shape.Dims, &onnxpb.Shape_Dim{Size: &onnxpb.Shape_Dim_Value{Value: int64(d)}})
	}
	tensor := &onnxpb.Value_Type_TensorType{Element: onnxpb.DataType_FLOAT, Shape: shape}
	return &onnxpb.Value{Name: name, Doc: doc, Type: &onnxpb.Value_Type{Tensor: tensor}}
}

// Ints is an attribute of integers.
func Ints(name string, values ...int64) *onnxpb.Attr {
	return &onnxpb.Attr{Name: name, Type: onnxpb.Attr_INTS, Ints: values}
}

// Int is an attribute of one integer.
func Int(name string, value int64) *onnxpb.Attr {
	return &onnxpb.Attr{Name: name, Type: onnxpb.Attr_INT, I: &value}
}

// String is an attribute of text.
func String(name, value string) *onnxpb.Attr {
	return &onnxpb.Attr{Name: name, Type: onnxpb.Attr_STRING, S: []byte(value)}
}
