// Package atomicfile gives a file its final name only when it is whole and on disk: a
// reader sees the old file or the new one, never a part.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// ErrExists is wrapped when a file stands where a new one should be written.
var ErrExists = errors.New("file exists")

// File is a temporary file beside its final place.
type File struct {
	*pendingFile
	path      string
	overwrite bool
}

// CheckAbsent returns ErrExists if something stands at path.
func CheckAbsent(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Create begins a file; the caller writes, then calls Commit, and always Close. Without
// overwrite an existing file is ErrExists, now or, if it appears meanwhile, at Commit.
func Create(path string, overwrite bool) (*File, error) {
	if !overwrite {
		if err := CheckAbsent(path); err != nil {
			return nil, err
		}
	}
	pending, err := newPending(path)
	if err != nil {
		return nil, err
	}
	return &File{pending, path, overwrite}, nil
}

// Commit syncs the file, gives it its name and syncs the folder.
func (f *File) Commit() error {
	publish := f.CloseAtomicallyReplace
	if !f.overwrite {
		publish = f.link
	}
	if err := publish(); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(f.path))
}

// link makes a hard link, which fails where a rename would replace.
func (f *File) link() error {
	if err := f.Sync(); err != nil {
		return err
	}
	switch err := os.Link(f.Name(), f.path); {
	case err == nil:
		return f.Cleanup()
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", f.path, ErrExists)
	}
	// The file system has no hard links: check and rename.
	if err := CheckAbsent(f.path); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

func syncFolder(folder string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be synced there, and need not be
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems cannot sync a folder; the rename has happened all the same.
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrInvalid) {
		return err
	}
	return nil
}

// Close discards what was not committed. It may be called twice, and after Commit.
func (f *File) Close() error { return f.Cleanup() }

// Write makes a whole file of data.
func Write(path string, data []byte, overwrite bool) error {
	f, err := Create(path, overwrite)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.pendingFile.Write(data); err != nil {
		return err
	}
	return f.Commit()
}
