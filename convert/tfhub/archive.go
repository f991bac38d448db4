package tfhub

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/gzip"

	"github.com/biggan-zoo/biggan/weights"
)

// maxDescription bounds saved_model.pb and variables.index inside an archive: the largest
// real ones have some 15 MB.
const maxDescription = 256 << 20

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
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return refuse("gzip", err)
	}
	defer unzipped.Close()
	entries := tar.NewReader(unzipped)
	for seen := map[string]bool{}; ; {
		header, err := entries.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return refuse("tar", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue // folders; links are not followed
		}
		name := path.Clean(header.Name)
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
}

// openArchive reads the two describing files of an archive.
func openArchive(archive string) (*Module, error) {
	var savedModel, index []byte
	err := walk(archive, func(name string, size int64, r io.Reader) error {
		to := map[string]*[]byte{savedModelFile: &savedModel, indexFile: &index}[name]
		if to == nil {
			return nil
		}
		if size > maxDescription {
			return refuse(name, fmt.Errorf("%d bytes, want at most %d", size, maxDescription))
		}
		data, err := readGrowing(r, nil, size)
		if err != nil {
			return refuse(name, err)
		}
		*to = data
		if savedModel != nil && index != nil {
			return errDone
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, data := range map[string][]byte{savedModelFile: savedModel, indexFile: index} {
		if data == nil {
			return nil, refuse("tar", fmt.Errorf("holds no %s", name))
		}
	}
	m, err := newModule(savedModel, index)
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
	err := walk(m.archive, func(name string, _ int64, r io.Reader) error {
		number, ok := left[name]
		if !ok {
			return nil
		}
		delete(left, name)
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
