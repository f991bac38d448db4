package torch

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Values of the interpreter: nil, bool, int64, float64, string, []byte, tuple, *list,
// *dict, global, storageRef and *tensor. Nothing is ever called: REDUCE knows a handful of
// globals and builds these values itself.
type (
	tuple  []any
	list   struct{ items []any }
	global struct{ module, name string }
	mark   struct{}
)

// dict keeps the order of insertion. Keys are strings; a second one of the same name is refused.
type dict struct {
	keys   []string
	values map[string]any
}

func newDict() *dict { return &dict{values: map[string]any{}} }

// machine runs one pickle. Every step consumes input, so work and memory are bounded by
// the length of data; values are shared, never copied, so nothing can grow by doubling.
type machine struct {
	data  []byte
	at    int // next byte
	op    int // offset of the current opcode
	stack []any
	memo  map[int64]any
	// persistent resolves a persistent id; nil refuses it.
	persistent func(id any) (any, error)
}

// unpickle runs a pickle from the start of data and returns its value and length.
func unpickle(data []byte, persistent func(any) (any, error)) (value any, length int, err error) {
	m := &machine{data: data, memo: map[int64]any{}, persistent: persistent}
	for {
		m.op = m.at
		code, err := m.take(1)
		if err != nil {
			return nil, 0, err
		}
		if code[0] == '.' {
			value, err := m.pop()
			return value, m.at, err
		}
		if err := m.step(code[0]); err != nil {
			return nil, 0, fmt.Errorf("pickle, byte %d: %w", m.op, err)
		}
	}
}

func (m *machine) take(n int) ([]byte, error) {
	if n < 0 || n > len(m.data)-m.at {
		return nil, fmt.Errorf("pickle, byte %d: %d bytes wanted, %d left", m.op, n, len(m.data)-m.at)
	}
	b := m.data[m.at : m.at+n]
	m.at += n
	return b, nil
}

// uint reads an unsigned little-endian integer of n bytes.
func (m *machine) uint(n int) (uint64, error) {
	b, err := m.take(n)
	if err != nil {
		return 0, err
	}
	var padded [8]byte
	copy(padded[:], b)
	return binary.LittleEndian.Uint64(padded[:]), nil
}

// sized reads n bytes of length and then as many bytes.
func (m *machine) sized(n int) ([]byte, error) {
	size, err := m.uint(n)
	if err != nil {
		return nil, err
	}
	if size > uint64(len(m.data)-m.at) {
		return nil, fmt.Errorf("%d bytes wanted, %d left", size, len(m.data)-m.at)
	}
	return m.take(int(size))
}

