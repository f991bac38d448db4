package gunzip

import (
	"encoding/binary"
	"io"
)

// order is that of the lengths of the code of lengths (RFC 1951, 3.2.7).
var order = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// fixedCodes are those of RFC 1951, 3.2.6.
func (r *Reader) fixedCodes() error {
	lengths := r.lengths[:]
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		case i < maxLiterals:
			lengths[i] = 8
		default:
			lengths[i] = 5
		}
	}
	return r.codes(lengths[:maxLiterals], lengths[maxLiterals:])
}

func (r *Reader) codes(literals, distances []uint8) error {
	if err := r.literals.build(literals, literalOrLength); err != nil {
		return err
	}
	return r.distances.build(distances, distance)
}

// dynamicCodes reads the codes of a block.
func (r *Reader) dynamicCodes() error {
	head, err := r.take(14)
	if err != nil {
		return err
	}
	literals, distances, some := 257+int(head&31), 1+int(head>>5&31), 4+int(head>>10)
	if literals > maxLiterals-2 || distances > maxDistances-2 {
		return corrupt("codes for %d literals and lengths and %d distances, want at most %d and %d", literals, distances, maxLiterals-2, maxDistances-2)
	}
	var short [len(order)]uint8
	for _, symbol := range order[:some] {
		n, err := r.take(3)
		if err != nil {
			return err
		}
		short[symbol] = uint8(n)
	}
	if err := r.literals.build(short[:], plain); err != nil {
		return err
	}
	lengths := r.lengths[:literals+distances]
	for i := 0; i < len(lengths); {
		value, n, err := r.run(lengths[:i])
		if err != nil {
			return err
		}
		if n > len(lengths)-i {
			return corrupt("lengths of more codes than there are")
		}
		for range n {
			lengths[i] = value
			i++
		}
	}
	return r.codes(lengths[:literals], lengths[literals:])
}

// run reads a length of a code, and how many times it stands, behind those that are known.
func (r *Reader) run(known []uint8) (value uint8, n int, err error) {
	entry, err := r.entry(&r.literals)
	if err != nil {
		return 0, 0, err
	}
	symbol := entry >> 16
	if symbol < 16 {
		return uint8(symbol), 1, nil
	}
	extra := [...]struct {
		bits uint
		base int
	}{{2, 3}, {3, 3}, {7, 11}}[symbol-16]
	more, err := r.take(extra.bits)
	if err != nil {
		return 0, 0, err
	}
	if symbol == 16 {
		if len(known) == 0 {
			return 0, 0, corrupt("repeats the length of a code before the first")
		}
		value = known[len(known)-1]
	}
	return value, extra.base + int(more), nil
}

// entry decodes one symbol.
func (r *Reader) entry(t *table) (uint32, error) {
	r.hold(maxCode)
	entry := t.near[r.held&nearMask]
	if entry&longer != 0 {
		entry = t.after(entry, r.held)
	}
	if n := uint(uint8(entry)); n > r.count {
		return 0, r.failure(io.ErrUnexpectedEOF)
	}
	if entry&wrong != 0 {
		return 0, corrupt("a code that stands for nothing")
	}
	r.use(uint(uint8(entry)))
	return entry, nil
}

// margin is what the quick loop may read beyond where it stands.
const margin = 16

// symbols decompresses literals and matches until the buffer is full or the block ends.
func (r *Reader) symbols() error {
	for r.op < full && r.block != nil {
		if r.end-r.pos < margin && r.failed == nil {
			r.more()
		}
		step := (*Reader).quickly
		if r.end-r.pos < margin {
			step = (*Reader).slowly
		}
		if err := step(r); err != nil {
			return err
		}
	}
	return nil
}

