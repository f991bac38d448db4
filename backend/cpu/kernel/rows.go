package kernel

import "math"

// Affine computes dst = max(src·scale + shift, floor) for rows of n values that lie dstStep
// and srcStep apart. A floor of -Inf leaves negative values.
func (s *Set) Affine(dst []float32, dstStep int, src []float32, srcStep, rows, n int, scale, shift []float32, floor float32) {
	if rows < 1 || n < 1 {
		return
	}
	_, _, _, _ = dst[(rows-1)*dstStep+n-1], src[(rows-1)*srcStep+n-1], scale[n-1], shift[n-1]
	s.affine(dst, dstStep, src, srcStep, rows, n, scale, shift, floor)
}

func affineGeneric(dst []float32, dstStep int, src []float32, srcStep, rows, n int, scale, shift []float32, floor float32) {
	scale, shift = scale[:n], shift[:n]
	for r := range rows {
		to, from := dst[r*dstStep:][:n], src[r*srcStep:][:n]
		for i, v := range from {
			to[i] = max(v*scale[i]+shift[i], floor)
		}
	}
}

// AddRows computes dst = src + bias for rows of n values. A srcStep of 0 repeats one row.
func (s *Set) AddRows(dst []float32, dstStep int, src []float32, srcStep, rows, n int, bias []float32) {
	if rows < 1 || n < 1 {
		return
	}
	_, _, _ = dst[(rows-1)*dstStep+n-1], src[(rows-1)*srcStep+n-1], bias[n-1]
	s.addRows(dst, dstStep, src, srcStep, rows, n, bias)
}

func addRowsGeneric(dst []float32, dstStep int, src []float32, srcStep, rows, n int, bias []float32) {
	bias = bias[:n]
	for r := range rows {
		to, from := dst[r*dstStep:][:n], src[r*srcStep:][:n]
		for i, v := range from {
			to[i] = v + bias[i]
		}
	}
}

// MaxPool computes count pixels of n channels, each the maximum of a 2x2 square: src starts
// at the first square, pixel and row are the steps to its right and lower neighbours.
func (s *Set) MaxPool(dst []float32, dstStep int, src []float32, pixel, row, count, n int) {
	if count < 1 || n < 1 {
		return
	}
	_, _ = dst[(count-1)*dstStep+n-1], src[(2*count-1)*pixel+row+n-1]
	s.maxPool(dst, dstStep, src, pixel, row, count, n)
}

func maxPoolGeneric(dst []float32, dstStep int, src []float32, pixel, row, count, n int) {
	for p := range count {
		at := src[2*p*pixel:]
		for i := range n {
			dst[p*dstStep+i] = max(at[i], at[pixel+i], at[row+i], at[row+pixel+i])
		}
	}
}

// SumTaps adds up the partial pixels of a 3x3 convolution to n outputs, at most NR/9: value o of
// pixel x of dst is the sum over rows r and taps t of partial pixel x+t of row r, at its value
// (3r+t)·n + o. Each row has two partial pixels more than dst, which has count pixels; a partial
// pixel is NR values.
func (s *Set) SumTaps(dst []float32, rows [3][]float32, count, n int) {
	if count < 1 || n < 1 {
		return
	}
	if n > NR/9 {
		panic("kernel: nine taps of so many outputs do not fit a panel")
	}
	_ = dst[count*n-1]
	for _, r := range rows {
		_ = r[(count+2)*NR-1]
	}
	s.sumTaps(dst, rows, count, n)
}

func sumTapsGeneric(dst []float32, rows [3][]float32, count, n int) {
	for x := range count {
		for o := range n {
			var of [3]float32
			for r, row := range rows {
				at := row[x*NR+3*r*n+o:]
				of[r] = at[0] + at[NR+n] + at[2*NR+2*n]
			}
			dst[x*n+o] = of[0] + of[1] + of[2]
		}
	}
}

// Largest is the maximum of at least one value.
func (s *Set) Largest(x []float32) float32 { return s.largest(x) }

// Exponentials replaces x by exp(x - largest) and returns their sum: a softmax before its
// division. No x is larger.
func (s *Set) Exponentials(x []float32, largest float32) float32 {
	if len(x) == 0 {
		return 0
	}
	return s.expSum(x, largest)
}

// Scale multiplies x by a factor.
func (s *Set) Scale(x []float32, factor float32) {
	if len(x) > 0 {
		s.scale(x, factor)
	}
}

// Dots computes y = W·x: y's rows of W lie ldw values apart.
func (s *Set) Dots(y, w []float32, ldw int, x []float32) {
	if len(y) == 0 {
		return
	}
	if len(x) == 0 {
		clear(y)
		return
	}
	_ = w[(len(y)-1)*ldw+len(x)-1]
	s.dots(y, w, ldw, x)
}

func dotsGeneric(y, w []float32, ldw int, x []float32) {
	for r := range y {
		var sum0, sum1 float32
		row := w[r*ldw:][:len(x)]
		for l := 0; l+1 < len(row); l += 2 {
			sum0 += row[l] * x[l]
			sum1 += row[l+1] * x[l+1]
		}
		if last := len(row) - 1; last%2 == 0 {
			sum0 += row[last] * x[last]
		}
		y[r] = sum0 + sum1
	}
}

func largestGeneric(x []float32) float32 {
	largest := x[0]
	for _, v := range x[1:] {
		largest = max(largest, v)
	}
	return largest
}

func scaleGeneric(x []float32, factor float32) {
	for i := range x {
		x[i] *= factor
	}
}

// lowest is where exponentials end: e^-87 is the smallest normal float32.
const lowest = -87

func expSumGeneric(x []float32, largest float32) float32 {
	var sum float64
	for i, v := range x {
		e := math.Exp(float64(max(v-largest, lowest)))
		sum += e
		x[i] = float32(e)
	}
	return float32(sum)
}

// Tanh replaces x by its hyperbolic tangent.
func (s *Set) Tanh(x []float32) {
	if len(x) > 0 {
		s.tanh(x)
	}
}

func tanhGeneric(x []float32) {
	for i, v := range x {
		x[i] = float32(math.Tanh(float64(v)))
	}
}
