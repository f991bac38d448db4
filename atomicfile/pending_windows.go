package atomicfile

import (
	"os"
	"path/filepath"
)

// pendingFile does on Windows what renameio, which leaves it out, does elsewhere: os.Rename replaces
// a file there too, in one step of the file system's journal.
type pendingFile struct {
	*os.File
	path string
	done bool
}

func newPending(path string) (*pendingFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, err
	}
	return &pendingFile{File: f, path: path}, nil
}

// CloseAtomicallyReplace gives the file its name.
func (f *pendingFile) CloseAtomicallyReplace() error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.File.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return err
	}
	f.done = true
	return nil
}

// Cleanup removes what was not given its name. It may be called twice.
func (f *pendingFile) Cleanup() error {
	if f.done {
		return nil
	}
	f.done = true
	_ = f.File.Close() // may be closed already
	return os.Remove(f.Name())
}
