// Package weights reads and writes the unified model format: one safetensors file under
// canonical tensor names, with the architecture and its provenance in the metadata.
// docs/format.md is the specification.
package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strconv"

	"github.com/x448/float16"
)

// ErrFormat is wrapped by every error about a file that is corrupt or refused.
var ErrFormat = errors.New("refused file")

// DType is a safetensors element type.
type DType string

// The element types of the safetensors format.
const (
	F64    DType = "F64"
	F32    DType = "F32"
	F16    DType = "F16"
	BF16   DType = "BF16"
	I64    DType = "I64"
	I32    DType = "I32"
	I16    DType = "I16"
	I8     DType = "I8"
	U64    DType = "U64"
	U32    DType = "U32"
	U16    DType = "U16"
	U8     DType = "U8"
	Bool   DType = "BOOL"
	F8E4M3 DType = "F8_E4M3"
	F8E5M2 DType = "F8_E5M2"
)

// Size is the bytes of one element; ok is false for an unknown type.
func (d DType) Size() (bytes int, ok bool) {
	switch d {
	case F64, I64, U64:
		return 8, true
	case F32, I32, U32:
		return 4, true
	case F16, BF16, I16, U16:
		return 2, true
	case I8, U8, Bool, F8E4M3, F8E5M2:
		return 1, true
	}
	return 0, false
}

// Info describes a tensor.
type Info struct {
	Name  string `json:"name"`
	DType DType  `json:"dtype"`
	Shape []int  `json:"shape"`
}

// Elements is the product of the shape; 1 for a scalar.
func (i Info) Elements() int {
	n := 1
	for _, d := range i.Shape {
		n *= d
	}
	return n
}

// Bytes is the size of the tensor's data.
func (i Info) Bytes() int64 {
	size, _ := i.DType.Size()
	return int64(size) * int64(i.Elements())
}

// CheckedBytes is the size of a tensor whose shape comes from a file: negative
// dimensions, unknown types and products beyond an int64 are refused.
func CheckedBytes(d DType, shape []int) (int64, error) {
	size, ok := d.Size()
	if !ok {
		return 0, fmt.Errorf("unknown dtype %q", d)
	}
	n := uint64(size)
	for _, dim := range shape {
		if dim < 0 {
			return 0, fmt.Errorf("shape %v is negative", shape)
		}
		hi, lo := bits.Mul64(n, uint64(dim))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("shape %v overflows", shape)
		}
		n = lo
	}
	return int64(n), nil
}

// Source is what a backend reads weights from. Float32s and Float64s fill dst, whose
// length must be the tensor's number of elements, converting from F64, F32, F16 or BF16.
type Source interface {
	Info(name string) (Info, bool)
	Float32s(dst []float32, name string) error
	Float64s(dst []float64, name string) error
}

// Tensor is a float32 tensor in memory.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Memory is a Source of tensors in memory.
type Memory map[string]Tensor

// Info describes a tensor.
func (m Memory) Info(name string) (Info, bool) {
	t, ok := m[name]
	return Info{Name: name, DType: F32, Shape: t.Shape}, ok
}

// Float32s copies a tensor.
func (m Memory) Float32s(dst []float32, name string) error {
	t, err := m.tensor(name, len(dst))
	copy(dst, t.Data)
	return err
}

// Float64s copies a tensor.
func (m Memory) Float64s(dst []float64, name string) error {
	t, err := m.tensor(name, len(dst))
	for i, v := range t.Data {
		dst[i] = float64(v)
	}
	return err
}

func (m Memory) tensor(name string, want int) (Tensor, error) {
	t, ok := m[name]
	if !ok {
		return Tensor{}, fmt.Errorf("weights: no tensor %q", name)
	}
	if len(t.Data) != want {
		return Tensor{}, fmt.Errorf("weights: tensor %q has %d values, want %d", name, len(t.Data), want)
	}
	return t, nil
}

// Decode32 converts little-endian data of a floating type to float32.
func Decode32(dst []float32, d DType, data []byte) error {
	size, _ := d.Size()
	if size*len(dst) != len(data) {
		return fmt.Errorf("weights: %d bytes of %s do not make %d values", len(data), d, len(dst))
	}
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])))
		}
	case F16:
		for i := range dst {
			dst[i] = float16.Frombits(binary.LittleEndian.Uint16(data[2*i:])).Float32()
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[2*i:])) << 16)
		}
	default:
		return fmt.Errorf("weights: %s is no floating type", d)
	}
	return nil
}

// Decode64 converts little-endian data of a floating type to float64.
func Decode64(dst []float64, d DType, data []byte) error {
	if d == F64 {
		if 8*len(dst) != len(data) {
			return fmt.Errorf("weights: %d bytes of F64 do not make %d values", len(data), len(dst))
		}
		for i := range dst {
			dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
		}
		return nil
	}
	size, _ := d.Size()
	var chunk [1024]float32
	for len(dst) > 0 {
		n := min(len(dst), len(chunk))
		if n*size > len(data) {
			return fmt.Errorf("weights: data of %s is short of %d values", d, len(dst))
		}
		if err := Decode32(chunk[:n], d, data[:n*size]); err != nil {
			return err
		}
		for i, v := range chunk[:n] {
			dst[i] = float64(v)
		}
		dst, data = dst[n:], data[n*size:]
	}
	return nil
}

// Decimal is the shortest decimal of a float32 that is not lost by it: 0.3, not
// 0.30000001, so that numbers stored in files mean what their authors meant.
func Decimal(v float32) float64 {
	d, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil {
		return float64(v) // every formatted number parses
	}
	return d
}

// Encode writes float32 values as F32, F16 or BF16, rounding to nearest even. NaN stays NaN.
func Encode(w io.Writer, d DType, values []float32) error {
	size, _ := d.Size()
	buf := make([]byte, 0, min(len(values)*size, 1<<16))
	for len(values) > 0 {
		n := min(len(values), 1<<14)
		var err error
		if buf, err = appendEncoded(buf[:0], d, values[:n]); err != nil {
			return err
		}
		if _, err := w.Write(buf); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

func appendEncoded(buf []byte, d DType, values []float32) ([]byte, error) {
	switch d {
	case F32:
		for _, v := range values {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
		}
	case F16:
		for _, v := range values {
			buf = binary.LittleEndian.AppendUint16(buf, float16.Fromfloat32(v).Bits())
		}
	case BF16:
		for _, v := range values {
			buf = binary.LittleEndian.AppendUint16(buf, bfloat16(v))
		}
	default:
		return nil, fmt.Errorf("weights: cannot write values as %s, only F32, F16 and BF16", d)
	}
	return buf, nil
}

// bfloat16 rounds to nearest even; a NaN keeps its sign and becomes quiet.
func bfloat16(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + (b>>16)&1) >> 16)
}
