package torch

import (
	"fmt"

	"github.com/biggan-zoo/biggan/weights"
)

// storages maps the storage classes that hold checkpoints' numbers to element types.
var storages = map[string]weights.DType{
	"DoubleStorage": weights.F64, "FloatStorage": weights.F32, "HalfStorage": weights.F16, "BFloat16Storage": weights.BF16,
	"LongStorage": weights.I64, "IntStorage": weights.I32, "ShortStorage": weights.I16, "CharStorage": weights.I8,
	"ByteStorage": weights.U8, "BoolStorage": weights.Bool,
}

// allowed are the globals that a checkpoint may name. None is called: reduce builds what
// each would have built.
var allowed = map[global]bool{
	{"collections", "OrderedDict"}:         true,
	{"torch._utils", "_rebuild_tensor"}:    true,
	{"torch._utils", "_rebuild_tensor_v2"}: true,
	{"torch._utils", "_rebuild_parameter"}: true,
	{"torch", "Size"}:                      true,
	{"torch.nn.parameter", "Parameter"}:    true,
}

// storageRef is a persistent id: which storage, and how many elements the pickle says it has.
type storageRef struct {
	key   string
	dtype weights.DType
	numel int64
	// viewOffset and viewSize are the legacy container's view of a root storage, in elements.
	viewOffset, viewSize int64
	view                 bool
}

// tensor is a strided view of a storage; sizes, strides and offset are in elements and
// come from the file unchecked.
type tensor struct {
	storage       storageRef
	offset        int64
	size, strides []int64
}

func (m *machine) object(code byte) (bool, error) {
	switch code {
	case 'c': // GLOBAL
		module, err := m.line()
		if err != nil {
			return true, err
		}
		name, err := m.line()
		if err != nil {
			return true, err
		}
		return true, m.pushGlobal(module, name)
	case 0x93: // STACK_GLOBAL
		name, err := m.pop()
		if err != nil {
			return true, err
		}
		module, err := m.pop()
		if err != nil {
			return true, err
		}
		moduleText, ok1 := module.(string)
		nameText, ok2 := name.(string)
		if !ok1 || !ok2 {
			return true, fmt.Errorf("a global named by %s and %s", kind(module), kind(name))
		}
		return true, m.pushGlobal(moduleText, nameText)
	case 'Q': // BINPERSID
		id, err := m.pop()
		if err != nil {
			return true, err
		}
		if m.persistent == nil {
			return true, fmt.Errorf("a persistent id outside the state dict")
		}
		v, err := m.persistent(id)
		m.push(v)
		return true, err
	case 'R': // REDUCE
		args, err := m.pop()
		if err != nil {
			return true, err
		}
		callable, err := m.pop()
		if err != nil {
			return true, err
		}
		v, err := reduce(callable, args)
		m.push(v)
		return true, err
	case 'b': // BUILD
		return true, m.build()
	}
	return false, nil
}

func (m *machine) pushGlobal(module, name string) error {
	g := global{module, name}
	if _, storage := storages[name]; (module == "torch" && storage) || allowed[g] {
		m.push(g)
		return nil
	}
	return fmt.Errorf("the file wants to use %.200q: refused, a checkpoint needs no such thing", module+"."+name)
}

// build accepts the state that state dicts carry (_metadata) and drops it.
func (m *machine) build() error {
	if _, err := m.pop(); err != nil {
		return err
	}
	target, err := m.top()
	if err != nil {
		return err
	}
	if _, ok := target.(*dict); !ok {
		return fmt.Errorf("a state set on %s", kind(target))
	}
	return nil
}

// reduce builds what the call callable(*args) would have given.
func reduce(callable, args any) (any, error) {
	g, ok := callable.(global)
	if !ok {
		return nil, fmt.Errorf("a call of %s", kind(callable))
	}
	a, ok := args.(tuple)
	if !ok {
		return nil, fmt.Errorf("a call of %s with %s, want a tuple", kind(callable), kind(args))
	}
	switch g.name {
	case "OrderedDict":
		return orderedDict(a)
	case "_rebuild_tensor", "_rebuild_tensor_v2":
		return rebuildTensor(a)
	case "_rebuild_parameter", "Parameter":
		if len(a) > 0 {
			if t, ok := a[0].(*tensor); ok {
				return t, nil
			}
		}
		return nil, fmt.Errorf("a parameter without its tensor")
	case "Size":
		if len(a) == 1 {
			return a[0], nil
		}
	}
	return nil, fmt.Errorf("a call of %s.%s with %d arguments", g.module, g.name, len(a))
}

