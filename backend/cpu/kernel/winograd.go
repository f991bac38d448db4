package kernel

import "math"

// Winograd is a fast convolution of tiles: M outputs a side from R taps, N = M+R-1 inputs,
// as Aᵀ·((G·g·Gᵀ) ∘ (Bᵀ·d·B))·A (Lavin and Gray 2016).
type Winograd struct {
	M, R, N int
	AT      [][]float64 // [M][N]
	G       [][]float64 // [N][R]
	BT      [][]float64 // [N][N]
}

// points are where the polynomials are evaluated, by N; infinity is the last. Those of 6
// keep the error of F(4x4,3x3) near twice that of a direct sum; 1, -1, 2, -2 give four times.
var points = map[int][]float64{
	3: {0, 1},
	4: {0, 1, -1},
	6: {0, math.Sqrt2 / 2, -math.Sqrt2 / 2, math.Sqrt2, -math.Sqrt2},
}

// Winograds are the fast convolutions that have kernels: two for 3x3, and three for the 2x2
// that are left of a 3x3 after an upsampling.
var Winograds = []*Winograd{newWinograd(2, 2), newWinograd(2, 3), newWinograd(3, 2), newWinograd(4, 3), newWinograd(5, 2)}

// newWinograd evaluates the construction of Toom and Cook at the points.
func newWinograd(m, r int) *Winograd {
	n := m + r - 1
	p := points[n]
	w := &Winograd{M: m, R: r, N: n, AT: matrix(m, n), G: matrix(n, r), BT: matrix(n, n)}
	for j, x := range p {
		scale := 1.0
		product := []float64{1} // of (t - q) over the other points q
		for k, q := range p {
			if k != j {
				scale *= x - q
				product = timesRoot(product, q)
			}
		}
		for i := range m {
			w.AT[i][j] = math.Pow(x, float64(i))
		}
		for i := range r {
			w.G[j][i] = math.Pow(x, float64(i)) / scale
		}
		copy(w.BT[j], product)
	}
	w.AT[m-1][n-1], w.G[n-1][r-1] = 1, 1
	product := []float64{1}
	for _, q := range p {
		product = timesRoot(product, q)
	}
	copy(w.BT[n-1], product)
	return w
}

// timesRoot multiplies a polynomial, lowest power first, by (t - q).
func timesRoot(p []float64, q float64) []float64 {
	out := make([]float64, len(p)+1)
	for i, c := range p {
		out[i+1] += c
		out[i] -= q * c
	}
	return out
}

func matrix(rows, columns int) [][]float64 {
	m := make([][]float64, rows)
	for i := range m {
		m[i] = make([]float64, columns)
	}
	return m
}

// Weights writes G·g·Gᵀ for n output channels: taps of src lie tap values apart, planes of
// dst plane values.
func (s *Set) Weights(w *Winograd, dst []float32, plane int, src []float32, tap, n int, temp []float32) {
	if n < 1 {
		return
	}
	_, _, _ = dst[(w.N*w.N-1)*plane+n-1], src[(w.R*w.R-1)*tap+n-1], temp[Temp-1]
	s.weights[[2]int{w.M, w.N}](w, dst, plane, src, tap, n, temp)
}

// weightsGeneric is the plain form of Weights.
func weightsGeneric(w *Winograd, dst []float32, plane int, src []float32, tap, n int, _ []float32) {
	var half [6 * 3]float32 // G·g, [N][R]
	for c := range n {
		for i, row := range w.G {
			for j := range w.R {
				var sum float64
				for k, v := range row {
					sum += v * float64(src[(k*w.R+j)*tap+c])
				}
				half[i*w.R+j] = float32(sum)
			}
		}
		for i := range w.N {
			for j, row := range w.G {
				var sum float64
				for k, v := range row {
					sum += float64(half[i*w.R+k]) * v
				}
				dst[(i*w.N+j)*plane+c] = float32(sum)
			}
		}
	}
}

