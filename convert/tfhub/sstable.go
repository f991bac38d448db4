package tfhub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/golang/snappy"
)

// A variables.index is an SSTable (LevelDB, doc/table_format.md): blocks of prefix-compressed
// entries, an index block that points to them, and a footer of 48 bytes.
const (
	footerLength  = 48
	tableMagic    = 0xdb4775248b80fb57
	trailerLength = 5 // compression type, masked CRC-32C
	maxKey        = 4096
	// A block of snappy may say to be this much larger than it is; snappy itself reaches 21.
	maxInflation = 32
	maxSpent     = 16 << 20 // of all keys and decompressed blocks
	maxPairs     = 1 << 16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is how LevelDB and TensorFlow store a CRC-32C.
func masked(data []byte, more ...byte) uint32 {
	c := crc32.Update(crc32.Checksum(data, castagnoli), castagnoli, more)
	return (c>>15 | c<<17) + 0xa282ead8
}

// handle says where a block lies.
type handle struct{ offset, size uint64 }

// pair is an entry of a table. The value aliases the file or a decompressed block.
type pair struct {
	key   string
	value []byte
}

// parseTable lists the entries of a table in order. Keys must ascend. What it allocates is
// bounded by the length of the data.
func parseTable(data []byte) ([]pair, error) {
	if len(data) < footerLength {
		return nil, fmt.Errorf("%d bytes are too few for a table", len(data))
	}
	footer := data[len(data)-footerLength:]
	if magic := binary.LittleEndian.Uint64(footer[footerLength-8:]); magic != tableMagic {
		return nil, fmt.Errorf("magic number %016x at the end, want %016x", magic, uint64(tableMagic))
	}
	_, rest, err := readHandle(footer[:footerLength-8]) // of the metaindex
	if err != nil {
		return nil, fmt.Errorf("footer: %w", err)
	}
	index, _, err := readHandle(rest)
	if err != nil {
		return nil, fmt.Errorf("footer: %w", err)
	}
	t := &sstable{data: data[:len(data)-footerLength], budget: min(maxInflation*len(data)+1<<16, maxSpent)}
	blocks, err := t.block(index)
	if err != nil {
		return nil, fmt.Errorf("index block: %w", err)
	}
	var pairs []pair
	for _, b := range blocks {
		h, _, err := readHandle(b.value)
		if err != nil {
			return nil, fmt.Errorf("index block: %w", err)
		}
		entries, err := t.block(h)
		if err == nil && len(pairs)+len(entries) > maxPairs {
			err = fmt.Errorf("more than %d entries", maxPairs)
		}
		if err != nil {
			return nil, fmt.Errorf("block at byte %d: %w", h.offset, err)
		}
		for _, e := range entries {
			if n := len(pairs); n > 0 && pairs[n-1].key >= e.key {
				return nil, fmt.Errorf("block at byte %d: key %.100q does not follow %.100q", h.offset, e.key, pairs[n-1].key)
			}
			pairs = append(pairs, e)
		}
	}
	return pairs, nil
}

func readHandle(data []byte) (h handle, rest []byte, err error) {
	for _, to := range []*uint64{&h.offset, &h.size} {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			return h, nil, errors.New("a block's place is no number")
		}
		*to, data = v, data[n:]
	}
	return h, data, nil
}

// sstable is a file under the reader's hands; budget is what it may still allocate for keys
// and decompressed blocks.
type sstable struct {
	data   []byte
	budget int
}

func (t *sstable) spend(n int) error {
	if n > t.budget {
		return errors.New("the entries are much larger than the file")
	}
	t.budget -= n
	return nil
}

// block checks, decompresses and splits a block.
func (t *sstable) block(h handle) ([]pair, error) {
	end := h.offset + h.size
	if end < h.offset || end+trailerLength < end || end+trailerLength > uint64(len(t.data)) {
		return nil, fmt.Errorf("bytes %d to %d lie outside the file of %d", h.offset, end, len(t.data))
	}
	content, trailer := t.data[h.offset:end], t.data[end:end+trailerLength]
	if got, want := masked(content, trailer[0]), binary.LittleEndian.Uint32(trailer[1:]); got != want {
		return nil, fmt.Errorf("crc32c got %08x, want %08x", got, want)
	}
	switch trailer[0] {
	case 0:
	case 1:
		n, err := snappy.DecodedLen(content)
		if err != nil || n > maxInflation*len(content) {
			return nil, fmt.Errorf("snappy: %d bytes of %d, %v", n, len(content), err)
		}
		if err := t.spend(n); err != nil {
			return nil, err
		}
		if content, err = snappy.Decode(nil, content); err != nil {
			return nil, fmt.Errorf("snappy: %w", err)
		}
	default:
		return nil, fmt.Errorf("unknown compression %d", trailer[0])
	}
	return t.split(content)
}

// split reads entries: shared and own length of the key, length of the value, own part, value.
func (t *sstable) split(content []byte) ([]pair, error) {
	if len(content) < 4 {
		return nil, fmt.Errorf("%d bytes are too few for a block", len(content))
	}
	restarts := uint64(binary.LittleEndian.Uint32(content[len(content)-4:]))
	if restarts < 1 || 4*(restarts+1) > uint64(len(content)) {
		return nil, fmt.Errorf("%d restarts in a block of %d bytes", restarts, len(content))
	}
	data := content[:uint64(len(content))-4*(restarts+1)]
	starts := content[len(data) : len(content)-4] // where entries stand that share nothing
	var pairs []pair
	key := ""
	for at := 0; at < len(data); {
		begin := at
		var lengths [3]uint64
		for i := range lengths {
			v, n := binary.Uvarint(data[at:])
			if n <= 0 || v > uint64(len(content)) {
				return nil, fmt.Errorf("entry at byte %d: bad length", begin)
			}
			lengths[i], at = v, at+n
		}
		shared, own, value := int(lengths[0]), int(lengths[1]), int(lengths[2])
		if shared > len(key) || shared+own > maxKey || own+value > len(data)-at {
			return nil, fmt.Errorf("entry at byte %d: lengths %v do not fit", begin, lengths)
		}
		if len(starts) > 0 && binary.LittleEndian.Uint32(starts) == uint32(begin) {
			starts = starts[4:]
			if shared != 0 {
				return nil, fmt.Errorf("entry at byte %d is a restart, but shares %d bytes of its key", begin, shared)
			}
		}
		if len(pairs) == maxPairs {
			return nil, fmt.Errorf("more than %d entries", maxPairs)
		}
		if err := t.spend(shared + own); err != nil {
			return nil, err
		}
		key = key[:shared] + string(data[at:at+own])
		at += own
		pairs = append(pairs, pair{key, data[at : at+value : at+value]})
		at += value
	}
	if len(starts) > 0 && len(data) > 0 {
		return nil, fmt.Errorf("a restart at byte %d, where no entry begins", binary.LittleEndian.Uint32(starts))
	}
	return pairs, nil
}
