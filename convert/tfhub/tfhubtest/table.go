// Package tfhubtest writes TF Hub modules for tests and benchmarks: good ones as TensorFlow
// writes them, and hostile ones. It shares no code with the reader that it is to test.
package tfhubtest

import (
	"encoding/binary"
	"hash/crc32"
	"strings"

	"github.com/golang/snappy"
)

// Pair is an entry of an SSTable.
type Pair struct {
	Key   string
	Value []byte
}

// Block is a block of an SSTable before it gets its trailer.
type Block struct {
	Content []byte
	Kind    byte // 0 = as it is, 1 = snappy
}

// masked is a CRC-32C as LevelDB stores it.
func masked(parts ...[]byte) uint32 {
	sum := uint32(0)
	for _, p := range parts {
		sum = crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), p)
	}
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// restartInterval is how many entries follow a whole key.
const restartInterval = 16

// NewBlock encodes pairs with shared prefixes.
func NewBlock(pairs []Pair) Block {
	var b []byte
	var restarts []uint32
	last := ""
	for i, p := range pairs {
		shared := 0
		if i%restartInterval == 0 {
			restarts = append(restarts, uint32(len(b)))
		} else {
			for shared < min(len(last), len(p.Key)) && last[shared] == p.Key[shared] {
				shared++
			}
		}
		b = Entry(b, uint64(shared), p.Key[shared:], p.Value)
		last = p.Key
	}
	if len(restarts) == 0 {
		restarts = []uint32{0}
	}
	return Block{Content: Restarts(b, restarts...)}
}

// Entry appends an entry of a block.
func Entry(b []byte, shared uint64, rest string, value []byte) []byte {
	b = binary.AppendUvarint(b, shared)
	b = binary.AppendUvarint(b, uint64(len(rest)))
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(append(b, rest...), value...)
}

// Restarts ends a block.
func Restarts(b []byte, at ...uint32) []byte {
	for _, r := range at {
		b = binary.LittleEndian.AppendUint32(b, r)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(len(at)))
}

// Compressed is a block of snappy.
func (b Block) Compressed() Block { return Block{snappy.Encode(nil, b.Content), 1} }

// Handle appends the place of a block.
func Handle(b []byte, offset, size uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, offset), size)
}

// file collects blocks.
type file []byte

func (f *file) add(b Block) (handle []byte) {
	handle = Handle(nil, uint64(len(*f)), uint64(len(b.Content)))
	*f = append(append(*f, b.Content...), b.Kind)
	*f = binary.LittleEndian.AppendUint32(*f, masked(b.Content, []byte{b.Kind}))
	return handle
}

// Footer ends a table: the places of the metaindex and of the index, and the magic number.
func Footer(metaindex, index []byte) []byte {
	footer := append(append([]byte{}, metaindex...), index...)
	footer = append(footer, make([]byte, 40-len(footer))...)
	return binary.LittleEndian.AppendUint64(footer, 0xdb4775248b80fb57)
}

// Tables are written in blocks of this many bytes.
const blockSize = 4 << 10

// Table writes sorted pairs as an SSTable.
func Table(compress bool, pairs ...Pair) []byte {
	var blocks []Block
	var last []string
	for from := 0; from < len(pairs); {
		to, size := from, 0
		for to < len(pairs) && (size < blockSize || to == from) {
			size += len(pairs[to].Key) + len(pairs[to].Value)
			to++
		}
		b := NewBlock(pairs[from:to])
		if compress {
			b = b.Compressed()
		}
		blocks, last = append(blocks, b), append(last, pairs[to-1].Key)
		from = to
	}
	return Blocks(last, blocks...)
}

// Blocks writes blocks as an SSTable; last are the last keys of each. The index's keys are
// no keys of entries, as LevelDB's are not.
func Blocks(last []string, blocks ...Block) []byte {
	var f file
	var index []Pair
	for i, b := range blocks {
		index = append(index, Pair{last[i] + strings.Repeat("\xff", i%2), f.add(b)})
	}
	metaindex := f.add(NewBlock(nil))
	place := f.add(NewBlock(index))
	return append(f, Footer(metaindex, place)...)
}
