package bench

import (
	"crypto/sha256"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// copyHashed reads, hashes, writes and syncs a file, decompressed if it is a .gz: what a
// conversion cannot do without.
func copyHashed(src, dst string) error {
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := hashed(src, out); err != nil {
		return err
	}
	return out.Sync()
}

// hashed reads and hashes a file, decompressed if it is a .gz, and writes it to out.
func hashed(src string, out io.Writer) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	var content io.Reader = in
	if strings.HasSuffix(src, ".gz") {
		if content, err = gzip.NewReader(in); err != nil {
			return err
		}
	}
	h := sha256.New()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(out, h)}, struct{ io.Reader }{content}, make([]byte, 1<<20))
	return err
}
