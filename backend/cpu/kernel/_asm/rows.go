package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// affine is dst = max(src·scale + shift, floor), row by row; steps in bytes. Half rounds it.
func affine(v isa, half bool) {
	v.text("affine", "dst *float32, dstStep int, src *float32, srcStep int, rows int, n int, scale *float32, shift *float32, floor float32")
	dst, dstStep, src, srcStep := param("dst"), param("dstStep"), param("src"), param("srcStep")
	rows, scale, shift := param("rows"), param("scale"), param("shift")
	c := v.split(param("n"))
	floor := v.vec()
	f, err := Param("floor").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(f.Addr, floor)
	repeat(rows, func() {
		c.each(func(i reg.GPVirtual, t *tail) {
			x, a, b := v.vec(), v.vec(), v.vec()
			v.load(at(src, i), x, t)
			v.load(at(scale, i), a, t)
			v.load(at(shift, i), b, t)
			VFMADD213PS(b, a, x)
			VMAXPS(x, floor, x) // of a NaN and the floor: the NaN
			if half {
				storeHalf(x, halfAt(dst, i), t)
				return
			}
			v.store(x, at(dst, i), t)
		})
		ADDQ(dstStep, dst)
		ADDQ(srcStep, src)
	})
	ret()
}

// addRows is dst = src + bias, row by row.
func addRows(v isa) {
	v.text("addRows", "dst *float32, dstStep int, src *float32, srcStep int, rows int, n int, bias *float32")
	dst, dstStep, src, srcStep := param("dst"), param("dstStep"), param("src"), param("srcStep")
	rows, bias := param("rows"), param("bias")
	c := v.split(param("n"))
	repeat(rows, func() {
		c.each(func(i reg.GPVirtual, t *tail) {
			x, b := v.vec(), v.vec()
			v.load(at(src, i), x, t)
			v.load(at(bias, i), b, t)
			VADDPS(b, x, x)
			v.store(x, at(dst, i), t)
		})
		ADDQ(dstStep, dst)
		ADDQ(srcStep, src)
	})
	ret()
}

// maxPool is the maximum of two neighbours in each of two rows, for count pairs.
func maxPool(v isa) {
	v.text("maxPool", "dst *float32, dstStep int, src *float32, pixelStep int, rowStep int, count int, n int")
	dst, dstStep, src := param("dst"), param("dstStep"), param("src")
	pixelStep, rowStep, count := param("pixelStep"), param("rowStep"), param("count")
	c := v.split(param("n"))
	repeat(count, func() {
		right, below, last := GP64(), GP64(), GP64()
		LEAQ(at(src, pixelStep), right)
		LEAQ(at(src, rowStep), below)
		LEAQ(at(right, rowStep), last)
		c.each(func(i reg.GPVirtual, t *tail) {
			x, y := v.vec(), v.vec()
			v.load(at(src, i), x, t)
			for _, p := range []reg.GPVirtual{right, below, last} {
				v.load(at(p, i), y, t)
				VMAXPS(x, y, x)
			}
			v.store(x, at(dst, i), t)
		})
		ADDQ(dstStep, dst)
		LEAQ(Mem{Base: src, Index: pixelStep, Scale: 2}, src)
	})
	ret()
}

// sumTaps adds up three taps of each of three rows, for count pixels of four values, n bytes
// apart: what a pixel writes too much the next one mends.
func sumTaps(v isa) {
	v.text("sumTaps", "dst *float32, a *float32, b *float32, c *float32, count int, n int")
	dst, n := param("dst"), param("n")
	rows := []reg.GPVirtual{param("a"), param("b"), param("c")}
	const pixel = 4 * 32 // bytes of a partial one
	repeat(param("count"), func() {
		var sums []reg.VecVirtual
		for _, r := range rows {
			x := XMM()
			VMOVUPS(Mem{Base: r}, x)
			VADDPS(Mem{Base: r, Disp: pixel, Index: n, Scale: 1}, x, x)
			VADDPS(Mem{Base: r, Disp: 2 * pixel, Index: n, Scale: 2}, x, x)
			ADDQ(imm(pixel), r)
			sums = append(sums, x)
		}
		VADDPS(sums[1], sums[0], sums[0])
		VADDPS(sums[2], sums[0], sums[0])
		VMOVUPS(sums[0], Mem{Base: dst})
		ADDQ(n, dst)
	})
	ret()
}

// reduce adds up the lanes of x, into the first lane of the register it returns.
func (v isa) reduce(x reg.VecVirtual) reg.VecVirtual {
	low, high := YMM(), YMM()
	if v.width == 16 {
		VEXTRACTF64X4(Imm(1), x, high)
		VADDPS(high, x.(interface{ AsY() reg.Register }).AsY(), low)
	} else {
		VMOVAPS(x, low)
	}
	a, b := XMM(), XMM()
	VEXTRACTF128(Imm(1), low, a)
	VADDPS(low.AsX(), a, a)
	VMOVHLPS(a, a, b)
	VADDPS(b, a, a)
	VMOVSHDUP(a, b)
	VADDPS(b, a, a)
	return a
}

