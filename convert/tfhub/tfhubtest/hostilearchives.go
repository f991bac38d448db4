package tfhubtest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/klauspost/compress/gzip"
)

// archives are lies in the container.
func (b Base) archives() []Case {
	files := NewFiles(b.Graph, b.bundle())
	good := files.Entries()
	cases := []Case{}
	add := func(name, place string, items ...Item) {
		cases = append(cases, Case{"archive: " + name, place, archive(items...)})
	}
	special := func(kind byte, name, target string) Item {
		return Item{Header: tar.Header{Name: name, Linkname: target, Typeflag: kind, Mode: 0o644}}
	}
	add("empty", "holds no "+SavedModel)
	for i := range good {
		add("without "+good[i].Header.Name, good[i].Header.Name, slices.Delete(slices.Clone(good), i, i+1)...)
	}
	add("twice", "two entries", append([]Item{File("./"+SavedModel, b.Graph)}, good...)...)
	for name, path := range map[string]string{"up": "../" + SavedModel, "far up": "../../../../etc/passwd", "absolute": "/" + SavedModel, "up within": "variables/../../x"} {
		add("a name that leads "+name, "leads out", append([]Item{File(path, b.Graph)}, good...)...)
	}
	for name, kind := range map[string]byte{
		"symlink": tar.TypeSymlink, "hardlink": tar.TypeLink, "device": tar.TypeChar, "disk": tar.TypeBlock, "pipe": tar.TypeFifo, "reserved": tar.TypeCont,
	} {
		add("a "+name+" for a file", SavedModel, append([]Item{special(kind, SavedModel, "/etc/passwd")}, good...)...)
		add("a "+name+" for a shard", Shard(0, 1), append([]Item{special(kind, Shard(0, 1), "../../../etc/passwd")}, good...)...)
	}
	var tarball, zipped bytes.Buffer
	if err := WriteArchive(&zipped, good...); err != nil {
		panic(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(zipped.Bytes()))
	if err == nil {
		_, err = io.Copy(&tarball, z)
	}
	if err != nil {
		panic(err)
	}
	file := func(name string, data []byte) {
		cases = append(cases, Case{"archive: " + name, "", func(path string) error { return os.WriteFile(path, data, 0o644) }})
	}
	for _, n := range []int{2, 10, 100, zipped.Len() / 3, zipped.Len() * 9 / 10} {
		file(fmt.Sprintf("gzip cut to %d bytes", n), zipped.Bytes()[:n])
	}
	file("gzip of a bad method", append([]byte{0x1f, 0x8b, 9}, zipped.Bytes()[3:]...))
	file("gzip with a flipped bit", flip(zipped.Bytes(), zipped.Len()/2))
	file("no tar", compressed(bytes.Repeat([]byte("no tar"), 1000)))
	file("tar cut in a header", compressed(tarball.Bytes()[:100]))
	file("tar cut in a file", compressed(tarball.Bytes()[:tarball.Len()/2]))
	file("tar with a bad checksum", compressed(flip(tarball.Bytes(), 3)))
	lying := slices.Clone(tarball.Bytes())
	copy(lying[124:], "77777777777\x00")
	file("tar that says 8 GB", compressed(checksummed(lying)))
	file("bomb", bomb(600<<20))
	cases = append(cases, Case{"archive: sparse of 10^12 bytes", "", archiveRaw(sparse(good, 1e12))})
	var crowd []Item
	for i := range 40_000 {
		crowd = append(crowd, File(fmt.Sprint("assets/", i), nil))
	}
	add("a crowd of entries", "entries", append(crowd, good...)...)
	return cases
}

func flip(data []byte, at int) []byte {
	data = slices.Clone(data)
	data[at] ^= 0x10
	return data
}

func compressed(data []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(data); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// checksummed mends the checksum of the first header of a tar.
func checksummed(data []byte) []byte {
	copy(data[148:156], "        ")
	sum := 0
	for _, c := range data[:512] {
		sum += int(c)
	}
	copy(data[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return data
}

// bomb is an archive whose first entry is so many zeros.
func bomb(size int64) []byte {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		panic(err)
	}
	t := tar.NewWriter(z)
	if err := t.WriteHeader(&tar.Header{Name: "assets/zeros", Typeflag: tar.TypeReg, Size: size}); err != nil {
		panic(err)
	}
	zeros := make([]byte, 1<<20)
	for ; size > 0; size -= int64(len(zeros)) {
		if _, err := t.Write(zeros); err != nil {
			panic(err)
		}
	}
	if err := t.Close(); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// sparse gives the shard a PAX header that says it is a sparse file of so many bytes.
func sparse(items []Item, size int64) []Item {
	items = slices.Clone(items)
	for i := range items {
		if items[i].Header.Name != Shard(0, 1) {
			continue
		}
		name := items[i].Header.Name
		items[i].Header.Name = "GNUSparseFile.0/" + name
		items[i].Header.PAXRecords = map[string]string{
			"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": name,
			"GNU.sparse.size": fmt.Sprint(size), "GNU.sparse.numblocks": "1", "GNU.sparse.map": fmt.Sprintf("0,%d", len(items[i].Data)),
		}
	}
	return items
}

// archiveRaw writes items whose PAX records archive/tar would not write.
func archiveRaw(items []Item) func(path string) error {
	return func(path string) error {
		var t bytes.Buffer
		for _, item := range items {
			var records bytes.Buffer
			for _, key := range slices.Sorted(maps.Keys(item.Header.PAXRecords)) {
				records.WriteString(paxRecord(key, item.Header.PAXRecords[key]))
			}
			if records.Len() > 0 {
				t.Write(rawEntry("PaxHeaders/0", tar.TypeXHeader, records.Bytes()))
			}
			t.Write(rawEntry(item.Header.Name, tar.TypeReg, item.Data))
		}
		t.Write(make([]byte, 1024))
		return os.WriteFile(path, compressed(t.Bytes()), 0o644)
	}
}

func paxRecord(key, value string) string {
	text := " " + key + "=" + value + "\n"
	n := len(text)
	for n != len(text)+len(fmt.Sprint(n)) {
		n = len(text) + len(fmt.Sprint(n))
	}
	return fmt.Sprint(n) + text
}

// rawEntry is a ustar header and its padded content.
func rawEntry(name string, kind byte, data []byte) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00", len(data)))
	h[156] = kind
	copy(h[257:], "ustar\x0000")
	entry := append(checksummed(h), data...)
	return append(entry, make([]byte, (512-len(data)%512)%512)...)
}
