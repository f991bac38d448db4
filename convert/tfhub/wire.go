package tfhub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of a module (saved_model.proto, meta_graph.proto, graph.proto, node_def.proto,
// attr_value.proto, tensor.proto, tensor_shape.proto, tensor_bundle.proto) are read off the
// wire where they lie: an empty message takes two bytes of a file but a hundred of a decoded
// struct, so that decoding all of it would let a small file ask for much memory.

// field is a field of a message: an integer in n, or bytes in data.
type field struct {
	number protowire.Number
	kind   protowire.Type
	n      uint64
	data   []byte
}

// message calls f for each field, in the order of the wire. Groups are skipped.
func message(data []byte, f func(field) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return fmt.Errorf("no protocol buffer: %w", protowire.ParseError(n))
		}
		data = data[n:]
		v := field{number: number, kind: kind}
		switch kind {
		case protowire.VarintType:
			v.n, n = protowire.ConsumeVarint(data)
		case protowire.Fixed32Type:
			var fixed uint32
			fixed, n = protowire.ConsumeFixed32(data)
			v.n = uint64(fixed)
		case protowire.Fixed64Type:
			v.n, n = protowire.ConsumeFixed64(data)
		case protowire.BytesType:
			v.data, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return fmt.Errorf("field %d: %w", number, protowire.ParseError(n))
		}
		data = data[n:]
		if kind == protowire.StartGroupType {
			continue
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

// bytes is a field of bytes, text or a message.
func (v field) bytes() ([]byte, error) {
	if v.kind != protowire.BytesType {
		return nil, fmt.Errorf("field %d has wire type %d, want bytes", v.number, v.kind)
	}
	return v.data, nil
}

// integer is a field of a whole number.
func (v field) integer() (int64, error) {
	if v.kind != protowire.VarintType {
		return 0, fmt.Errorf("field %d has wire type %d, want a varint", v.number, v.kind)
	}
	return int64(v.n), nil
}

// maxRank bounds the axes of a tensor, maxAxis an axis.
const (
	maxRank = 16
	maxAxis = 1 << 40
)

// dimensions reads a TensorShapeProto.
func dimensions(data []byte) ([]int, error) {
	shape := []int{}
	err := message(data, func(v field) error {
		switch v.number {
		case 2: // dim
			axis, err := v.bytes()
			if err != nil {
				return err
			}
			if len(shape) == maxRank {
				return fmt.Errorf("more than %d axes", maxRank)
			}
			size, err := dimension(axis)
			shape = append(shape, size)
			return err
		case 3:
			if v.n != 0 {
				return errors.New("unknown rank")
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("shape: %w", err)
	}
	return shape, nil
}

func dimension(data []byte) (size int, err error) {
	err = message(data, func(v field) error {
		if v.number != 1 {
			return nil
		}
		n, err := v.integer()
		if err == nil && (n < 0 || n > maxAxis) {
			err = fmt.Errorf("an axis of %d", n)
		}
		size = int(n)
		return err
	})
	return size, err
}

// numbers appends the values of a repeated field, packed or one by one, at most limit in all.
func numbers(to []float32, v field, limit int, decode func(n uint64) float32) ([]float32, error) {
	add := func(n uint64) error {
		if len(to) == limit {
			return fmt.Errorf("more than %d values", limit)
		}
		to = append(to, decode(n))
		return nil
	}
	if v.kind != protowire.BytesType {
		return to, add(v.n)
	}
	for data := v.data; len(data) > 0; {
		var n uint64
		var width int
		switch v.number {
		case floatValues:
			if len(data) < 4 {
				return to, errors.New("a value is cut off")
			}
			n, width = uint64(binary.LittleEndian.Uint32(data)), 4
		case doubleValues:
			if len(data) < 8 {
				return to, errors.New("a value is cut off")
			}
			n, width = binary.LittleEndian.Uint64(data), 8
		default:
			if n, width = protowire.ConsumeVarint(data); width < 0 {
				return to, protowire.ParseError(width)
			}
		}
		data = data[width:]
		if err := add(n); err != nil {
			return to, err
		}
	}
	return to, nil
}

// The lists of values of a TensorProto.
const (
	floatValues  protowire.Number = 5
	doubleValues protowire.Number = 6
	halfValues   protowire.Number = 13
)

func fromFloat(n uint64) float32  { return math.Float32frombits(uint32(n)) }
func fromDouble(n uint64) float32 { return float32(math.Float64frombits(n)) }
