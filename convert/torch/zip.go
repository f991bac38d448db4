package torch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
)

func isZip(data []byte) bool { return bytes.HasPrefix(data, []byte("PK\x03\x04")) }

// readZip reads torch.save's format since 1.6: ROOT/data.pkl and one stored member
// ROOT/data/KEY a storage.
func readZip(data []byte) (any, find, error) {
	members, err := zipMembers(data)
	if err != nil {
		return nil, nil, err
	}
	root := ""
	for name := range members {
		if base, ok := strings.CutSuffix(name, "/data.pkl"); ok {
			if root != "" || strings.Contains(base, "/") {
				return nil, nil, fmt.Errorf("member %.100q: want one data.pkl, in one folder", name)
			}
			root = base
		}
	}
	pickle, ok := members[root+"/data.pkl"]
	if !ok {
		return nil, nil, fmt.Errorf("no data.pkl among %d members: not a PyTorch checkpoint", len(members))
	}
	if order, ok := members[root+"/byteorder"]; ok && string(order) != "little" {
		return nil, nil, fmt.Errorf("byte order %.20q: only little is supported", order)
	}
	refs := map[string]storageRef{}
	value, n, err := unpickle(pickle, func(id any) (any, error) { return register(refs, id) })
	if err != nil {
		return nil, nil, fmt.Errorf("data.pkl: %w", err)
	}
	if n != len(pickle) {
		return nil, nil, fmt.Errorf("data.pkl: %d bytes after its end", len(pickle)-n)
	}
	return value, func(ref storageRef) ([]byte, error) {
		b, ok := members[root+"/data/"+ref.key]
		if !ok {
			return nil, fmt.Errorf("storage %.100q is not in the archive", ref.key)
		}
		width, _ := ref.dtype.Size()
		if ref.numel > int64(len(b)) || ref.numel*int64(width) != int64(len(b)) {
			return nil, fmt.Errorf("storage %.100q has %d bytes, the state dict says %d x %s", ref.key, len(b), ref.numel, ref.dtype)
		}
		return b, nil
	}, nil
}

// zipMembers lists the members as slices of the file. All are stored, unencrypted, inside
// the file, apart from each other, under plain relative names, and what the local header
// says agrees with the directory; the checksum of each is right.
func zipMembers(data []byte) (map[string][]byte, error) {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	members := make(map[string][]byte, len(r.File))
	var total uint64
	for _, f := range r.File {
		content, err := zipMember(data, f)
		if err != nil {
			return nil, fmt.Errorf("member %.100q: %w", f.Name, err)
		}
		if _, twice := members[f.Name]; twice {
			return nil, fmt.Errorf("member %.100q stands twice", f.Name)
		}
		// Members that overlap would let a small file claim much data.
		if total += uint64(len(content)); total > uint64(len(data)) {
			return nil, fmt.Errorf("members overlap")
		}
		members[f.Name] = content
	}
	return members, nil
}

const localHeader = 30

func zipMember(data []byte, f *zip.File) ([]byte, error) {
	switch {
	case f.Flags&1 != 0:
		return nil, fmt.Errorf("encrypted")
	case f.Method != zip.Store:
		return nil, fmt.Errorf("compressed (method %d): torch stores its members", f.Method)
	case f.CompressedSize64 != f.UncompressedSize64:
		return nil, fmt.Errorf("stored, but of two sizes %d and %d", f.CompressedSize64, f.UncompressedSize64)
	case strings.Contains(f.Name, "..") || strings.HasPrefix(f.Name, "/") || strings.ContainsAny(f.Name, "\\\x00"):
		return nil, fmt.Errorf("its name is no plain relative path")
	}
	start, err := f.DataOffset()
	if err != nil {
		return nil, err
	}
	size := f.UncompressedSize64
	if start < localHeader || uint64(start) > uint64(len(data)) || size > uint64(len(data))-uint64(start) {
		return nil, fmt.Errorf("%d bytes at %d leave the file of %d bytes", size, start, len(data))
	}
	if err := checkLocalHeader(data[:start], f); err != nil {
		return nil, err
	}
	content := data[start : start+int64(size) : start+int64(size)]
	if sum := crc32.ChecksumIEEE(content); sum != f.CRC32 {
		return nil, fmt.Errorf("checksum %08x, want %08x: the file is damaged", sum, f.CRC32)
	}
	return content, nil
}

// checkLocalHeader finds the member's local header, which ends where its data starts, and
// compares name and method. Sizes may stand in a data descriptor (flag 8) instead.
func checkLocalHeader(before []byte, f *zip.File) error {
	at := bytes.LastIndex(before, []byte("PK\x03\x04"))
	for at >= 0 {
		h := before[at:]
		if len(h) >= localHeader {
			name, extra := int(binary.LittleEndian.Uint16(h[26:])), int(binary.LittleEndian.Uint16(h[28:]))
			if localHeader+name+extra == len(h) {
				if string(h[localHeader:localHeader+name]) != f.Name {
					return fmt.Errorf("its local header is for %.100q", h[localHeader:localHeader+name])
				}
				if method := binary.LittleEndian.Uint16(h[8:]); method != f.Method {
					return fmt.Errorf("its local header says method %d", method)
				}
				return nil
			}
		}
		if at == 0 || len(h) > localHeader+2<<16 {
			break
		}
		at = bytes.LastIndex(before[:at+3], []byte("PK\x03\x04"))
	}
	return fmt.Errorf("no local header before its data")
}
