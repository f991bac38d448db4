package dataset

import (
	"errors"
	"io/fs"
	"os"

	"github.com/biggan-zoo/biggan/atomicfile"
)

// Store is where files go: the file system, or what a cluster has in its place. It is safe
// for concurrent use.
type Store interface {
	// Folder makes a folder, where such a thing is needed; one that is there is no error.
	Folder(path string) error
	// Exists reports whether there is a file.
	Exists(path string) (bool, error)
	// Read reads a file. Errors wrap fs.ErrNotExist if there is none.
	Read(path string) ([]byte, error)
	// Write writes a file whole or not at all. Errors wrap atomicfile.ErrExists if there is one
	// that may not be overwritten.
	Write(path string, data []byte, overwrite bool) error
}

// Local is the file system of this machine, or one that several machines share.
type Local struct{}

// Folder implements Store.
func (Local) Folder(path string) error {
	if err := os.Mkdir(path, 0o755); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Exists implements Store.
func (Local) Exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Read implements Store.
func (Local) Read(path string) ([]byte, error) { return os.ReadFile(path) }

// Write implements Store.
func (Local) Write(path string, data []byte, overwrite bool) error {
	return atomicfile.Write(path, data, overwrite)
}
