package torch

import (
	"fmt"
	"strings"
)

// named is a tensor under its final name.
type named struct {
	name   string
	tensor *tensor
}

type stateDict struct{ names []named }

// wrappers are the keys under which training scripts save a state dict beside other
// objects, in order of preference.
var wrappers = []string{"state_dict", "model_state_dict", "model", "G_ema", "g_ema", "G", "ema", "net", "params"}

// unwrap finds the state dict: the top-level dict, or the one dict of tensors inside it.
// A common prefix "module." (DataParallel) is taken off.
func unwrap(root any) (stateDict, string, []string, error) {
	d, ok := root.(*dict)
	if !ok {
		return stateDict{}, "", nil, fmt.Errorf("the file holds %s, want a dict of tensors", kind(root))
	}
	var notes []string
	inner, extras := d, []string{}
	if countTensors(d) == 0 {
		key, err := wrapper(d)
		if err != nil {
			return stateDict{}, "", nil, err
		}
		inner = d.values[key].(*dict)
		notes = append(notes, fmt.Sprintf("inside %q", key))
		for _, k := range d.keys {
			if k != key {
				extras = append(extras, fmt.Sprintf("%s (%s)", k, kind(d.values[k])))
			}
		}
	}
	var state stateDict
	for _, k := range inner.keys {
		if t, ok := inner.values[k].(*tensor); ok {
			state.names = append(state.names, named{k, t})
		} else {
			extras = append(extras, fmt.Sprintf("%s (%s)", k, kind(inner.values[k])))
		}
	}
	if state.trimPrefix("module.") {
		notes = append(notes, `prefix "module."`)
	}
	return state, strings.Join(notes, ", "), extras, nil
}

func countTensors(d *dict) int {
	n := 0
	for _, v := range d.values {
		if _, ok := v.(*tensor); ok {
			n++
		}
	}
	return n
}

// wrapper picks the key of the dict of tensors; several without a preferred name are an error.
func wrapper(d *dict) (string, error) {
	var found []string
	for _, k := range d.keys {
		if inner, ok := d.values[k].(*dict); ok && countTensors(inner) > 0 {
			found = append(found, k)
		}
	}
	for _, w := range wrappers {
		for _, k := range found {
			if k == w {
				return k, nil
			}
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no tensors in the file")
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("several state dicts in the file and no telling which: %s", strings.Join(found, ", "))
}

// trimPrefix removes a prefix that all names have.
func (s *stateDict) trimPrefix(prefix string) bool {
	for _, n := range s.names {
		if !strings.HasPrefix(n.name, prefix) {
			return false
		}
	}
	for i := range s.names {
		s.names[i].name = strings.TrimPrefix(s.names[i].name, prefix)
	}
	return len(s.names) > 0
}