func orderedDict(a tuple) (any, error) {
	d := newDict()
	if len(a) == 0 {
		return d, nil
	}
	pairs, ok := a[0].(*list)
	if !ok || len(a) != 1 {
		return nil, fmt.Errorf("an OrderedDict of %s, want a list of pairs", kind(a[0]))
	}
	for _, item := range pairs.items {
		var pair []any
		switch item := item.(type) {
		case tuple:
			pair = item
		case *list:
			pair = item.items
		}
		if len(pair) != 2 {
			return nil, fmt.Errorf("an OrderedDict with %s, want pairs", kind(item))
		}
		if err := d.set(pair); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// rebuildTensor takes (storage, offset, size, stride, ...).
func rebuildTensor(a tuple) (any, error) {
	if len(a) < 4 {
		return nil, fmt.Errorf("a tensor of %d arguments, want at least 4", len(a))
	}
	storage, ok := a[0].(storageRef)
	if !ok {
		return nil, fmt.Errorf("a tensor over %s, want a storage", kind(a[0]))
	}
	t := &tensor{storage: storage}
	if t.offset, ok = a[1].(int64); !ok {
		return nil, fmt.Errorf("a tensor whose offset is %s", kind(a[1]))
	}
	var err error
	if t.size, err = dimensions(a[2]); err != nil {
		return nil, fmt.Errorf("size: %w", err)
	}
	if t.strides, err = dimensions(a[3]); err != nil {
		return nil, fmt.Errorf("stride: %w", err)
	}
	return t, nil
}

// maxRank bounds the dimensions of a tensor; the networks have four.
const maxRank = 16

func dimensions(v any) ([]int64, error) {
	var items []any
	switch v := v.(type) {
	case tuple:
		items = v
	case *list:
		items = v.items
	default:
		return nil, fmt.Errorf("%s, want a tuple", kind(v))
	}
	if len(items) > maxRank {
		return nil, fmt.Errorf("%d dimensions, want at most %d", len(items), maxRank)
	}
	dims := make([]int64, len(items))
	for i, item := range items {
		d, ok := item.(int64)
		if !ok {
			return nil, fmt.Errorf("%s, want integers", kind(item))
		}
		dims[i] = d
	}
	return dims, nil
}

// parseStorage reads a persistent id: ('storage', class, key, location, numel) and, in the
// legacy container, a sixth field with a view (key, offset, size) or None.
func parseStorage(id any) (any, error) {
	t, ok := id.(tuple)
	if !ok || len(t) < 5 || len(t) > 6 {
		return nil, fmt.Errorf("a persistent id is %s, want a tuple of 5 or 6", kind(id))
	}
	if t[0] != any("storage") {
		return nil, fmt.Errorf("a persistent id of kind %v, want storage", t[0])
	}
	class, ok := t[1].(global)
	dtype, known := storages[class.name]
	if !ok || !known || class.module != "torch" {
		return nil, fmt.Errorf("a storage of class %s", kind(t[1]))
	}
	ref := storageRef{dtype: dtype}
	if ref.key, ok = t[2].(string); !ok {
		return nil, fmt.Errorf("a storage whose key is %s, want text", kind(t[2]))
	}
	if ref.numel, ok = t[4].(int64); !ok || ref.numel < 0 {
		return nil, fmt.Errorf("storage %q of %v elements", ref.key, t[4])
	}
	if len(t) == 6 && t[5] != nil {
		return ref.withView(t[5])
	}
	return ref, nil
}

func (ref storageRef) withView(v any) (any, error) {
	t, ok := v.(tuple)
	if !ok || len(t) != 3 {
		return nil, fmt.Errorf("storage %q: its view is %s, want a tuple of 3", ref.key, kind(v))
	}
	offset, ok1 := t[1].(int64)
	size, ok2 := t[2].(int64)
	if !ok1 || !ok2 || offset < 0 || size < 0 || size > ref.numel || offset > ref.numel-size {
		return nil, fmt.Errorf("storage %q: a view of %v elements from %v over %d", ref.key, t[2], t[1], ref.numel)
	}
	ref.view, ref.viewOffset, ref.viewSize = true, offset, size
	return ref, nil
}
