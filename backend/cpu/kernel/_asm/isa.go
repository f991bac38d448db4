package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is a vector width.
type isa struct {
	name  string
	width int // float32 values of a register
	vec   func() reg.VecVirtual
}

var (
	avx512 = isa{"AVX512", 16, func() reg.VecVirtual { return ZMM() }}
	avx2   = isa{"AVX2", 8, func() reg.VecVirtual { return YMM() }}
)

// bytes of a register.
func (v isa) bytes() int { return 4 * v.width }

// text starts a function; its name ends in the instruction set's.
func (v isa) text(name, signature string) {
	TEXT(name+v.name, NOSPLIT, "func("+signature+")")
	Pragma("noescape")
}

// ret ends a function. Upper halves of registers that stay set slow other code down.
func ret() {
	VZEROUPPER()
	RET()
}

// tail selects the first n%width lanes.
type tail struct {
	k    reg.OpmaskVirtual
	lane reg.VecVirtual
}

// newTail makes the mask of count lanes, 0 < count < width.
func (v isa) newTail(count reg.GPVirtual) tail {
	if v.width == 16 {
		// (1<<count) - 1
		c := reg.RCX
		MOVQ(count, c)
		bits := GP64()
		MOVQ(U64(1), bits)
		SHLQ(reg.CL, bits)
		DECQ(bits)
		k := K()
		KMOVW(bits.As32(), k)
		return tail{k: k}
	}
	at := GP64()
	MOVQ(count, at)
	NEGQ(at)
	table := GP64()
	LEAQ(maskTable().Offset(32), table)
	lane := YMM()
	VMOVUPS(Mem{Base: table, Index: at, Scale: 4}, lane)
	return tail{lane: lane}
}

var maskData *Mem

// maskTable is eight lanes of ones followed by eight of zeros.
func maskTable() Mem {
	if maskData == nil {
		m := GLOBL("laneMask", RODATA|NOPTR)
		for i := range 16 {
			value := U32(0xffffffff)
			if i >= 8 {
				value = 0
			}
			DATA(4*i, value)
		}
		maskData = &m
	}
	return *maskData
}

// load reads a vector, or the lanes of a tail (others are zero).
func (v isa) load(m Mem, to reg.VecVirtual, t *tail) {
	switch {
	case t == nil:
		VMOVUPS(m, to)
	case v.width == 16:
		VMOVUPS_Z(m, t.k, to)
	default:
		VMASKMOVPS(m, t.lane, to)
	}
}

func (v isa) store(from reg.VecVirtual, m Mem, t *tail) {
	switch {
	case t == nil:
		VMOVUPS(from, m)
	case v.width == 16:
		VMOVUPS(from, t.k, m)
	default:
		VMASKMOVPS(from, t.lane, m)
	}
}

// zero makes a register of zeros.
func (v isa) zero() reg.VecVirtual {
	z := v.vec()
	if v.width == 16 {
		VPXORD(z, z, z)
	} else {
		VXORPS(z, z, z)
	}
	return z
}

// and is a bitwise and, or a bitwise or.
func (v isa) and(a, b, to reg.VecVirtual) {
	if v.width == 16 {
		VPANDD(a, b, to)
	} else {
		VPAND(a, b, to)
	}
}

func (v isa) or(a, b, to reg.VecVirtual) {
	if v.width == 16 {
		VPORD(a, b, to)
	} else {
		VPOR(a, b, to)
	}
}

var constants = map[uint32]Mem{}

// constant is the place of a float32 in read-only memory, repeated for a whole register.
func (v isa) constant(f float64) Mem { return v.constantBits(math.Float32bits(float32(f))) }

func (v isa) constantBits(bits uint32) Mem {
	m, ok := constants[bits]
	if !ok {
		m = GLOBL(fmt.Sprintf("c%s%08x", v.name, bits), RODATA|NOPTR)
		for i := range v.width {
			DATA(4*i, U32(bits))
		}
		constants[bits] = m
	}
	return m
}

// columns emits body for each vector of n values, at a byte offset, and for the rest
// under a mask. rest is n%width, made once by split.
type columns struct {
	v     isa
	full  reg.GPVirtual // bytes of whole vectors
	rest  reg.GPVirtual // values left
	tail  tail
	label string
}

var labels int

func label(name string) string {
	labels++
	return fmt.Sprintf("%s%d", name, labels)
}

// split prepares loops over n values; n is consumed.
func (v isa) split(n reg.Register) columns {
	c := columns{v: v, full: GP64(), rest: GP64()}
	MOVQ(n, c.rest)
	ANDQ(imm(v.width-1), c.rest)
	MOVQ(n, c.full)
	SUBQ(c.rest, c.full)
	SHLQ(Imm(2), c.full)
	c.tail = v.newTail(c.rest)
	return c
}

func (c columns) each(body func(at reg.GPVirtual, t *tail)) {
	at := GP64()
	XORQ(at, at)
	c.eachFrom(at, body)
}

// eachOf is each for up to most vectors at a time, k of them told apart by their number.
func (c columns) eachOf(most int, body func(k int, at reg.GPVirtual, t *tail)) {
	loop, single := label("loop"), label("single")
	at, next := GP64(), GP64()
	XORQ(at, at)
	Label(loop)
	LEAQ(Mem{Base: at, Disp: most * c.v.bytes()}, next)
	CMPQ(next, c.full)
	JG(LabelRef(single))
	for k := range most {
		body(k, at, nil)
	}
	MOVQ(next, at)
	JMP(LabelRef(loop))
	Label(single)
	c.eachFrom(at, func(at reg.GPVirtual, t *tail) { body(0, at, t) })
}

func (c columns) eachFrom(at reg.GPVirtual, body func(at reg.GPVirtual, t *tail)) {
	loop, rest, done := label("loop"), label("rest"), label("done")
	Label(loop)
	CMPQ(at, c.full)
	JGE(LabelRef(rest))
	body(at, nil)
	ADDQ(imm(c.v.bytes()), at)
	JMP(LabelRef(loop))
	Label(rest)
	TESTQ(c.rest, c.rest)
	JZ(LabelRef(done))
	t := c.tail
	body(at, &t)
	Label(done)
}

// repeat emits body count times at run time, count > 0; count is consumed.
func repeat(count reg.Register, body func()) {
	loop := label("repeat")
	Label(loop)
	body()
	DECQ(count)
	JNZ(LabelRef(loop))
}

func param(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

func at(base, index reg.Register) Mem { return Mem{Base: base, Index: index, Scale: 1} }

// imm is an immediate operand, of one byte where it fits.
func imm(n int) Constant {
	if n < 128 {
		return U8(uint8(n))
	}
	return U32(uint32(n))
}
