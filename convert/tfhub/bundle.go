package tfhub

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/biggan-zoo/biggan/weights"
)

// dtypes are TensorFlow's numbers (types.proto) of the types that hold numbers.
var dtypes = map[int64]weights.DType{
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

// parseBundle reads variables.index. skipped are entries that are no tensors of numbers.
func parseBundle(data []byte) (variables []variable, shards int, skipped []string, err error) {
	pairs, err := parseTable(data)
	if err != nil {
		return nil, 0, nil, err
	}
	if len(pairs) == 0 || pairs[0].key != "" {
		return nil, 0, nil, errors.New("no header (the empty key)")
	}
	if shards, err = parseHeader(pairs[0].value); err != nil {
		return nil, 0, nil, fmt.Errorf("header: %w", err)
	}
	for _, p := range pairs[1:] {
		v, ok, err := parseEntry(p, shards)
		if err != nil {
			return nil, 0, nil, fmt.Errorf("variable %.200q: %w", p.key, err)
		}
		if ok {
			variables = append(variables, v)
		} else {
			skipped = append(skipped, p.key)
		}
	}
	return variables, shards, skipped, apart(variables)
}

// parseHeader reads a BundleHeaderProto.
func parseHeader(data []byte) (shards int, err error) {
	var count, endianness int64
	err = message(data, func(v field) (err error) {
		switch v.number {
		case 1:
			count, err = v.integer()
		case 2:
			endianness, err = v.integer()
		}
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case count < 1 || count > maxShards:
		return 0, fmt.Errorf("%d shards, want 1 to %d", count, maxShards)
	case endianness != 0:
		return 0, errors.New("big-endian: not supported")
	}
	return int(count), nil
}

// entry is a BundleEntryProto.
type entry struct {
	dtype, shard, offset, size int64
	shape                      []byte
	crc                        uint32
	sliced                     bool
}

func (e *entry) take(v field) (err error) {
	switch v.number {
	case 1:
		e.dtype, err = v.integer()
	case 2:
		e.shape, err = v.bytes()
	case 3:
		e.shard, err = v.integer()
	case 4:
		e.offset, err = v.integer()
	case 5:
		e.size, err = v.integer()
	case 6:
		e.crc = uint32(v.n)
	case 7:
		e.sliced = true
	}
	return err
}

// parseEntry reads a BundleEntryProto; ok is false for types that hold no numbers.
func parseEntry(p pair, shards int) (v variable, ok bool, err error) {
	var e entry
	if err := message(p.value, e.take); err != nil {
		return v, false, err
	}
	dtype, ok := dtypes[e.dtype]
	if !ok {
		return v, false, nil
	}
	if e.sliced {
		return v, false, errors.New("is stored in slices: not supported")
	}
	shape, err := dimensions(e.shape)
	if err != nil {
		return v, false, err
	}
	want, err := weights.CheckedBytes(dtype, shape)
	if err != nil {
		return v, false, err
	}
	if e.size != want {
		return v, false, fmt.Errorf("has %d bytes, %s %v wants %d", e.size, dtype, shape, want)
	}
	if e.shard < 0 || e.shard >= int64(shards) || e.offset < 0 || e.offset > 1<<62-e.size {
		return v, false, fmt.Errorf("lies in shard %d of %d at byte %d", e.shard, shards, e.offset)
	}
	return variable{weights.Info{Name: p.key, DType: dtype, Shape: shape}, int(e.shard), e.offset, e.size, e.crc}, true, nil
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
