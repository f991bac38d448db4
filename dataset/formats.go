package dataset

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/sample"
)

// encodeTar is a tar file with NNN.png and NNN.cls a picture; the latter holds the class's
// number, or its mix.
func (r *Run) encodeTar(pictures []biggan.Picture) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(name string, data []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}
	width := digits(r.plan.First + r.plan.N - 1)
	for _, p := range pictures {
		data, err := r.encodePNG(p)
		if err != nil {
			return nil, err
		}
		key := fmt.Sprintf("%0*d", width, p.Index)
		if err := add(key+".png", data); err != nil {
			return nil, err
		}
		if err := add(key+".cls", []byte(numbers(p.Class))); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// encodeNPZ is a zip file that numpy.load reads: arr_0 are the pictures, arr_1 their classes,
// -1 for a mix.
func encodeNPZ(pictures []biggan.Picture) ([]byte, error) {
	size := pictures[0].Image.Bounds().Size()
	pixels := make([]byte, 0, len(pictures)*size.X*size.Y*3)
	var classes []byte
	for _, p := range pictures {
		pixels = appendRGB(pixels, p.Image)
		class := int64(-1)
		if len(p.Class) == 1 {
			class = int64(p.Class[0].Class)
		}
		classes = binary.LittleEndian.AppendUint64(classes, uint64(class))
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, array := range []struct {
		name, dtype string
		shape       []int
		data        []byte
	}{
		{"arr_0.npy", "|u1", []int{len(pictures), size.Y, size.X, 3}, pixels},
		{"arr_1.npy", "<i8", []int{len(pictures)}, classes},
	} {
		header := sample.NPYHeader(array.dtype, array.shape)
		length := uint64(len(header) + len(array.data))
		sum := crc32.Update(crc32.ChecksumIEEE(header), crc32.IEEETable, array.data)
		entry, err := w.CreateRaw(&zip.FileHeader{
			Name: array.name, Method: zip.Store, CRC32: sum, CompressedSize64: length, UncompressedSize64: length,
		})
		if err != nil {
			return nil, err
		}
		for _, part := range [][]byte{header, array.data} {
			if _, err := entry.Write(part); err != nil {
				return nil, err
			}
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// appendRGB appends a picture's pixels, three bytes each.
func appendRGB(to []byte, m image.Image) []byte {
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			to = append(to, c.R, c.G, c.B)
		}
	}
	return to
}
