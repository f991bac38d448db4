package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The tiles that stay in registers: rows of A by columns of B.
const (
	rowsAVX512 = 14 // by 32 columns: 28 sums, 2 columns of B, 1 value of A
	rowsAVX2   = 6  // by 16 columns: 12 sums, 2 columns of B, 1 value of A
)

// unroll is how many products of each sum the inner loop takes at a time.
const unroll = 4

const tileSignature = "k int, a *float32, lda int, b *float32, c *float32, ldc int, columns int, add int"

// rowsAt addresses the rows of a matrix: a base every five rows, and the multiples of the
// step that an x86 address can add.
type rowsAt struct {
	base        []reg.GPVirtual
	step, three reg.GPVirtual
}

func newRows(start, step reg.GPVirtual, rows int) rowsAt {
	r := rowsAt{base: []reg.GPVirtual{start}, step: step}
	if rows > 3 {
		r.three = GP64()
		LEAQ(Mem{Base: step, Index: step, Scale: 2}, r.three)
	}
	for len(r.base)*5 < rows {
		last, next := r.base[len(r.base)-1], GP64()
		LEAQ(Mem{Base: last, Index: step, Scale: 4}, next)
		ADDQ(step, next)
		r.base = append(r.base, next)
	}
	return r
}

func (r rowsAt) at(row, disp int) Mem {
	m := Mem{Base: r.base[row/5], Disp: disp}
	switch row % 5 {
	case 1, 2, 4:
		m.Index, m.Scale = r.step, uint8(row%5)
	case 3:
		m.Index, m.Scale = r.three, 1
	}
	return m
}

func (r rowsAt) advance(bytes int) {
	for _, b := range r.base {
		ADDQ(imm(bytes), b)
	}
}

// sums are the registers of a tile: two vectors a row.
func (v isa) sums(rows int) [][2]reg.VecVirtual {
	sums := make([][2]reg.VecVirtual, rows)
	for i := range sums {
		sums[i] = [2]reg.VecVirtual{v.zero(), v.zero()}
	}
	return sums
}

// products adds k products to the sums. A row of B is 32 values; two vectors of it are taken.
func (v isa) products(sums [][2]reg.VecVirtual, k, b reg.GPVirtual, a rowsAt) {
	const rowOfB = 4 * 32
	step := func(n int) {
		for l := range n {
			b0, b1 := v.vec(), v.vec()
			VMOVUPS(Mem{Base: b, Disp: l * rowOfB}, b0)
			VMOVUPS(Mem{Base: b, Disp: l*rowOfB + v.bytes()}, b1)
			for i, s := range sums {
				x := v.vec()
				VBROADCASTSS(a.at(i, 4*l), x)
				VFMADD231PS(b0, x, s[0])
				VFMADD231PS(b1, x, s[1])
			}
		}
		ADDQ(imm(n*rowOfB), b)
		a.advance(4 * n)
	}
	loop, rest, done := label("loop"), label("rest"), label("done")
	Label(loop)
	CMPQ(k, imm(unroll))
	JLT(LabelRef(rest))
	step(unroll)
	SUBQ(imm(unroll), k)
	JMP(LabelRef(loop))
	Label(rest)
	TESTQ(k, k)
	JZ(LabelRef(done))
	step(1)
	DECQ(k)
	JMP(LabelRef(rest))
	Label(done)
}

// tiles writes the tiles of 1 to rowsAVX512 rows and up to 32 columns.
func tiles(v isa) {
	for rows := 1; rows <= rowsAVX512; rows++ {
		v.text(fmt.Sprintf("tile%dx", rows), tileSignature)
		sums := v.sums(rows)
		v.products(sums, param("k"), param("b"), newRows(param("a"), param("lda"), rows))
		mask, count := GP64(), param("columns")
		MOVQ(count, reg.RCX)
		MOVQ(U64(1), mask)
		SHLQ(reg.CL, mask)
		DECQ(mask)
		low, high := K(), K()
		KMOVW(mask.As32(), low)
		SHRQ(imm(16), mask)
		KMOVW(mask.As32(), high)
		storeTile(sums, func(s reg.VecVirtual, half int, m Mem, add bool) {
			k := [2]reg.OpmaskVirtual{low, high}[half]
			m.Disp = half * v.bytes()
			if add {
				old := v.vec()
				VMOVUPS_Z(m, k, old)
				VADDPS(old, s, s)
			}
			VMOVUPS(s, k, m)
		})
	}
}

// gemmAVX2 writes the tiles of 1 to rowsAVX2 rows and up to 16 columns.
func gemmAVX2() {
	v := avx2
	for rows := 1; rows <= rowsAVX2; rows++ {
		v.text(fmt.Sprintf("tile%dx", rows), tileSignature)
		sums := v.sums(rows)
		v.products(sums, param("k"), param("b"), newRows(param("a"), param("lda"), rows))
		table, count := GP64(), param("columns")
		LEAQ(mask16(), table)
		masks := [2]reg.VecVirtual{v.vec(), v.vec()}
		NEGQ(count)
		VMOVUPS(Mem{Base: table, Index: count, Scale: 4, Disp: 64}, masks[0])
		VMOVUPS(Mem{Base: table, Index: count, Scale: 4, Disp: 96}, masks[1])
		storeTile(sums, func(s reg.VecVirtual, half int, m Mem, add bool) {
			m.Disp = half * v.bytes()
			if add {
				old := v.vec()
				VMASKMOVPS(m, masks[half], old)
				VADDPS(old, s, s)
			}
			VMASKMOVPS(s, masks[half], m)
		})
	}
}

var mask16Data *Mem

// mask16 is sixteen lanes of ones followed by sixteen of zeros.
func mask16() Mem {
	if mask16Data == nil {
		m := GLOBL("columnMask", RODATA|NOPTR)
		for i := range 32 {
			value := U32(0xffffffff)
			if i >= 16 {
				value = 0
			}
			DATA(4*i, value)
		}
		mask16Data = &m
	}
	return *mask16Data
}

// storeTile writes the sums to C or adds them to it.
func storeTile(sums [][2]reg.VecVirtual, store func(s reg.VecVirtual, half int, m Mem, add bool)) {
	c, ldc, add := param("c"), param("ldc"), param("add")
	adding := label("adding")
	TESTQ(add, add)
	JNZ(LabelRef(adding))
	for _, add := range []bool{false, true} {
		if add {
			Label(adding)
		}
		for i, s := range sums {
			for half := range s {
				store(s[half], half, Mem{Base: c}, add)
			}
			if i+1 < len(sums) {
				ADDQ(ldc, c)
			}
		}
		ret()
	}
}
