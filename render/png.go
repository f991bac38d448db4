package render

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"strings"
)

// ErrPNG is wrapped by errors about a PNG file that is corrupt or refused.
var ErrPNG = errors.New("refused PNG")

// Text is a pair of keyword and value in a PNG file.
type Text struct{ Key, Value string }

const signature = "\x89PNG\r\n\x1a\n"

// WritePNG encodes a picture with text chunks (PNG specification, 11.3.3): iTXt, UTF-8, not compressed.
func WritePNG(w io.Writer, m image.Image, texts []Text) error {
	var encoded bytes.Buffer
	if err := png.Encode(&encoded, m); err != nil {
		return err
	}
	const afterHeader = len(signature) + 4 + 4 + 13 + 4 // signature and IHDR
	out := bytes.NewBuffer(make([]byte, 0, encoded.Len()+1024))
	out.Write(encoded.Next(afterHeader))
	if err := writeTexts(out, texts); err != nil {
		return err
	}
	out.Write(encoded.Bytes())
	_, err := w.Write(out.Bytes())
	return err
}

func writeTexts(out *bytes.Buffer, texts []Text) error {
	for _, t := range texts {
		if t.Key == "" || len(t.Key) > 79 || strings.ContainsRune(t.Key+t.Value, 0) {
			return fmt.Errorf("render: text %q cannot stand in a PNG file", t.Key)
		}
		writeChunk(out, "iTXt", []byte(t.Key+"\x00\x00\x00\x00\x00"+t.Value))
	}
	return nil
}

func writeChunk(out *bytes.Buffer, kind string, data []byte) {
	chunk := append([]byte(kind), data...)
	out.Write(binary.BigEndian.AppendUint32(nil, uint32(len(data))))
	out.Write(chunk)
	out.Write(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(chunk)))
}

// IsPNG reports whether a file that begins so is a PNG file.
func IsPNG(head []byte) bool { return bytes.HasPrefix(head, []byte(signature)) }

// maxText bounds a text chunk that ReadPNG looks into.
const maxText = 1 << 20

// Info is what ReadPNG and ReadGIF find out.
type Info struct {
	Width, Height int
	Frames        int    // of an animation; 0 = a single picture that is a PNG file
	Texts         []Text // comments of a GIF file; of a PNG file, iTXt chunks that are not compressed
}

// ReadPNG reads a file's size and its texts without decoding the picture. Every chunk must
// lie inside the file and have the right CRC.
func ReadPNG(data []byte) (Info, error) {
	var info Info
	if !IsPNG(data) {
		return info, fmt.Errorf("render: %w: no PNG signature", ErrPNG)
	}
	rest := data[len(signature):]
	for first := true; ; first = false {
		at := len(data) - len(rest)
		if len(rest) < 12 {
			return info, fmt.Errorf("render: %w: cut off at byte %d, before IEND", ErrPNG, at)
		}
		n := uint64(binary.BigEndian.Uint32(rest))
		if n > uint64(len(rest)-12) {
			return info, fmt.Errorf("render: %w: chunk at byte %d has %d bytes, the file %d", ErrPNG, at, n, len(rest)-12)
		}
		kind, body := string(rest[4:8]), rest[8:8+n]
		if crc32.ChecksumIEEE(rest[4:8+n]) != binary.BigEndian.Uint32(rest[8+n:]) {
			return info, fmt.Errorf("render: %w: chunk %q at byte %d has a wrong CRC", ErrPNG, kind, at)
		}
		rest = rest[12+n:]
		if first != (kind == "IHDR") || first && n != 13 {
			return info, fmt.Errorf("render: %w: chunk %q at byte %d where IHDR belongs, or IHDR where it does not", ErrPNG, kind, at)
		}
		switch kind {
		case "IHDR":
			info.Width, info.Height = int(binary.BigEndian.Uint32(body)), int(binary.BigEndian.Uint32(body[4:]))
		case "acTL":
			if n == 8 {
				info.Frames = int(binary.BigEndian.Uint32(body))
			}
		case "iTXt":
			if text, ok := parseText(body); ok {
				info.Texts = append(info.Texts, text)
			}
		case "IEND":
			return info, nil
		}
	}
}

// parseText reads keyword, flag, method, language, translated keyword, text.
func parseText(body []byte) (Text, bool) {
	key, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || len(body) > maxText || len(rest) < 2 || rest[0] != 0 {
		return Text{}, false
	}
	_, rest, ok = bytes.Cut(rest[2:], []byte{0})
	if !ok {
		return Text{}, false
	}
	_, value, ok := bytes.Cut(rest, []byte{0})
	return Text{string(key), string(value)}, ok
}
