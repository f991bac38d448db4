package sample

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// savedByNumPy is numpy.save(f, numpy.array([[1, 2.5]], "<f8")) of NumPy 2.4.6.
var savedByNumPy = "\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }" + strings.Repeat(" ", 58) + "\n" +
	"\x00\x00\x00\x00\x00\x00\xf0?\x00\x00\x00\x00\x00\x00\x04@"

func TestNPY(t *testing.T) {
	want := []float32{1, -2, 3, 0.5, 7, 1e-9}
	data := FormatNPY(want, 3)
	if len(data) != 128+24 {
		t.Errorf("%d bytes: the data must begin at a multiple of 64", len(data))
	}
	if got, n, dim, err := ParseNPY(data); err != nil || n != 3 || dim != 2 || !slices.Equal(got, want) {
		t.Errorf("%v, %d x %d, %v", got, n, dim, err)
	}
	if got, n, dim, err := ParseNPY([]byte(savedByNumPy)); err != nil || n != 1 || dim != 2 || !slices.Equal(got, []float32{1, 2.5}) {
		t.Errorf("NumPy's file: %v, %d x %d, %v", got, n, dim, err)
	}
	text := string(data)
	for name, bad := range map[string]string{
		"truncated": text[:len(text)-1], "longer": text + "x", "object": strings.Replace(text, "<f4", "|O4", 1),
		"fortran": strings.Replace(text, "False,", "True, ", 1), "huge": strings.Replace(text, "(3, 2), }     ", "(999999999,9)}", 1),
		"three axes": strings.Replace(text, "(3, 2), }   ", "(3, 2, 1), }", 1), "header past the end": text[:8] + "\xff\xff" + text[10:], "short": text[:9],
	} {
		if _, _, _, err := ParseNPY([]byte(bad)); !errors.Is(err, ErrNPY) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseNPY(f *testing.F) {
	f.Add(FormatNPY([]float32{1, 2}, 1))
	f.Add([]byte(savedByNumPy))
	f.Fuzz(func(t *testing.T, data []byte) {
		values, n, dim, err := ParseNPY(data)
		if err == nil && (len(values) != n*dim || 4*len(values) > len(data)) {
			t.Errorf("%d values of %d x %d from %d bytes", len(values), n, dim, len(data))
		}
	})
}