// Tiles describes a row of tiles: how far apart things lie, in values. Channels are
// contiguous.
type Tiles struct {
	Count    int
	Channels int
	Row      int // from one pixel to the one below, in the map
	Pixel    int // from one pixel to the next in the row
	Tile     int // from one tile to the next, in the map
	Plane    int // from one plane of transformed values to the next
	Next     int // from one tile to the next within a plane
}

// last is the index after the last value of the map that side x side pixels a tile span.
func (t Tiles) last(side int) int {
	return (t.Count-1)*t.Tile + (side-1)*(t.Row+t.Pixel) + t.Channels
}

func (t Tiles) lastPlane(planes int) int {
	return (planes-1)*t.Plane + (t.Count-1)*t.Next + t.Channels
}

// Temp is how many values of scratch a transform needs.
const Temp = 6 * 6 * 16

// Input computes Bᵀ·d·B for each tile of a row from a padded map: value (i,j) of a tile goes
// to plane i·N+j. It depends on N alone.
func (s *Set) Input(w *Winograd, t Tiles, dst, src, temp []float32) {
	if t.Count < 1 || t.Channels < 1 {
		return
	}
	_, _, _ = src[t.last(w.N)-1], dst[t.lastPlane(w.N*w.N)-1], temp[Temp-1]
	s.input[w.N](w, t, dst, src, temp)
}

// Output computes Aᵀ·x·A for each tile of a row and stores it with the bias added, or adds
// it to what stands there (and no bias).
func (s *Set) Output(w *Winograd, t Tiles, dst, src, bias []float32, add bool, temp []float32) {
	if t.Count < 1 || t.Channels < 1 {
		return
	}
	_, _, _, _ = dst[t.last(w.M)-1], src[t.lastPlane(w.N*w.N)-1], bias[t.Channels-1], temp[Temp-1]
	s.output[[2]int{w.M, w.N}](w, t, dst, src, bias, add, temp)
}

// inputGeneric is the plain form of Input.
func inputGeneric(w *Winograd, t Tiles, dst, src, _ []float32) {
	n := w.N
	var half [36]float32
	bt := narrow(w.BT)
	for tile := range t.Count {
		for c := range t.Channels {
			from, to := src[tile*t.Tile+c:], dst[tile*t.Next+c:]
			for i := range n {
				for j := range n {
					var sum float32
					for k := range n {
						if b := bt[i*n+k]; b != 0 {
							sum += b * from[k*t.Row+j*t.Pixel]
						}
					}
					half[i*n+j] = sum
				}
			}
			for i := range n {
				for j := range n {
					var sum float32
					for k := range n {
						if b := bt[j*n+k]; b != 0 {
							sum += b * half[i*n+k]
						}
					}
					to[(i*n+j)*t.Plane] = sum
				}
			}
		}
	}
}

// outputGeneric is the plain form of Output.
func outputGeneric(w *Winograd, t Tiles, dst, src, bias []float32, add bool, _ []float32) {
	n, m := w.N, w.M
	var half [36]float32
	at := narrow(w.AT)
	for tile := range t.Count {
		for c := range t.Channels {
			from, to := src[tile*t.Next+c:], dst[tile*t.Tile+c:]
			for i := range n {
				for j := range m {
					var sum float32
					for k := range n {
						if a := at[j*n+k]; a != 0 {
							sum += a * from[(i*n+k)*t.Plane]
						}
					}
					half[i*m+j] = sum
				}
			}
			for i := range m {
				for j := range m {
					var sum float32
					for k := range n {
						if a := at[i*n+k]; a != 0 {
							sum += a * half[k*m+j]
						}
					}
					p := &to[i*t.Row+j*t.Pixel]
					if add {
						*p += sum
					} else {
						*p = sum + bias[c]
					}
				}
			}
		}
	}
}

// narrow lays a matrix out in float32.
func narrow(m [][]float64) []float32 {
	var out []float32
	for _, row := range m {
		for _, v := range row {
			out = append(out, float32(v))
		}
	}
	return out
}
