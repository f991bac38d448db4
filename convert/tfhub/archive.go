package tfhub

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/biggan-zoo/biggan/weights"
)

// Bounds of an archive. What is decompressed without being wanted costs time: a file may
// grow to so many times its size, and to slack more.
const (
	maxEntries = 1 << 14
	maxGrowth  = 32
	slack      = 256 << 20
)

// errDone ends a walk early.
var errDone = errors.New("done")

// walk calls f for each regular file of a .tar.gz, under its clean relative name, until f
// returns errDone or the archive ends. Nothing is written anywhere.
func walk(archive string, f func(name string, size int64, r io.Reader) error) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return refuse("gzip", err)
	}
	defer unzipped.Close()
	stream := readAhead(&bounded{r: unzipped, left: maxGrowth*info.Size() + slack})
	defer stream.close()
	return walkTar(stream, f)
}

// bounded reads so many bytes and then fails.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("it is far larger than the file that it is compressed into")
	}
	return n, err
}

// walkTar is walk of what is decompressed.
func walkTar(r io.Reader, f func(name string, size int64, r io.Reader) error) error {
	entries := tar.NewReader(r)
	seen := map[string]bool{}
	for range maxEntries {
		header, err := entries.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return refuse("tar", err)
		}
		name, ok, err := clean(header)
		if err != nil {
			return refuse("tar", err)
		}
		if !ok {
			continue
		}
		if seen[name] {
			return refuse("tar", fmt.Errorf("two entries %.100q", name))
		}
		seen[name] = true
		if err := f(name, header.Size, entries); err != nil {
			if err == errDone {
				return nil
			}
			return err
		}
	}
	return refuse("tar", fmt.Errorf("more than %d entries", maxEntries))
}

// clean is the name of an entry that may be one of a module's files; ok is false for
// folders and what else is no matter of a module.
func clean(header *tar.Header) (name string, ok bool, err error) {
	name = path.Clean(strings.TrimPrefix(header.Name, "./"))
	if name != "." && !filepath.IsLocal(name) {
		return "", false, fmt.Errorf("entry %.100q leads out of the archive", header.Name)
	}
	if name != savedModelFile && (path.Dir(name) != path.Dir(indexFile) || len(name) > 64) {
		return "", false, nil
	}
	if header.Typeflag == tar.TypeDir {
		return "", false, nil
	}
	if header.Typeflag != tar.TypeReg {
		return "", false, fmt.Errorf("entry %.100q is no file (type %q); links are not followed", name, header.Typeflag)
	}
	for record := range header.PAXRecords {
		if strings.HasPrefix(record, "GNU.sparse.") {
			return "", false, fmt.Errorf("entry %.100q is a sparse file: not supported", name)
		}
	}
	return name, true, nil
}

// openArchive reads the two describing files of an archive.
func openArchive(archive string) (*Module, error) {
	files := map[string][]byte{}
	err := walk(archive, func(name string, size int64, r io.Reader) error {
		limit, wanted := descriptions[name]
		if !wanted {
			return nil
		}
		if size > limit {
			return refuse(name, fmt.Errorf("%d bytes, want at most %d", size, limit))
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(r, data); err != nil {
			return refuse(name, err)
		}
		if files[name] = data; len(files) == len(descriptions) {
			return errDone
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{savedModelFile, indexFile} {
		if files[name] == nil {
			return nil, refuse("tar", fmt.Errorf("holds no %s", name))
		}
	}
	m, err := newModule(files[savedModelFile], files[indexFile])
	if err != nil {
		return nil, err
	}
	m.archive = archive
	return m, nil
}

// eachArchived yields variables while the archive streams by.
func (m *Module) eachArchived(ctx context.Context, want func(name string) bool, f func(info weights.Info, data []byte) error) error {
	left := map[string]int{}
	for _, v := range m.variables { // shards of which nothing is wanted need not be there
		if want(v.Name) {
			left[shardFile(v.shard, m.count)] = v.shard
		}
	}
	if len(left) == 0 {
		return nil
	}
	err := walk(m.archive, func(name string, size int64, r io.Reader) error {
		number, ok := left[name]
		if !ok {
			return nil
		}
		delete(left, name)
		if err := m.inside(number, size); err != nil {
			return err
		}
		if err := m.eachFrom(ctx, r, number, want, f); err != nil {
			return err
		}
		if len(left) == 0 {
			return errDone
		}
		return nil
	})
	if err != nil {
		return err
	}
	for name := range left {
		return refuse("tar", fmt.Errorf("holds no %s", name))
	}
	return nil
}
