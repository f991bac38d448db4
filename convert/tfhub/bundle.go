package tfhub

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/biggan-zoo/biggan/convert/tfhub/tfpb"
	"github.com/biggan-zoo/biggan/weights"
)

// dtypes are TensorFlow's numbers (types.proto) of the types that hold numbers.
var dtypes = map[int32]weights.DType{
	1: weights.F32, 2: weights.F64, 3: weights.I32, 4: weights.U8, 5: weights.I16, 6: weights.I8, 9: weights.I64, 10: weights.Bool,
	14: weights.BF16, 17: weights.U16, 19: weights.F16, 22: weights.U32, 23: weights.U64,
}

// variable is a tensor of the checkpoint and its place in a shard.
type variable struct {
	weights.Info
	shard        int
	offset, size int64
	crc          uint32 // masked
}

func (v variable) check(data []byte) error {
	if got := masked(data); got != v.crc {
		return fmt.Errorf("%w: %s: crc32c got %08x, want %08x", weights.ErrFormat, v.Name, got, v.crc)
	}
	return nil
}

// maxShards bounds the files of a checkpoint.
const maxShards = 1024

var unmarshal = proto.UnmarshalOptions{DiscardUnknown: true}

// parseBundle reads variables.index. skipped are entries that are no tensors of numbers.
func parseBundle(data []byte) (variables []variable, shards int, skipped []string, err error) {
	pairs, err := parseTable(data)
	if err != nil {
		return nil, 0, nil, err
	}
	if len(pairs) == 0 || pairs[0].key != "" {
		return nil, 0, nil, errors.New("no header (the empty key)")
	}
	var header tfpb.BundleHeader
	if err := unmarshal.Unmarshal(pairs[0].value, &header); err != nil {
		return nil, 0, nil, fmt.Errorf("header: %w", err)
	}
	if header.NumShards < 1 || header.NumShards > maxShards {
		return nil, 0, nil, fmt.Errorf("header: %d shards, want 1 to %d", header.NumShards, maxShards)
	}
	if header.Endianness != 0 {
		return nil, 0, nil, errors.New("header: big-endian: not supported")
	}
	for _, p := range pairs[1:] {
		v, ok, err := parseEntry(p, int(header.NumShards))
		if err != nil {
			return nil, 0, nil, fmt.Errorf("variable %.200q: %w", p.key, err)
		}
		if ok {
			variables = append(variables, v)
		} else {
			skipped = append(skipped, p.key)
		}
	}
	return variables, int(header.NumShards), skipped, apart(variables)
}

// parseEntry reads a BundleEntry; ok is false for types that hold no numbers.
func parseEntry(p pair, shards int) (v variable, ok bool, err error) {
	var e tfpb.BundleEntry
	if err := unmarshal.Unmarshal(p.value, &e); err != nil {
		return v, false, err
	}
	dtype, ok := dtypes[e.Dtype]
	if !ok {
		return v, false, nil
	}
	if len(e.Slices) > 0 {
		return v, false, errors.New("is stored in slices: not supported")
	}
	shape, err := dimensions(e.Shape)
	if err != nil {
		return v, false, err
	}
	want, err := weights.CheckedBytes(dtype, shape)
	if err != nil {
		return v, false, err
	}
	if e.Size != want {
		return v, false, fmt.Errorf("has %d bytes, %s %v wants %d", e.Size, dtype, shape, want)
	}
	if e.Shard < 0 || int(e.Shard) >= shards || e.Offset < 0 || e.Offset > 1<<62-e.Size {
		return v, false, fmt.Errorf("lies in shard %d of %d at byte %d", e.Shard, shards, e.Offset)
	}
	return variable{weights.Info{Name: p.key, DType: dtype, Shape: shape}, int(e.Shard), e.Offset, e.Size, e.Crc32C}, true, nil
}

// maxRank bounds the axes of a tensor.
const maxRank = 16

func dimensions(s *tfpb.Shape) ([]int, error) {
	if s.GetUnknownRank() || len(s.GetDims()) > maxRank {
		return nil, errors.New("has no shape")
	}
	shape := []int{}
	for _, d := range s.GetDims() {
		if d.GetSize() < 0 || d.GetSize() > 1<<40 {
			return nil, fmt.Errorf("has an axis of %d", d.GetSize())
		}
		shape = append(shape, int(d.GetSize()))
	}
	return shape, nil
}

// apart sorts variables by their place and refuses overlaps.
func apart(variables []variable) error {
	slices.SortFunc(variables, func(a, b variable) int {
		if a.shard != b.shard {
			return a.shard - b.shard
		}
		if a.offset != b.offset {
			return int(min(max(a.offset-b.offset, -1), 1))
		}
		return strings.Compare(a.Name, b.Name)
	})
	for i := 1; i < len(variables); i++ {
		a, b := variables[i-1], variables[i]
		if a.shard == b.shard && a.offset+a.size > b.offset {
			return fmt.Errorf("variables %.100q and %.100q overlap", a.Name, b.Name)
		}
	}
	return nil
}
