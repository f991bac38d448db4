package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// transforms are those of package kernel. The input's depends on the points alone, so that
// one serves two output sizes.
var transforms = func() []transform {
	var all []transform
	seen := map[int]bool{}
	for _, w := range kernel.Winograds {
		all = append(all, transform{w, !seen[w.N]})
		seen[w.N] = true
	}
	return all
}()

type transform struct {
	w     *kernel.Winograd
	input bool // first with its size
}

// term is a coefficient of a register.
type term struct {
	c float64
	r reg.VecVirtual
}

// sum computes a linear combination into a new register.
func (v isa) sum(terms []term) reg.VecVirtual {
	to := v.vec()
	start := -1
	for i, t := range terms {
		if t.c == 1 {
			start = i
			break
		}
	}
	if start < 0 {
		start = 0
		VMULPS(v.constant(terms[0].c), terms[0].r, to)
	} else {
		VMOVAPS(terms[start].r, to)
	}
	for i, t := range terms {
		switch {
		case i == start:
		case t.c == 1:
			VADDPS(t.r, to, to)
		case t.c == -1:
			VSUBPS(t.r, to, to)
		default:
			VFMADD231PS(v.constant(t.c), t.r, to)
		}
	}
	return to
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

// termsOf are the nonzero coefficients of a row.
func termsOf(row []float64, x []reg.VecVirtual, keep func(j int) bool) []term {
	var terms []term
	for j, c := range row {
		if c != 0 && keep(j) {
			terms = append(terms, term{round(c), x[j]})
		}
	}
	return terms
}

// round drops the error of computing exact coefficients.
func round(c float64) float64 {
	if r := math.Round(c * 64); near(c*64, r) {
		return r / 64
	}
	return c
}

// applyInput computes Bᵀx. Rows of points p and -p are e + o and e - o.
func (v isa) applyInput(rows [][]float64, x []reg.VecVirtual, emit func(i int, r reg.VecVirtual)) {
	for i := 0; i < len(rows); i++ {
		if i+1 == len(rows) || !opposite(rows[i], rows[i+1]) {
			emit(i, v.sum(termsOf(rows[i], x, func(int) bool { return true })))
			continue
		}
		same := func(j int) bool { return near(rows[i][j], rows[i+1][j]) }
		even := v.sum(termsOf(rows[i], x, same))
		oddTerms := termsOf(rows[i], x, func(j int) bool { return !same(j) })
		factor := oddTerms[len(oddTerms)-1].c
		for t := range oddTerms {
			oddTerms[t].c = round(oddTerms[t].c / factor)
		}
		odd := v.sum(oddTerms)
		plus, minus := v.vec(), v.vec()
		if factor == 1 {
			VADDPS(odd, even, plus)
			VSUBPS(odd, even, minus)
		} else {
			VMOVAPS(even, plus)
			VMOVAPS(even, minus)
			VFMADD231PS(v.constant(factor), odd, plus)
			VFNMADD231PS(v.constant(factor), odd, minus)
		}
		emit(i, plus)
		emit(i+1, minus)
		i++
	}
}

// opposite reports whether two rows have equal or opposite coefficients, some of each.
func opposite(a, b []float64) bool {
	same, differ := false, false
	for j := range a {
		switch {
		case a[j] == 0 && b[j] == 0:
		case near(a[j], b[j]):
			same = true
		case near(a[j], -b[j]):
			differ = true
		default:
			return false
		}
	}
	return same && differ
}

// applyOutput computes Aᵀx. Columns of points p and -p enter as their sum and difference.
func (v isa) applyOutput(rows [][]float64, x []reg.VecVirtual, emit func(i int, r reg.VecVirtual)) {
	var basis []reg.VecVirtual
	var coefficients [][]float64 // by row, of the basis
	for range rows {
		coefficients = append(coefficients, nil)
	}
	column := func(j int) []float64 {
		var c []float64
		for _, row := range rows {
			c = append(c, row[j])
		}
		return c
	}
	for j := 0; j < len(x); j++ {
		if j+1 == len(x) || !opposite(column(j), column(j+1)) {
			basis = append(basis, x[j])
			for i, c := range column(j) {
				coefficients[i] = append(coefficients[i], c)
			}
			continue
		}
		plus, minus := v.vec(), v.vec()
		VADDPS(x[j+1], x[j], plus)
		VSUBPS(x[j+1], x[j], minus)
		basis = append(basis, plus, minus)
		for i := range rows {
			a, b := rows[i][j], rows[i][j+1]
			if near(a, b) {
				coefficients[i] = append(coefficients[i], a, 0)
			} else {
				coefficients[i] = append(coefficients[i], 0, a)
			}
		}
		j++
	}
	for i := range rows {
		emit(i, v.sum(termsOf(coefficients[i], basis, func(int) bool { return true })))
	}
}

// inputTransform is dst = Bᵀ·src·B for tiles in a row; steps in bytes. Value (i,j) of a
// transformed tile lies in plane i·N+j; half rounds it to bfloat16.
func inputTransform(v isa, w *kernel.Winograd, half bool) {
	v.text(fmt.Sprintf("input%d", w.N), "dst *float32, plane int, dstTile int, src *float32, row int, pixel int, srcTile int, tiles int, n int, temp *float32")
	dst, plane, src, row := param("dst"), param("plane"), param("src"), param("row")
	temp := Mem{Base: param("temp")}
	tiles := AllocLocal(8)
	MOVQ(param("tiles"), tiles)
	c := v.split(param("n"))
	loop := label("tile")
	Label(loop)
	c.each(func(i reg.GPVirtual, t *tail) {
		from, pixel := GP64(), param("pixel")
		LEAQ(at(src, i), from)
		for j := range w.N {
			rows := newRows(from, row, w.N)
			x := make([]reg.VecVirtual, w.N)
			for r := range x {
				x[r] = v.vec()
				v.load(rows.at(r, 0), x[r], t)
			}
			v.applyInput(w.BT, x, func(r int, y reg.VecVirtual) { VMOVUPS(y, temp.Offset((r*w.N+j)*v.bytes())) })
			if j+1 < w.N {
				ADDQ(pixel, from)
			}
		}
		to := GP64()
		MOVQ(i, to)
		if half {
			SHRQ(Imm(1), to)
		}
		ADDQ(dst, to)
		for r := range w.N {
			x := make([]reg.VecVirtual, w.N)
			for j := range x {
				x[j] = v.vec()
				VMOVUPS(temp.Offset((r*w.N+j)*v.bytes()), x[j])
			}
			outputs := newRows(to, plane, w.N)
			v.applyInput(w.BT, x, func(j int, y reg.VecVirtual) {
				if half {
					storeHalf(y, outputs.at(j, 0), t)
				} else {
					v.store(y, outputs.at(j, 0), t)
				}
			})
			if r+1 < w.N {
				// to += N·plane
				LEAQ(outputs.at(w.N-1, 0), to)
				ADDQ(plane, to)
			}
		}
	})
	step := param("dstTile")
	ADDQ(step, dst)
	step = param("srcTile")
	ADDQ(step, src)
	DECQ(tiles)
	JNZ(LabelRef(loop))
	ret()
}

// outputTransform is dst = Aᵀ·src·A + bias for tiles in a row, or adds to dst.
func outputTransform(v isa, w *kernel.Winograd) {
	v.text(fmt.Sprintf("output%dof%d", w.M, w.N),
		"dst *float32, row int, pixel int, dstTile int, src *float32, plane int, srcTile int, tiles int, n int, bias *float32, add int, temp *float32")
	temp := Mem{Base: param("temp")}
	tiles := AllocLocal(8)
	dst, src, plane, row := param("dst"), param("src"), param("plane"), param("row")
	MOVQ(param("tiles"), tiles)
	c := v.split(param("n"))
	loop := label("tile")
	Label(loop)
	c.each(func(i reg.GPVirtual, t *tail) {
		// Rows first: each row of a transformed tile gives M values.
		from := GP64()
		LEAQ(at(src, i), from)
		for r := range w.N {
			planes := newRows(from, plane, w.N)
			x := make([]reg.VecVirtual, w.N)
			for j := range x {
				x[j] = v.vec()
				v.load(planes.at(j, 0), x[j], t)
			}
			v.applyOutput(w.AT, x, func(j int, y reg.VecVirtual) { VMOVUPS(y, temp.Offset((r*w.M+j)*v.bytes())) })
			if r+1 < w.N {
				LEAQ(planes.at(w.N-1, 0), from)
				ADDQ(plane, from)
			}
		}
		to, bias := GP64(), param("bias")
		LEAQ(at(dst, i), to)
		b := v.vec()
		v.load(at(bias, i), b, t)
		pixel := param("pixel")
		rows := newRows(to, row, w.M)
		for j := range w.M {
			x := make([]reg.VecVirtual, w.N)
			for r := range x {
				x[r] = v.vec()
				VMOVUPS(temp.Offset((r*w.M+j)*v.bytes()), x[r])
			}
			y := make([]reg.VecVirtual, w.M)
			v.applyOutput(w.AT, x, func(r int, sum reg.VecVirtual) { y[r] = sum })
			plain, done := label("plain"), label("done")
			add := GP64()
			Load(Param("add"), add)
			TESTQ(add, add)
			JZ(LabelRef(plain))
			for r, sum := range y {
				old := v.vec()
				v.load(rows.at(r, 0), old, t)
				VADDPS(old, sum, old)
				v.store(old, rows.at(r, 0), t)
			}
			JMP(LabelRef(done))
			Label(plain)
			for r, sum := range y {
				VADDPS(b, sum, sum)
				v.store(sum, rows.at(r, 0), t)
			}
			Label(done)
			if j+1 < w.M {
				ADDQ(pixel, rows.base[0])
				for _, more := range rows.base[1:] {
					ADDQ(pixel, more)
				}
			}
		}
	})
	step := param("dstTile")
	ADDQ(step, dst)
	step = param("srcTile")
	ADDQ(step, src)
	DECQ(tiles)
	JNZ(LabelRef(loop))
	ret()
}

// weightsTransform is dst = G·src·Gᵀ for n columns; steps in bytes.
func weightsTransform(v isa, w *kernel.Winograd) {
	v.text(fmt.Sprintf("weights%dof%d", w.R, w.N), "dst *float32, plane int, src *float32, tap int, n int, temp *float32")
	temp := Mem{Base: param("temp")}
	dst, plane, src, tap := param("dst"), param("plane"), param("src"), param("tap")
	c := v.split(param("n"))
	c.each(func(i reg.GPVirtual, t *tail) {
		from := GP64()
		LEAQ(at(src, i), from)
		rows := make([][]reg.VecVirtual, w.R)
		for r := range w.R {
			for range w.R {
				x := v.vec()
				v.load(Mem{Base: from}, x, t)
				rows[r] = append(rows[r], x)
				ADDQ(tap, from)
			}
		}
		for j := range w.R {
			x := make([]reg.VecVirtual, w.R)
			for r := range x {
				x[r] = rows[r][j]
			}
			v.applyInput(w.G, x, func(r int, y reg.VecVirtual) { VMOVUPS(y, temp.Offset((r*w.R+j)*v.bytes())) })
		}
		to := GP64()
		LEAQ(at(dst, i), to)
		for r := range w.N {
			x := make([]reg.VecVirtual, w.R)
			for j := range x {
				x[j] = v.vec()
				VMOVUPS(temp.Offset((r*w.R+j)*v.bytes()), x[j])
			}
			outputs := newRows(to, plane, w.N)
			v.applyInput(w.G, x, func(j int, y reg.VecVirtual) { v.store(y, outputs.at(j, 0), t) })
			if r+1 < w.N {
				LEAQ(outputs.at(w.N-1, 0), to)
				ADDQ(plane, to)
			}
		}
	})
	ret()
}
