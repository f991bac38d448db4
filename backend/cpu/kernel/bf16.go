package kernel

import (
	"math"
	"unsafe"
)

// halfSet is the kernels of bfloat16: products of rounded values, summed in float32. Values
// lie in pairs, the first in the low half of a word.
type halfSet struct {
	gemm   func(m, n, k int, a []uint32, lda int, b []uint32, bStride int, c []float32, ldc int, add bool)
	round  func(dst []uint32, dstStep int, src []float32, srcStep, rows, n int)
	affine func(dst []uint32, dstStep int, src []float32, srcStep, rows, n int, scale, shift []float32, floor float32)
	input  map[int]func(w *Winograd, t Tiles, dst []uint32, src, temp []float32)
}

// HasBF16 reports whether the set has the kernels of bfloat16.
func (s *Set) HasBF16() bool { return s.half != nil }

// GemmBF16 is Gemm for k pairs: a and lda, b and bStride count words.
func (s *Set) GemmBF16(m, n, k int, a []uint32, lda int, b []uint32, bStride int, c []float32, ldc int, add bool) {
	if m < 1 || n < 1 {
		return
	}
	if k < 1 {
		panic("kernel: a product of no values")
	}
	_, _, _ = a[(m-1)*lda+k-1], b[(Panels(n, NR)-1)*bStride+k*NR-1], c[(m-1)*ldc+n-1]
	s.half.gemm(m, n, k, a, lda, b, bStride, c, ldc, add)
}

// RoundBF16 rounds rows of n values, an even number, to nearest even. dstStep counts words.
func (s *Set) RoundBF16(dst []uint32, dstStep int, src []float32, srcStep, rows, n int) {
	if rows < 1 || n < 1 {
		return
	}
	if n%2 != 0 {
		panic("kernel: bfloat16 comes in pairs")
	}
	_, _ = dst[(rows-1)*dstStep+n/2-1], src[(rows-1)*srcStep+n-1]
	s.half.round(dst, dstStep, src, srcStep, rows, n)
}

// AffineBF16 is Affine with rounded values, an even number a row. dstStep counts words.
func (s *Set) AffineBF16(dst []uint32, dstStep int, src []float32, srcStep, rows, n int, scale, shift []float32, floor float32) {
	if rows < 1 || n < 1 {
		return
	}
	if n%2 != 0 {
		panic("kernel: bfloat16 comes in pairs")
	}
	_, _, _, _ = dst[(rows-1)*dstStep+n/2-1], src[(rows-1)*srcStep+n-1], scale[n-1], shift[n-1]
	s.half.affine(dst, dstStep, src, srcStep, rows, n, scale, shift, floor)
}

// InputBF16 is Input with rounded values: Plane and Next count words, Channels are even.
func (s *Set) InputBF16(w *Winograd, t Tiles, dst []uint32, src, temp []float32) {
	if t.Count < 1 || t.Channels < 1 {
		return
	}
	if t.Channels%2 != 0 {
		panic("kernel: bfloat16 comes in pairs")
	}
	_, _, _ = src[t.last(w.N)-1], dst[(w.N*w.N-1)*t.Plane+(t.Count-1)*t.Next+t.Channels/2-1], temp[Temp-1]
	s.half.input[w.N](w, t, dst, src, temp)
}

// BF16 rounds to nearest even; the bits of NaN stay some NaN.
func BF16(v float32) uint16 {
	bits := math.Float32bits(v)
	if v != v {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// PairBF16 is a word of two rounded values.
func PairBF16(low, high float32) uint32 { return uint32(BF16(low)) | uint32(BF16(high))<<16 }

func low(word uint32) float32  { return math.Float32frombits(word << 16) }
func high(word uint32) float32 { return math.Float32frombits(word &^ 0xffff) }

// The plain forms say what the kernels compute; they are for tests alone, since rounding in
// plain Go is slower than not rounding.

func gemmHalfGeneric(m, n, k int, a []uint32, lda int, b []uint32, bStride int, c []float32, ldc int, add bool) {
	for i := range m {
		for j := range n {
			var sum float32
			if add {
				sum = c[i*ldc+j]
			}
			for l, x := range a[i*lda:][:k] {
				y := b[j/NR*bStride+l*NR+j%NR]
				sum += low(x)*low(y) + high(x)*high(y)
			}
			c[i*ldc+j] = sum
		}
	}
}

func roundGeneric(dst []uint32, dstStep int, src []float32, srcStep, rows, n int) {
	for r := range rows {
		for i := range n / 2 {
			dst[r*dstStep+i] = PairBF16(src[r*srcStep+2*i], src[r*srcStep+2*i+1])
		}
	}
}

func affineHalfGeneric(dst []uint32, dstStep int, src []float32, srcStep, rows, n int, scale, shift []float32, floor float32) {
	values := make([]float32, rows*n)
	affineGeneric(values, n, src, srcStep, rows, n, scale, shift, floor)
	roundGeneric(dst, dstStep, values, n, rows, n)
}

func inputHalfGeneric(w *Winograd, t Tiles, dst []uint32, src, temp []float32) {
	wide := t
	wide.Next = t.Channels
	wide.Plane = t.Count * wide.Next
	values := make([]float32, wide.lastPlane(w.N*w.N))
	inputGeneric(w, wide, values, src, temp)
	for plane := range w.N * w.N {
		roundGeneric(dst[plane*t.Plane:], t.Next, values[plane*wide.Plane:], wide.Next, t.Count, t.Channels)
	}
}

// Words is the memory of float32 values as words of pairs.
func Words(x []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}
