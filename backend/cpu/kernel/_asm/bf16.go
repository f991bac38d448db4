package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// bf16 is AVX-512 with bfloat16. Neither avo nor Go's assembler know its instructions: others
// of the same operands stand for them until encodeBF16 writes their bytes.
var bf16 = isa{"BF16", 16, func() reg.VecVirtual { return ZMM() }}

// bf16Kernels writes tiles of pairs, which are those of float32 with another instruction, the
// rounding of rows, and kernels that round what they store.
func bf16Kernels() {
	tiles(bf16)
	roundRows()
	affine(bf16, true)
	for _, t := range transforms {
		if t.input {
			inputTransform(bf16, t.w, true)
		}
	}
}

// roundRows makes bfloat16 of rows of n values; steps in bytes.
func roundRows() {
	v := bf16
	v.text("roundRows", "dst *uint32, dstStep int, src *float32, srcStep int, rows int, n int")
	dst, dstStep, src, srcStep, rows := param("dst"), param("dstStep"), param("src"), param("srcStep"), param("rows")
	c := v.split(param("n"))
	repeat(rows, func() {
		c.each(func(i reg.GPVirtual, t *tail) {
			x := v.vec()
			v.load(at(src, i), x, t)
			storeHalf(x, halfAt(dst, i), t)
		})
		ADDQ(dstStep, dst)
		ADDQ(srcStep, src)
	})
	ret()
}

// halfAt is where rounded values lie, of which the float32 values lie i bytes behind the first.
func halfAt(dst, i reg.GPVirtual) Mem {
	half := GP64()
	MOVQ(i, half)
	SHRQ(Imm(1), half)
	return at(dst, half)
}

// storeHalf rounds a vector to bfloat16 and stores it.
func storeHalf(x reg.VecVirtual, m Mem, t *tail) {
	y := YMM()
	VCVTPD2PS(x, y) // stands for VCVTNEPS2BF16
	if t == nil {
		VMOVDQU16(y, m)
		return
	}
	VMOVDQU16(y, t.k, m)
}

var (
	function  = regexp.MustCompile(`(?m)^// func `)
	dotLine   = regexp.MustCompile(`(?m)^\tVFMADD231PS\s+Z(\d+), Z(\d+), Z(\d+)$`)
	roundLine = regexp.MustCompile(`(?m)^\tVCVTPD2PS\s+Z(\d+), Y(\d+)$`)
)

// encodeBF16 puts VDPBF16PS for the multiplications of tiles, and VCVTNEPS2BF16.
func encodeBF16(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	number := func(b []byte) int {
		n, _ := strconv.Atoi(string(b))
		return n
	}
	functions := function.Split(string(text), -1)
	out := functions[0]
	for _, f := range functions[1:] {
		body := []byte(f)
		if len(f) > 4 && f[:4] == "tile" {
			body = dotLine.ReplaceAllFunc(body, func(line []byte) []byte {
				m := dotLine.FindSubmatch(line)
				return evex("VDPBF16PS", 0x52, number(m[1]), number(m[2]), number(m[3]))
			})
		}
		body = roundLine.ReplaceAllFunc(body, func(line []byte) []byte {
			m := roundLine.FindSubmatch(line)
			return evex("VCVTNEPS2BF16", 0x72, number(m[1]), 0, number(m[2]))
		})
		out += "// func " + string(body)
	}
	return os.WriteFile(path, []byte(out), 0o644)
}

// evex encodes EVEX.512.F3.0F38.W0 opcode /r for registers (Intel's manual, volume 2, 2.7).
func evex(name string, opcode byte, rm, vvvv, dst int) []byte {
	not := func(n, bit int) byte { return byte(^n>>bit) & 1 }
	p0 := not(dst, 3)<<7 | not(rm, 4)<<6 | not(rm, 3)<<5 | not(dst, 4)<<4 | 2
	p1 := byte(^vvvv&15)<<3 | 1<<2 | 2
	p2 := byte(2<<5) | not(vvvv, 4)<<3
	modrm := byte(0xc0 | dst&7<<3 | rm&7)
	line := "\t"
	for _, b := range []byte{0x62, p0, p1, p2, opcode, modrm} {
		line += fmt.Sprintf("BYTE $0x%02x; ", b)
	}
	return []byte(line[:len(line)-2] + fmt.Sprintf(" // %s Z%d, Z%d, Z%d", name, rm, vvvv, dst))
}