// dots is y = W·x for rows of W that lie ldw bytes apart. It reads them in the order of
// memory, which the processor fetches ahead, with four sums to hide the latency of one.
func dots(v isa) {
	v.text("dots", "y *float32, w *float32, ldw int, rows int, x *float32, n int")
	y, w, ldw, rows, x := param("y"), param("w"), param("ldw"), param("rows"), param("x")
	c := v.split(param("n"))
	repeat(rows, func() {
		sums := []reg.VecVirtual{v.zero(), v.zero(), v.zero(), v.zero()}
		c.eachOf(len(sums), func(k int, i reg.GPVirtual, t *tail) {
			a, b := v.vec(), v.vec()
			v.load(at(x, i).Offset(k*v.bytes()), a, t)
			v.load(at(w, i).Offset(k*v.bytes()), b, t)
			VFMADD231PS(b, a, sums[k])
		})
		VADDPS(sums[0], sums[1], sums[0])
		VADDPS(sums[2], sums[3], sums[2])
		VADDPS(sums[0], sums[2], sums[0])
		VMOVSS(v.reduce(sums[0]).(reg.VecVirtual), Mem{Base: y})
		ADDQ(imm(4), y)
		ADDQ(ldw, w)
	})
	ret()
}

// largest writes the maximum of each lane.
func largest(v isa) {
	v.text("largest", "x *float32, n int, lanes *float32")
	x, lanes := param("x"), param("lanes")
	first := v.vec()
	VBROADCASTSS(Mem{Base: x}, first)
	c := v.split(param("n"))
	c.each(func(i reg.GPVirtual, t *tail) {
		y := v.vec()
		v.load(at(x, i), y, t)
		if t != nil { // lanes behind the end repeat the first value
			if v.width == 16 {
				VBROADCASTSS(Mem{Base: x}, y)
				VMOVUPS(at(x, i), t.k, y)
			} else {
				other := v.vec()
				VBROADCASTSS(Mem{Base: x}, other)
				VBLENDVPS(t.lane, y, other, y)
			}
		}
		VMAXPS(first, y, first)
	})
	VMOVUPS(first, Mem{Base: lanes})
	ret()
}

// scale is x times a factor.
func scale(v isa) {
	v.text("scale", "x *float32, n int, factor float32")
	x := param("x")
	c := v.split(param("n"))
	factor := v.vec()
	f, err := Param("factor").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(f.Addr, factor)
	c.each(func(i reg.GPVirtual, t *tail) {
		y := v.vec()
		v.load(at(x, i), y, t)
		VMULPS(factor, y, y)
		v.store(y, at(x, i), t)
	})
	ret()
}

// exp replaces x by its exponential for x in [-87, 0] (Cephes' polynomial).
func (v isa) exp(x reg.VecVirtual) {
	n, p, square := v.vec(), v.vec(), v.vec()
	VMULPS(v.constant(1.44269504088896341), x, n)
	if v.width == 16 {
		VRNDSCALEPS(Imm(0), n, n)
	} else {
		VROUNDPS(Imm(0), n, n)
	}
	VFNMADD231PS(v.constant(0.693359375), n, x)
	VFNMADD231PS(v.constant(-2.12194440e-4), n, x)
	VMULPS(x, x, square)
	VMOVUPS(v.constant(1.9875691500e-4), p)
	for _, c := range []float64{1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1} {
		VFMADD213PS(v.constant(c), x, p)
	}
	VFMADD213PS(x, square, p)
	VADDPS(v.constant(1), p, p)
	if v.width == 16 {
		VSCALEFPS(n, p, x)
		return
	}
	VCVTPS2DQ(n, n)
	VPSLLD(Imm(23), n, n)
	VPADDD(n, p, x)
}

// softmax replaces x by exp(x - largest) and returns the sum.
func softmax(v isa) {
	v.text("expSum", "x *float32, n int, largest float32, sum *float32")
	x, sum := param("x"), param("sum")
	c := v.split(param("n"))
	largest, total := v.vec(), v.zero()
	m, err := Param("largest").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(m.Addr, largest)
	c.each(func(i reg.GPVirtual, t *tail) {
		y := v.vec()
		v.load(at(x, i), y, t)
		VSUBPS(largest, y, y)
		lowest := v.vec()
		VMOVUPS(v.constant(-87), lowest)
		VMAXPS(y, lowest, y)
		v.exp(y)
		switch {
		case t == nil:
			VADDPS(y, total, total)
		case v.width == 16:
			VADDPS(y, total, t.k, total)
		default:
			v.and(y, t.lane, y)
			VADDPS(y, total, total)
		}
		v.store(y, at(x, i), t)
	})
	VMOVUPS(total, Mem{Base: sum})
	ret()
}

// tanh replaces x by (1-e)/(1+e) with e = exp(-2|x|) and the sign of x.
func tanh(v isa) {
	v.text("tanh", "x *float32, n int")
	x := param("x")
	c := v.split(param("n"))
	sign, lowest := v.vec(), v.vec()
	VMOVUPS(v.constantBits(0x80000000), sign)
	VMOVUPS(v.constant(-87), lowest)
	c.each(func(i reg.GPVirtual, t *tail) {
		y, s, one := v.vec(), v.vec(), v.vec()
		v.load(at(x, i), y, t)
		v.and(y, sign, s)
		v.or(y, sign, y) // -|x|
		VADDPS(y, y, y)
		VMAXPS(y, lowest, y)
		v.exp(y)
		VMOVUPS(v.constant(1), one)
		above, below := v.vec(), v.vec()
		VSUBPS(y, one, above)
		VADDPS(y, one, below)
		VDIVPS(below, above, y)
		v.or(y, s, y)
		v.store(y, at(x, i), t)
	})
	ret()
}
