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
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(dst)
	if err != nil {
		return err
	}
	defer out.Close()
	var content io.Reader = in
	if strings.HasSuffix(src, ".gz") {
		if content, err = gzip.NewReader(in); err != nil {
			return err
		}
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(out, h)}, struct{ io.Reader }{content}, make([]byte, 1<<20)); err != nil {
		return err
	}
	return out.Sync()
}
