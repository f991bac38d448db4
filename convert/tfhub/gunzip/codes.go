package gunzip

import "math/bits"

// Sizes of the alphabets, with the symbols that only the fixed codes have and nothing may use.
const (
	maxLiterals  = 288
	maxDistances = 32
	maxCode      = 15 // bits of a code
	endOfBlock   = 256
	firstLength  = 257
)

// An entry of a table is what the next bits say: how many of them in its lowest byte, and
//
//	a literal:          literal | value << 16
//	a length, distance: base << 16 | how many bits follow << 8
//	a longer code:      longer | where what follows its first bits is looked up << 16
//	end, wrong:         flags alone
const (
	literal uint32 = 1 << 31
	longer  uint32 = 1 << 13
	end     uint32 = 1 << 14
	wrong   uint32 = 1 << 15
	special        = longer | end | wrong
)

// A table is looked up by so many bits, and for longer codes by the bits behind them.
const (
	nearBits = 11
	nearMask = 1<<nearBits - 1
	farBits  = maxCode - nearBits
)

// table decodes a prefix code.
type table struct {
	near [1 << nearBits]uint32
	far  []uint32
}

// symbolKind says what the symbols of an alphabet mean, as an entry without its count of bits.
type symbolKind func(symbol int) uint32

func literalOrLength(symbol int) uint32 {
	switch {
	case symbol < endOfBlock:
		return literal | uint32(symbol)<<16
	case symbol == endOfBlock:
		return end
	case symbol-firstLength < len(lengthBase):
		i := symbol - firstLength
		return uint32(lengthBase[i])<<16 | uint32(lengthExtra[i])<<8
	}
	return wrong
}

func distance(symbol int) uint32 {
	if symbol < len(distanceBase) {
		return uint32(distanceBase[symbol])<<16 | uint32(distanceExtra[symbol])<<8
	}
	return wrong
}

func plain(symbol int) uint32 { return uint32(symbol) << 16 }

// RFC 1951, 3.2.5.
var (
	lengthBase = [...]uint16{
		3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
	}
	lengthExtra  = [...]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distanceBase = [...]uint16{
		1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
	}
	distanceExtra = [...]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// build makes the table of a code from the lengths of its symbols' codes, 0 for those that
// have none. A code may have one symbol of one bit, or none; else it must be complete.
func (t *table) build(lengths []uint8, kind symbolKind) error {
	var count [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	left, used := 1, 0 // codes that are free, symbols
	for n := 1; n <= maxCode; n++ {
		if left = left<<1 - count[n]; left < 0 {
			return corrupt("more codes than there can be")
		}
		used += count[n]
	}
	if left != 0 && !(used == 0 || used == 1 && count[1] == 1) {
		return corrupt("codes that stand for nothing")
	}
	var next [maxCode + 2]int // first code of each length
	for n := 1; n <= maxCode; n++ {
		next[n+1] = (next[n] + count[n]) << 1
	}
	clear(t.near[:])
	if left != 0 {
		for i := range t.near {
			t.near[i] = wrong
		}
	}
	t.far = t.far[:0]
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		code := bits.Reverse16(uint16(next[n])) >> (16 - n) // its first bit comes lowest
		next[n]++
		t.enter(uint32(code), uint(n), kind(symbol)|uint32(n))
	}
	return nil
}

// enter puts an entry wherever the next bits are those of a code of n bits.
func (t *table) enter(code uint32, n uint, entry uint32) {
	if n <= nearBits {
		for i := code; i < 1<<nearBits; i += 1 << n {
			t.near[i] = entry
		}
		return
	}
	prefix := code & nearMask
	if t.near[prefix] == 0 {
		t.near[prefix] = longer | uint32(len(t.far))<<16
		t.far = append(t.far, make([]uint32, 1<<farBits)...)
	}
	under := t.far[t.near[prefix]>>16:]
	for i := code >> nearBits; i < 1<<farBits; i += 1 << (n - nearBits) {
		under[i] = entry
	}
}

// after is the entry behind one that is longer, of the bits that are held.
func (t *table) after(entry uint32, held uint64) uint32 {
	return t.far[entry>>16+uint32(held>>nearBits)&(1<<farBits-1)]
}
