package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

const (
	headerLength = 8         // little-endian length of the JSON that follows
	maxHeader    = 100 << 20 // as the reference implementation limits it
	metadataKey  = "__metadata__"
)

type header struct {
	tensors   map[string]entry
	metadata  map[string]string
	dataStart int
}

// parseHeader checks the whole header against the length of the file: names once each,
// known types, ranges that equal their shapes and fill the data section without holes or overlaps.
func parseHeader(data []byte) (header, error) {
	if len(data) < headerLength {
		return header{}, fmt.Errorf("%d bytes are too few for a header", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if rest := uint64(len(data) - headerLength); n > rest || n > maxHeader {
		return header{}, fmt.Errorf("header of %d bytes, want at most %d", n, min(rest, maxHeader))
	}
	text := data[headerLength : headerLength+n]
	if !utf8.Valid(text) {
		return header{}, errors.New("header is not UTF-8")
	}
	if len(text) == 0 || text[0] != '{' {
		return header{}, errors.New("header does not begin with {")
	}
	h := header{tensors: map[string]entry{}, dataStart: headerLength + int(n)}
	if err := h.parse(text); err != nil {
		return header{}, fmt.Errorf("header: %w", err)
	}
	return h, h.checkRanges(int64(len(data) - h.dataStart))
}

// parse walks the tokens itself because encoding/json keeps the last of two equal keys.
func (h *header) parse(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := object(d, func(name string) error {
		if name == metadataKey {
			return h.parseMetadata(d)
		}
		e, err := parseEntry(d, name)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		if _, twice := h.tensors[name]; twice {
			return fmt.Errorf("tensor %q stands twice", name)
		}
		h.tensors[name] = e
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := d.Token(); err == nil {
		return errors.New("data after the JSON object")
	}
	return nil
}

func (h *header) parseMetadata(d *json.Decoder) error {
	if h.metadata != nil {
		return errors.New("metadata stands twice")
	}
	h.metadata = map[string]string{}
	return object(d, func(key string) error {
		token, err := d.Token()
		if err != nil {
			return err
		}
		value, ok := token.(string)
		if !ok {
			return fmt.Errorf("metadata %q is not a string", key)
		}
		if _, twice := h.metadata[key]; twice {
			return fmt.Errorf("metadata %q stands twice", key)
		}
		h.metadata[key] = value
		return nil
	})
}

func parseEntry(d *json.Decoder, name string) (entry, error) {
	e := entry{Info: Info{Name: name}}
	var shape, offsets []int64
	seen := map[string]bool{}
	err := object(d, func(key string) error {
		if seen[key] {
			return fmt.Errorf("%s stands twice", key)
		}
		seen[key] = true
		var err error
		switch key {
		case "dtype":
			var token json.Token
			if token, err = d.Token(); err == nil {
				text, ok := token.(string)
				if !ok {
					return errors.New("dtype is not a string")
				}
				e.DType = DType(text)
			}
		case "shape":
			shape, err = integers(d, "shape")
		case "data_offsets":
			offsets, err = integers(d, "data_offsets")
		default:
			return fmt.Errorf("unknown field %q", key)
		}
		return err
	})
	if err != nil {
		return e, err
	}
	if !seen["dtype"] || !seen["shape"] || len(offsets) != 2 {
		return e, errors.New("want dtype, shape and two data_offsets")
	}
	e.Shape = make([]int, len(shape))
	for i, v := range shape {
		e.Shape[i] = int(v)
	}
	size, err := CheckedBytes(e.DType, e.Shape)
	if err != nil {
		return e, err
	}
	e.begin, e.end = offsets[0], offsets[1]
	if e.begin > e.end || e.end-e.begin != size {
		return e, fmt.Errorf("data_offsets [%d,%d] for %d bytes of %s %v", e.begin, e.end, size, e.DType, e.Shape)
	}
	return e, nil
}

// object reads an object and calls field after each key; field consumes the value.
func object(d *json.Decoder, field func(key string) error) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if token != json.Delim('{') {
		return fmt.Errorf("got %v, want an object", token)
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return fmt.Errorf("got %v, want a key", token)
		}
		if err := field(key); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// integers reads a flat list of integers from 0 to 2^63-1.
func integers(d *json.Decoder, what string) ([]int64, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	if token != json.Delim('[') {
		return nil, fmt.Errorf("%s is %v, want a list", what, token)
	}
	values := []int64{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%s holds %v, want integers", what, token)
		}
		v, err := strconv.ParseInt(number.String(), 10, 64)
		if err != nil || v < 0 {
			return nil, fmt.Errorf("%s holds %s, want an integer from 0", what, number)
		}
		values = append(values, v)
	}
	_, err = d.Token()
	return values, err
}

// checkRanges wants the tensors to fill the data section exactly.
func (h *header) checkRanges(size int64) error {
	entries := make([]entry, 0, len(h.tensors))
	for _, e := range h.tensors {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.begin != b.begin {
			return int(min(max(a.begin-b.begin, -1), 1))
		}
		return int(min(max(a.end-b.end, -1), 1))
	})
	var at int64
	for _, e := range entries {
		if e.begin != at {
			return fmt.Errorf("tensor %q begins at %d, want %d: a hole or an overlap", e.Name, e.begin, at)
		}
		if at = e.end; at > size {
			return fmt.Errorf("tensor %q ends at %d, but the data has %d bytes", e.Name, e.end, size)
		}
	}
	if at != size {
		return fmt.Errorf("%d bytes of data, but the tensors have %d", size, at)
	}
	return nil
}
