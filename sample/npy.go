package sample

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// ErrNPY is wrapped by errors about a .npy file that is corrupt or refused.
var ErrNPY = errors.New("refused .npy file")

const npyMagic = "\x93NUMPY"

// IsNPY reports whether a file that begins so is a .npy file.
func IsNPY(head []byte) bool { return bytes.HasPrefix(head, []byte(npyMagic)) }

// NPYHeader is what stands before the values of an array in NumPy's .npy format, version
// 1.0, C order: "<f4" is float32, "|u1" a byte. Values begin at a multiple of 64 bytes.
func NPYHeader(dtype string, shape []int) []byte {
	dims := make([]string, len(shape))
	for i, d := range shape {
		dims[i] = strconv.Itoa(d)
	}
	tuple := strings.Join(dims, ", ")
	if len(dims) == 1 {
		tuple += ","
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", dtype, tuple)
	const fixed = len(npyMagic) + 2 + 2
	padding := 63 - (fixed+len(header))%64
	header += strings.Repeat(" ", padding) + "\n"
	return append(binary.LittleEndian.AppendUint16([]byte(npyMagic+"\x01\x00"), uint16(len(header))), header...)
}

// FormatNPY is a matrix of n rows in NumPy's .npy format, float32.
func FormatNPY(values []float32, n int) []byte {
	out := NPYHeader("<f4", []int{n, len(values) / max(n, 1)})
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

var npyHeader = regexp.MustCompile(`^\{\s*'descr':\s*'([<|]f[48])',\s*'fortran_order':\s*(False|True),\s*'shape':\s*\(\s*(\d{1,9}),\s*(\d{1,9}),?\s*\),?\s*\}\s*$`)

// ParseNPY reads a matrix of float32 or float64 from a .npy file, versions 1 to 3, as
// numpy.save writes it. Errors wrap ErrNPY.
func ParseNPY(data []byte) (values []float32, n, dim int, err error) {
	refuse := func(format string, args ...any) ([]float32, int, int, error) {
		return nil, 0, 0, fmt.Errorf("%w: %s", ErrNPY, fmt.Sprintf(format, args...))
	}
	if !IsNPY(data) || len(data) < 12 {
		return refuse("no signature")
	}
	start, length := 10, int(binary.LittleEndian.Uint16(data[8:]))
	if data[6] > 1 {
		start, length = 12, int(binary.LittleEndian.Uint32(data[8:]))
	}
	if data[6] < 1 || data[6] > 3 || length > len(data)-start {
		return refuse("version %d with a header of %d bytes in a file of %d", data[6], length, len(data))
	}
	m := npyHeader.FindSubmatch(data[start : start+length])
	if m == nil {
		return refuse("header %.200q: want a float32 or float64 matrix", data[start:start+length])
	}
	if string(m[2]) == "True" {
		return refuse("Fortran order: save numpy.ascontiguousarray(z)")
	}
	n, _ = strconv.Atoi(string(m[3])) // at most nine digits
	dim, _ = strconv.Atoi(string(m[4]))
	width := int(m[1][2] - '0')
	body := data[start+length:]
	if n*dim*width != len(body) {
		return refuse("shape (%d, %d) of %d bytes each, but %d bytes of data", n, dim, width, len(body))
	}
	values = make([]float32, n*dim)
	for i := range values {
		if width == 4 {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(body[4*i:]))
		} else {
			values[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(body[8*i:])))
		}
	}
	return values, n, dim, nil
}