// slowly takes one symbol, at the end of the input.
func (r *Reader) slowly() error {
	entry, err := r.entry(&r.literals)
	switch {
	case err != nil:
		return err
	case entry&literal != 0:
		r.out[r.op] = byte(entry >> 16)
		r.op++
		return nil
	case entry&end != 0:
		r.block = nil
		return nil
	}
	length, err := r.value(entry)
	if err != nil {
		return err
	}
	if entry, err = r.entry(&r.distances); err != nil {
		return err
	}
	back, err := r.value(entry)
	if err != nil {
		return err
	}
	if back > r.op-r.from {
		return errTooFar
	}
	r.op = repeat(&r.out, r.op, length, back)
	return nil
}

var errTooFar = corrupt("a match reaches for what is not there")

// value is a length or distance with the bits that follow its code.
func (r *Reader) value(entry uint32) (int, error) {
	more, err := r.take(uint(entry >> 8 & 15))
	return int(entry>>16&0x7fff) + int(more), err
}

// repeat appends length bytes that stand so far back, and returns their end.
func repeat(out *[outSize]byte, op, length, back int) int {
	if back >= length {
		return op + copy(out[op:op+length], out[op-back:])
	}
	for i := op; i < op+length; i++ {
		out[i] = out[i-back]
	}
	return op + length
}

// quickly takes symbols as long as there is margin, of the input and of the buffer. What is held is
// filled up by eight bytes at once, of which those that fit count: the others' bits stay
// above and come again.
func (r *Reader) quickly() error {
	in, out, near := &r.in, &r.out, &r.literals.near
	pos, op, held, count := r.pos, r.op, r.held, r.count
	limit := r.end - margin
	var err error
	for pos <= limit && op < full {
		held |= binary.LittleEndian.Uint64(in[pos:]) << (count & 63)
		pos += int((63 - count) >> 3)
		count |= 56
		entry := near[held&nearMask]
		if entry&literal != 0 { // often another follows, and four take 44 bits
			out[op] = byte(entry >> 16)
			op++
			held >>= entry & 63
			count -= uint(entry & 63)
			if entry = near[held&nearMask]; entry&literal != 0 {
				out[op] = byte(entry >> 16)
				op++
				held >>= entry & 63
				count -= uint(entry & 63)
				if entry = near[held&nearMask]; entry&literal != 0 {
					out[op] = byte(entry >> 16)
					op++
					held >>= entry & 63
					count -= uint(entry & 63)
					if entry = near[held&nearMask]; entry&literal != 0 {
						out[op] = byte(entry >> 16)
						op++
						held >>= entry & 63
						count -= uint(entry & 63)
						continue
					}
				}
			}
			held |= binary.LittleEndian.Uint64(in[pos:]) << (count & 63)
			pos += int((63 - count) >> 3)
			count |= 56
		}
		if entry&special != 0 {
			if entry&longer != 0 {
				entry = r.literals.after(entry, held)
			}
			if entry&literal != 0 {
				out[op] = byte(entry >> 16)
				op++
				held >>= entry & 63
				count -= uint(entry & 63)
				continue
			}
			if entry&wrong != 0 {
				err = corrupt("a code that stands for nothing")
				break
			}
			if entry&end != 0 {
				held >>= entry & 63
				count -= uint(entry & 63)
				r.block = nil
				break
			}
		}
		held >>= entry & 63
		extra := entry >> 8 & 15
		length := int(entry>>16) + int(held&(1<<extra-1))
		held >>= extra
		count -= uint(entry&63 + extra)
		entry = r.distances.near[held&nearMask]
		if entry&longer != 0 {
			entry = r.distances.after(entry, held)
		}
		if entry&wrong != 0 {
			err = corrupt("a code that stands for nothing")
			break
		}
		held >>= entry & 63
		extra = entry >> 8 & 15
		back := int(entry>>16) + int(held&(1<<extra-1))
		held >>= extra
		count -= uint(entry&63 + extra)
		if back > op-r.from {
			err = errTooFar
			break
		}
		op = repeat(out, op, length, back)
	}
	r.pos, r.op, r.held, r.count = pos, op, held&(1<<count-1), count
	return err
}
