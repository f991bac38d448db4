package gunzip

import (
	"io"
)

// bitReader reads a source from the lowest bit of each byte on.
type bitReader struct {
	src      io.Reader
	in       [inputSize]byte
	pos, end int   // of in: read, but not taken
	failed   error // of src, io.EOF too; what was read before is in in

	held  uint64 // bits that were taken and not used
	count uint   // of held; what is above is zero
}

// more reads on behind what is not taken.
func (b *bitReader) more() {
	b.giveBack()
	b.end = copy(b.in[:], b.in[b.pos:b.end])
	b.pos = 0
	for stalled := 0; b.failed == nil && b.end < len(b.in); {
		n, err := b.src.Read(b.in[b.end:])
		b.end += n
		b.failed = err
		if n > 0 {
			return
		}
		if stalled++; stalled == 100 && err == nil {
			b.failed = io.ErrNoProgress
		}
	}
}

// failure is why the source gave no more, or end if it merely ended.
func (b *bitReader) failure(end error) error {
	if b.failed == io.EOF {
		return end
	}
	return b.failed
}

// giveBack puts whole bytes back that were taken and not used.
func (b *bitReader) giveBack() {
	b.pos -= int(b.count >> 3)
	b.count &= 7
	b.held &= 1<<b.count - 1
}

// align skips to the next whole byte.
func (b *bitReader) align() {
	b.giveBack()
	b.held, b.count = 0, 0
}

// hold takes bytes until n bits are held, of at most 56, or the source ends.
func (b *bitReader) hold(n uint) {
	for b.count < n {
		if b.pos == b.end {
			if b.failed != nil {
				return
			}
			b.more() // gives back, too, what is held
			continue
		}
		b.held |= uint64(b.in[b.pos]) << b.count
		b.pos++
		b.count += 8
	}
}

// use drops bits that are held.
func (b *bitReader) use(n uint) {
	b.held >>= n
	b.count -= n
}

// take reads n bits, at most 32.
func (b *bitReader) take(n uint) (uint32, error) {
	if b.hold(n); b.count < n {
		return 0, b.failure(io.ErrUnexpectedEOF)
	}
	value := uint32(b.held & (1<<n - 1))
	b.use(n)
	return value, nil
}

// exactly reads whole bytes, after align.
func (b *bitReader) exactly(p []byte) error {
	for len(p) > 0 {
		if b.pos == b.end {
			if b.more(); b.pos == b.end {
				return b.failure(io.ErrUnexpectedEOF)
			}
		}
		n := copy(p, b.in[b.pos:b.end])
		b.pos += n
		p = p[n:]
	}
	return nil
}