// line reads up to a newline, at most 4096 bytes.
func (m *machine) line() (string, error) {
	rest := m.data[m.at:min(m.at+4096, len(m.data))]
	for i, c := range rest {
		if c == '\n' {
			m.at += i + 1
			return string(rest[:i]), nil
		}
	}
	return "", fmt.Errorf("a line of text without its end")
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

func (m *machine) pop() (any, error) {
	v, err := m.top()
	if err != nil {
		return nil, err
	}
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

func (m *machine) top() (any, error) {
	if len(m.stack) == 0 {
		return nil, fmt.Errorf("the stack is empty")
	}
	v := m.stack[len(m.stack)-1]
	if _, is := v.(mark); is {
		return nil, fmt.Errorf("a mark stands where a value belongs")
	}
	return v, nil
}

// popMark takes the values above the topmost mark, and the mark.
func (m *machine) popMark() ([]any, error) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, is := m.stack[i].(mark); is {
			items := append([]any(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return items, nil
		}
	}
	return nil, fmt.Errorf("no mark on the stack")
}

// step runs one opcode. Groups of opcodes are functions of their own; the last refuses.
func (m *machine) step(code byte) error {
	for _, group := range [...]func(*machine, byte) (bool, error){
		(*machine).control, (*machine).number, (*machine).text, (*machine).container, (*machine).memory, (*machine).object,
	} {
		if known, err := group(m, code); known || err != nil {
			return err
		}
	}
	return fmt.Errorf("opcode %#02x (%q) is not one that a checkpoint needs: refused", code, code)
}

func (m *machine) control(code byte) (bool, error) {
	switch code {
	case 0x80: // PROTO
		version, err := m.uint(1)
		if err == nil && version > 5 {
			err = fmt.Errorf("protocol %d", version)
		}
		return true, err
	case 0x95: // FRAME
		size, err := m.uint(8)
		if err == nil && size > uint64(len(m.data)-m.at) {
			err = fmt.Errorf("a frame of %d bytes, %d left", size, len(m.data)-m.at)
		}
		return true, err
	case '(': // MARK
		m.push(mark{})
		return true, nil
	case '0': // POP
		_, err := m.pop()
		return true, err
	case '1': // POP_MARK
		_, err := m.popMark()
		return true, err
	case '2': // DUP
		v, err := m.top()
		if err == nil {
			m.push(v)
		}
		return true, err
	}
	return false, nil
}

func (m *machine) number(code byte) (bool, error) {
	widths := map[byte]int{'K': 1, 'M': 2, 'J': 4}
	switch code {
	case 'N':
		m.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		m.push(code == 0x88)
	case 'K', 'M', 'J': // BININT1, BININT2, BININT
		v, err := m.uint(widths[code])
		if code == 'J' {
			v = uint64(int64(int32(uint32(v))))
		}
		m.push(int64(v))
		return true, err
	case 'G': // BINFLOAT
		b, err := m.take(8)
		if err == nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
		return true, err
	case 0x8a, 0x8b: // LONG1, LONG4
		b, err := m.sized(map[byte]int{0x8a: 1, 0x8b: 4}[code])
		if err != nil {
			return true, err
		}
		return true, m.long(b)
	case 'I', 'L', 'F':
		text, err := m.line()
		if err != nil {
			return true, err
		}
		return true, m.textNumber(code, text)
	default:
		return false, nil
	}
	return true, nil
}

// long pushes a little-endian two's complement integer. Numbers beyond an int64 occur only
// in the magic number of the legacy container: they become text.
func (m *machine) long(b []byte) error {
	if len(b) > 64 {
		return fmt.Errorf("an integer of %d bytes", len(b))
	}
	reversed := make([]byte, len(b))
	for i, c := range b {
		reversed[len(b)-1-i] = c
	}
	v := new(big.Int).SetBytes(reversed)
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if v.IsInt64() {
		m.push(v.Int64())
	} else {
		m.push(bigText("0x" + v.Text(16)))
	}
	return nil
}

// bigText is an integer beyond an int64, in hexadecimal.
type bigText string

func (m *machine) textNumber(code byte, text string) error {
	switch {
	case code == 'F':
		v, err := strconv.ParseFloat(text, 64)
		m.push(v)
		return err
	case code == 'I' && (text == "00" || text == "01"):
		m.push(text == "01")
		return nil
	}
	v, err := strconv.ParseInt(strings.TrimSuffix(text, "L"), 10, 64)
	m.push(v)
	return err
}

func (m *machine) text(code byte) (bool, error) {
	var b []byte
	var err error
	switch code {
	case 'X', 'T': // BINUNICODE, BINSTRING
		b, err = m.sized(4)
	case 0x8c, 'U': // SHORT_BINUNICODE, SHORT_BINSTRING
		b, err = m.sized(1)
	case 0x8d: // BINUNICODE8
		b, err = m.sized(8)
	case 'V': // UNICODE
		var line string
		line, err = m.line()
		b = []byte(line)
	case 'B', 'C': // BINBYTES, SHORT_BINBYTES
		b, err = m.sized(map[byte]int{'B': 4, 'C': 1}[code])
		m.push(b)
		return true, err
	default:
		return false, nil
	}
	if err == nil && !utf8.Valid(b) {
		err = fmt.Errorf("text is not UTF-8")
	}
	m.push(string(b))
	return true, err
}

func (m *machine) container(code byte) (bool, error) {
	switch code {
	case ')':
		m.push(tuple{})
	case ']':
		m.push(&list{})
	case '}':
		m.push(newDict())
	case 0x85, 0x86, 0x87: // TUPLE1 .. TUPLE3
		n := int(code) - 0x84
		items := make(tuple, n)
		for i := n - 1; i >= 0; i-- {
			v, err := m.pop()
			if err != nil {
				return true, err
			}
			items[i] = v
		}
		m.push(items)
	case 't', 'l', 'd': // TUPLE, LIST, DICT
		items, err := m.popMark()
		if err != nil {
			return true, err
		}
		switch code {
		case 't':
			m.push(tuple(items))
		case 'l':
			m.push(&list{items})
		default:
			d := newDict()
			m.push(d)
			return true, d.set(items)
		}
	case 'a', 'e': // APPEND, APPENDS
		return true, m.fill(code == 'e', 1, func(target any, items []any) error {
			l, ok := target.(*list)
			if !ok {
				return fmt.Errorf("append to %s", kind(target))
			}
			l.items = append(l.items, items...)
			return nil
		})
	case 's', 'u': // SETITEM, SETITEMS
		return true, m.fill(code == 'u', 2, func(target any, items []any) error {
			d, ok := target.(*dict)
			if !ok {
				return fmt.Errorf("an item set on %s", kind(target))
			}
			return d.set(items)
		})
	default:
		return false, nil
	}
	return true, nil
}

// fill gives n values, or all above the mark, to the container under them.
func (m *machine) fill(marked bool, n int, put func(target any, items []any) error) error {
	var items []any
	var err error
	if marked {
		items, err = m.popMark()
	} else {
		items = make([]any, n)
		for i := n - 1; i >= 0 && err == nil; i-- {
			items[i], err = m.pop()
		}
	}
	if err != nil {
		return err
	}
	target, err := m.top()
	if err != nil {
		return err
	}
	return put(target, items)
}

func (d *dict) set(items []any) error {
	if len(items)%2 != 0 {
		return fmt.Errorf("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		key, ok := items[i].(string)
		if !ok {
			return fmt.Errorf("a key is %s, want text", kind(items[i]))
		}
		if _, twice := d.values[key]; twice {
			return fmt.Errorf("key %q stands twice", key)
		}
		d.keys = append(d.keys, key)
		d.values[key] = items[i+1]
	}
	return nil
}

func (m *machine) memory(code byte) (bool, error) {
	var index int64
	switch code {
	case 'q', 'h': // BINPUT, BINGET
		v, err := m.uint(1)
		if err != nil {
			return true, err
		}
		index = int64(v)
	case 'r', 'j': // LONG_BINPUT, LONG_BINGET
		v, err := m.uint(4)
		if err != nil {
			return true, err
		}
		index = int64(v)
	case 'p', 'g': // PUT, GET
		text, err := m.line()
		if err == nil {
			index, err = strconv.ParseInt(text, 10, 64)
		}
		if err != nil {
			return true, err
		}
	case 0x94: // MEMOIZE
		index = int64(len(m.memo))
	default:
		return false, nil
	}
	if strings.IndexByte("hjg", code) >= 0 {
		v, ok := m.memo[index]
		if !ok {
			return true, fmt.Errorf("nothing was stored at index %d", index)
		}
		m.push(v)
		return true, nil
	}
	v, err := m.top()
	m.memo[index] = v
	return true, err
}

// kind names a value's type in messages.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, bigText:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "text"
	case []byte:
		return "bytes"
	case tuple:
		return "a tuple"
	case *list:
		return "a list"
	case *dict:
		return "a dict"
	case global:
		return v.module + "." + v.name
	case storageRef:
		return "a storage"
	case *tensor:
		return "a tensor"
	}
	return fmt.Sprintf("%T", v)
}
