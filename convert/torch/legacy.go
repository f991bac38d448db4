package torch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// legacyMagic is the number that the first pickle of a legacy file holds.
const legacyMagic = bigText("0x1950a86a20f9469cfc6c")

// legacyHead is how torch writes the magic number: protocol 2, LONG1 of ten bytes.
var legacyHead = []byte{0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19}

// isLegacy looks at a pickle of any protocol; readLegacy checks the number itself.
func isLegacy(data []byte) bool {
	return bytes.HasPrefix(data, legacyHead) || (len(data) > 2 && data[0] == 0x80 && data[1] <= 5)
}

// readLegacy reads torch.save's format before 1.6: pickles of the magic number, the protocol
// version, the system's sizes, the object and the sorted storage keys, then each storage as a
// count and its elements.
func readLegacy(data []byte) (any, find, error) {
	rest := data
	next := func(what string, persistent func(any) (any, error)) (any, error) {
		v, n, err := unpickle(rest, persistent)
		if err != nil {
			return nil, fmt.Errorf("%s at byte %d: %w", what, len(data)-len(rest), err)
		}
		rest = rest[n:]
		return v, nil
	}
	magic, err := next("magic number", nil)
	if err != nil {
		return nil, nil, err
	}
	if magic != any(legacyMagic) {
		return nil, nil, fmt.Errorf("magic number is %v, want %s", magic, legacyMagic)
	}
	version, err := next("protocol version", nil)
	if err != nil {
		return nil, nil, err
	}
	if version != any(int64(1001)) {
		return nil, nil, fmt.Errorf("protocol version is %v, want 1001", version)
	}
	system, err := next("system information", nil)
	if err != nil {
		return nil, nil, err
	}
	if d, ok := system.(*dict); ok && d.values["little_endian"] == any(false) {
		return nil, nil, fmt.Errorf("written on a big-endian machine: not supported")
	}
	refs := map[string]storageRef{}
	root, err := next("state dict", func(id any) (any, error) { return register(refs, id) })
	if err != nil {
		return nil, nil, err
	}
	keys, err := next("storage keys", nil)
	if err != nil {
		return nil, nil, err
	}
	found, err := legacyStorages(data, len(data)-len(rest), keys, refs)
	return root, found, err
}

// register reads a persistent id and makes sure that a key always means the same storage.
func register(refs map[string]storageRef, id any) (any, error) {
	v, err := parseStorage(id)
	if err != nil {
		return nil, err
	}
	ref := v.(storageRef)
	root := ref
	root.view, root.viewOffset, root.viewSize = false, 0, 0
	if before, ok := refs[ref.key]; ok && before != root {
		return nil, fmt.Errorf("storage %.100q is once %d x %s and once %d x %s", ref.key, before.numel, before.dtype, ref.numel, ref.dtype)
	}
	refs[ref.key] = root
	return ref, nil
}

func legacyStorages(data []byte, at int, keys any, refs map[string]storageRef) (find, error) {
	list, ok := keys.(*list)
	if !ok {
		return nil, fmt.Errorf("storage keys are %s, want a list", kind(keys))
	}
	content := map[string][]byte{}
	for _, item := range list.items {
		key, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("a storage key is %s, want text", kind(item))
		}
		ref, used := refs[key]
		if _, twice := content[key]; twice || !used {
			return nil, fmt.Errorf("storage key %.100q stands twice or belongs to no tensor", key)
		}
		if len(data)-at < 8 {
			return nil, fmt.Errorf("storage %q at byte %d: the file ends", key, at)
		}
		numel := int64(binary.LittleEndian.Uint64(data[at:]))
		width, _ := ref.dtype.Size()
		if numel != ref.numel {
			return nil, fmt.Errorf("storage %q at byte %d has %d elements, the state dict says %d", key, at, numel, ref.numel)
		}
		at += 8
		if numel > int64(len(data)-at)/int64(width) {
			return nil, fmt.Errorf("storage %q at byte %d: %d elements of %d bytes leave the file of %d bytes", key, at, numel, width, len(data))
		}
		end := at + int(numel)*width
		content[key] = data[at:end:end]
		at = end
	}
	if at != len(data) {
		return nil, fmt.Errorf("%d bytes after the last storage", len(data)-at)
	}
	return func(ref storageRef) ([]byte, error) {
		b, ok := content[ref.key]
		if !ok {
			return nil, fmt.Errorf("storage %.100q is not in the file (it has %d)", ref.key, len(content))
		}
		return slices.Clip(b), nil
	}, nil
}
