// Package shader holds the compute shaders of the gpu backend in WGSL, one operation a file. They are
// templates: tile sizes are unrolled when a shader is made, not when it runs.
package shader

import (
	"embed"
	"fmt"
	"strings"
	"text/template"
)

// Op names a shader.
type Op string

// The shaders.
const (
	Conv      Op = "conv"
	Combine   Op = "combine"
	Pool      Op = "pool"
	Permute   Op = "permute"
	Transpose Op = "transpose"
	Softmax   Op = "softmax"
	Norm      Op = "norm"
	Reduce    Op = "reduce"
	Pixels    Op = "pixels"
)

// Bindings lists, for each shader, what each binding of group 0 is: r storage that is read, w storage
// that is written, u a uniform.
var Bindings = map[Op]string{
	Conv: "rrrrrwu", Combine: "rrrwu", Pool: "rrwu", Permute: "rrwu", Transpose: "rrwu", Softmax: "wu", Norm: "rrrrwuu", Reduce: "rrrwu", Pixels: "rwu",
}

// Tile is how a convolution is divided among threads.
type Tile struct {
	Rows, Quads int  // that a thread computes: pixels, and four channels each
	Wide, High  int  // threads along the channels and along the pixels
	Shared      bool // a workgroup keeps its factors in workgroup memory
	Depth       int  // quads of the depth that it keeps, with Shared
}

// BlockRows is the number of pixels of a workgroup.
func (t Tile) BlockRows() int { return t.Rows * t.High }

// BlockQuads is the number of fours of channels of a workgroup.
func (t Tile) BlockQuads() int { return t.Quads * t.Wide }

// Threads is the size of a workgroup.
func (t Tile) Threads() int { return t.Wide * t.High }

// String is a short name, which the file of tuning results uses.
func (t Tile) String() string {
	if t.Shared {
		return fmt.Sprintf("shared-%dx%d-%dx%d-%d", t.Rows, t.Quads, t.Wide, t.High, t.Depth)
	}
	return fmt.Sprintf("direct-%dx%d-%dx%d", t.Rows, t.Quads, t.Wide, t.High)
}

// Tiles are the divisions that tuning chooses from. The direct ones keep all in registers; those
// with one thread along the channels suit processors, where a value that all threads share is read
// once. The shared ones are for hardware: a software adapter compiles each for seconds and gains nothing.
// A workgroup has at most 256 threads and 16 KiB of memory, which every GPU offers.
var Tiles = []Tile{
	{Rows: 4, Quads: 1, Wide: 16, High: 16, Shared: true, Depth: 4},
	{Rows: 8, Quads: 2, Wide: 8, High: 8, Shared: true, Depth: 4},
	{Rows: 2, Quads: 1, Wide: 8, High: 16, Shared: true, Depth: 4},
	{Rows: 8, Quads: 4, Wide: 1, High: 8},
	{Rows: 4, Quads: 4, Wide: 1, High: 8},
	{Rows: 8, Quads: 2, Wide: 8, High: 1},
	{Rows: 4, Quads: 1, Wide: 16, High: 4},
	{Rows: 1, Quads: 1, Wide: 64, High: 1},
}

// Variant is a specialisation of the convolution; other shaders have none.
type Variant struct {
	Tile
	Norm string // "", "group": a workgroup's rows are of one sample, "row": of several
	Half bool   // weights are pairs of float16
}

//go:embed *.wgsl
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"seq": func(n int) []int {
		s := make([]int, n)
		for i := range s {
			s[i] = i
		}
		return s
	},
	"mul": func(factors ...int) int {
		product := 1
		for _, f := range factors {
			product *= f
		}
		return product
	},
	"component": func(i int) string { return string("xyzw"[i]) },
}).ParseFS(files, "*.wgsl"))

// Source is the WGSL of a shader.
func Source(op Op, v Variant) (string, error) {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, string(op)+".wgsl", v); err != nil {
		return "", fmt.Errorf("shader: %s: %w", op, err)
	}
	return b.String(), nil
}
