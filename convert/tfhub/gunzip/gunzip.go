// Package gunzip decompresses gzip (RFC 1952, RFC 1951) as a stream, for archives that are
// nearly all literals: weights compress by some percent, symbol by symbol. It reads ahead of
// what it decompresses, and allocates nothing that grows with the input.
package gunzip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// ErrCorrupt is wrapped when the input is no gzip or does not have the checksum that it says.
var ErrCorrupt = errors.New("corrupt gzip")

func corrupt(format string, values ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, values...))
}

const (
	inputSize = 256 << 10
	window    = 32 << 10            // how far back a match reaches
	full      = window + 256<<10    // when what is decompressed is handed out
	outSize   = full + maxMatch + 8 // a last match ends behind full
	maxMatch  = 258
)

// Reader decompresses the members of a gzip file, one behind the other.
type Reader struct {
	bitReader
	out    [outSize]byte
	op     int // end of what is decompressed
	given  int // end of what was handed out
	from   int // begin of this member in out, or of what is left of it
	err    error
	crc    uint32
	length uint32 // of the member, as its trailer counts it

	block               func(*Reader) error // goes on with the block that is open; nil = none is
	last                bool                // it is the member's last
	stored              int                 // bytes left of a stored block
	literals, distances table
	lengths             [maxLiterals + maxDistances]uint8
}

// NewReader reads the first member's header. Errors about the content wrap ErrCorrupt or
// are io.ErrUnexpectedEOF; io.EOF means an empty input.
func NewReader(src io.Reader) (*Reader, error) {
	r := &Reader{bitReader: bitReader{src: src}}
	if r.more(); r.pos == r.end {
		return nil, r.failure(io.EOF)
	}
	if err := r.header(); err != nil {
		return nil, err
	}
	return r, nil
}

// Read decompresses. io.EOF comes after the last member's checksum was found right.
func (r *Reader) Read(p []byte) (int, error) {
	for r.given == r.op {
		if r.err != nil {
			return 0, r.err
		}
		r.err = r.fill()
		r.crc = crc32.Update(r.crc, crc32.IEEETable, r.out[r.given:r.op])
		r.length += uint32(r.op - r.given)
		if r.err == nil && r.block == nil && r.last {
			r.err = r.trailer()
		}
	}
	n := copy(p, r.out[r.given:r.op])
	r.given += n
	return n, nil
}

// fill decompresses until the buffer is full or the member ends.
func (r *Reader) fill() error {
	if r.op >= full { // what matches reach for stays
		copy(r.out[:window], r.out[r.op-window:r.op])
		r.from = max(0, r.from-(r.op-window))
		r.op, r.given = window, window
	}
	for r.op < full && !(r.block == nil && r.last) {
		if r.block == nil {
			if err := r.begin(); err != nil {
				return err
			}
		}
		if err := r.block(r); err != nil {
			return err
		}
	}
	return nil
}

// begin reads the head of a block.
func (r *Reader) begin() error {
	head, err := r.take(3)
	if err != nil {
		return err
	}
	r.last = head&1 != 0
	switch head >> 1 {
	case 0:
		err = r.beginStored()
		r.block = (*Reader).copyStored
	case 1:
		err = r.fixedCodes()
		r.block = (*Reader).symbols
	case 2:
		err = r.dynamicCodes()
		r.block = (*Reader).symbols
	default:
		err = corrupt("a block of no known type")
	}
	return err
}

func (r *Reader) beginStored() error {
	r.align()
	sizes, err := r.take(32)
	if err != nil {
		return err
	}
	if uint16(sizes) != ^uint16(sizes>>16) {
		return corrupt("a stored block's size does not fit its complement")
	}
	r.stored = int(uint16(sizes))
	r.giveBack()
	return nil
}

// copyStored copies what fits.
func (r *Reader) copyStored() error {
	for r.stored > 0 && r.op < full {
		if r.pos == r.end {
			if r.more(); r.pos == r.end {
				return r.failure(io.ErrUnexpectedEOF)
			}
		}
		n := copy(r.out[r.op:full], r.in[r.pos:min(r.end, r.pos+r.stored)])
		r.op, r.pos, r.stored = r.op+n, r.pos+n, r.stored-n
	}
	if r.stored == 0 {
		r.block = nil
	}
	return nil
}

// trailer checks a member's checksum and length, and begins the next member. io.EOF if
// there is none.
func (r *Reader) trailer() error {
	r.align()
	var sums [8]byte
	if err := r.exactly(sums[:]); err != nil {
		return err
	}
	if crc := binary.LittleEndian.Uint32(sums[:]); crc != r.crc {
		return corrupt("crc32 got %08x, want %08x", r.crc, crc)
	}
	if n := binary.LittleEndian.Uint32(sums[4:]); n != r.length {
		return corrupt("%d bytes, want %d (modulo 2^32)", r.length, n)
	}
	if r.pos == r.end {
		if r.more(); r.pos == r.end {
			return r.failure(io.EOF)
		}
	}
	return r.header()
}

// maxText bounds the name and the comment in a header, as Go's library does.
const maxText = 512

// Flags of a member's header.
const (
	hasHeaderCRC = 1 << 1
	hasExtra     = 1 << 2
	hasName      = 1 << 3
	hasComment   = 1 << 4
)

// header reads a member's header and forgets the member before.
func (r *Reader) header() error {
	r.crc, r.length, r.from, r.last, r.block = 0, 0, r.op, false, nil
	var head [10]byte
	if err := r.exactly(head[:]); err != nil {
		return err
	}
	flags := head[3]
	if head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 {
		return corrupt("no gzip member begins with % x", head[:4])
	}
	crc := crc32.ChecksumIEEE(head[:])
	skip := func(n int, text bool) error { // a text ends with a zero within n bytes
		for range n {
			var b [1]byte
			if err := r.exactly(b[:]); err != nil {
				return err
			}
			crc = crc32.Update(crc, crc32.IEEETable, b[:])
			if text && b[0] == 0 {
				return nil
			}
		}
		if text {
			return corrupt("a name or comment of more than %d bytes", n-1)
		}
		return nil
	}
	if flags&hasExtra != 0 {
		var size [2]byte
		if err := r.exactly(size[:]); err != nil {
			return err
		}
		crc = crc32.Update(crc, crc32.IEEETable, size[:])
		if err := skip(int(binary.LittleEndian.Uint16(size[:])), false); err != nil {
			return err
		}
	}
	for _, text := range []byte{hasName, hasComment} {
		if flags&text != 0 {
			if err := skip(maxText, true); err != nil {
				return err
			}
		}
	}
	if flags&hasHeaderCRC != 0 {
		var want [2]byte
		if err := r.exactly(want[:]); err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(want[:]) != uint16(crc) {
			return corrupt("the header's checksum is wrong")
		}
	}
	return nil
}
