package torch

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"

	"github.com/biggan-zoo/biggan/weights"
)

// storageAlignment is where torch.save places storages in the archive, so that they can be mapped.
const storageAlignment = 64

// Write writes tensors as torch.save does since 1.6: a zip archive with the state dict (an
// OrderedDict) in protocol 2 and one storage a tensor, contiguous. data is asked for each
// tensor in turn, little-endian, in C order.
func Write(w io.Writer, tensors []weights.Info, data func(name string) ([]byte, error)) error {
	pickle, err := pickleState(tensors)
	if err != nil {
		return err
	}
	a := &archive{counter: counter{w: w}}
	a.zip = zip.NewWriter(&a.counter)
	if err := a.add("archive/data.pkl", pickle); err != nil {
		return err
	}
	if err := a.add("archive/byteorder", []byte("little")); err != nil {
		return err
	}
	for i, info := range tensors {
		content, err := data(info.Name)
		if err != nil {
			return err
		}
		if int64(len(content)) != info.Bytes() {
			return fmt.Errorf("torch: %s has %d bytes, want %d", info.Name, len(content), info.Bytes())
		}
		if err := a.add("archive/data/"+strconv.Itoa(i), content); err != nil {
			return err
		}
	}
	if err := a.add("archive/version", []byte("3\n")); err != nil {
		return err
	}
	return a.zip.Close()
}

// archive writes stored members with complete local headers.
type archive struct {
	counter counter
	zip     *zip.Writer
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// add writes a member whose content begins at a multiple of storageAlignment: an extra
// field "FB" pads the header, as torch's own writer does it.
func (a *archive) add(name string, content []byte) error {
	if err := a.zip.Flush(); err != nil {
		return err
	}
	const localHeader, extraHeader = 30, 4
	at := a.counter.n + localHeader + int64(len(name)) + extraHeader
	padding := int((storageAlignment - at%storageAlignment) % storageAlignment)
	extra := binary.LittleEndian.AppendUint16([]byte("FB"), uint16(padding))
	header := &zip.FileHeader{
		Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(content), Extra: append(extra, make([]byte, padding)...),
		CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(content)),
	}
	w, err := a.zip.CreateRaw(header)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

// pickleState pickles OrderedDict((name, _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())), ...).
func pickleState(tensors []weights.Info) ([]byte, error) {
	const orderedDict = "ccollections\nOrderedDict\n)R"
	p := &pickler{}
	p.raw("\x80\x02" + orderedDict + "(")
	for i, info := range tensors {
		class := ""
		for name, d := range storages {
			if d == info.DType {
				class = name
			}
		}
		if class == "" {
			return nil, fmt.Errorf("torch: %s: no storage type for %s", info.Name, info.DType)
		}
		p.text(info.Name)
		p.raw("ctorch._utils\n_rebuild_tensor_v2\n((")
		p.text("storage")
		p.raw("ctorch\n" + class + "\n")
		p.text(strconv.Itoa(i))
		p.text("cpu")
		p.integer(info.Elements())
		p.raw("tQ")
		p.integer(0)
		p.integers(info.Shape)
		p.integers(strides(info.Shape))
		p.raw("\x89" + orderedDict + "tR")
	}
	p.raw("u.")
	return p.out, nil
}

func strides(shape []int) []int {
	s := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = step
		step *= shape[i]
	}
	return s
}

// pickler emits opcodes of protocol 2.
type pickler struct{ out []byte }

func (p *pickler) raw(s string) { p.out = append(p.out, s...) }

func (p *pickler) text(s string) {
	p.out = append(p.out, 'X')
	p.out = binary.LittleEndian.AppendUint32(p.out, uint32(len(s)))
	p.raw(s)
}

func (p *pickler) integer(n int) {
	if n > 1<<31-1 {
		p.out = append(p.out, 0x8a, 8) // LONG1 of 8 bytes
		p.out = binary.LittleEndian.AppendUint64(p.out, uint64(n))
		return
	}
	p.out = append(p.out, 'J')
	p.out = binary.LittleEndian.AppendUint32(p.out, uint32(n))
}

func (p *pickler) integers(values []int) {
	p.raw("(")
	for _, v := range values {
		p.integer(v)
	}
	p.raw("t")
}
