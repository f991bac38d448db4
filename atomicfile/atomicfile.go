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
	"sync"
	"sync/atomic"
)

// ErrExists is wrapped when a file stands where a new one should be written.
var ErrExists = errors.New("file exists")

// ErrIrregular is the ErrExists of a folder or a device, which no file replaces.
var ErrIrregular = fmt.Errorf("%w, and is no regular file", ErrExists)

// File is a temporary file beside its final place.
type File struct {
	*pendingFile
	path      string
	overwrite bool

	unsynced atomic.Int64 // bytes written since the disk was last asked for them
	syncing  atomic.Bool
	early    sync.WaitGroup
	failed   error // why the disk did not take what it was sent early
}

// syncEvery is after how many bytes the disk is sent what is written, while more is being
// written: so Commit waits for the last of them alone.
const syncEvery = 32 << 20

// Check finds out before the work what Create would find out after it: a file that stands at
// path, or a folder that is not there or takes no files.
func Check(path string, overwrite bool) error {
	f, err := Create(path, overwrite)
	if err != nil {
		return err
	}
	return f.Close()
}

// CheckAbsent returns ErrExists, or ErrIrregular, if something stands at path.
func CheckAbsent(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().IsRegular() || info.Mode().Type() == fs.ModeSymlink:
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	return fmt.Errorf("%s: %w", path, ErrIrregular)
}

// Create begins a file; the caller writes, then calls Commit, and always Close. Without
// overwrite an existing file is ErrExists, now or, if it appears meanwhile, at Commit.
func Create(path string, overwrite bool) (*File, error) {
	if err := CheckAbsent(path); err != nil && (!overwrite || errors.Is(err, ErrIrregular) || !errors.Is(err, ErrExists)) {
		return nil, err
	}
	pending, err := newPending(path)
	if err != nil {
		return nil, named(path, err)
	}
	return &File{pendingFile: pending, path: path, overwrite: overwrite}, nil
}

// named says path where err says the name of the temporary file beside it.
func named(path string, err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return &fs.PathError{Op: p.Op, Path: path, Err: p.Err}
	}
	return err
}

// Write writes to the temporary file.
func (f *File) Write(data []byte) (int, error) {
	n, err := f.pendingFile.Write(data)
	f.wrote(n)
	return n, named(f.path, err)
}

// WriteAt writes to the temporary file.
func (f *File) WriteAt(data []byte, at int64) (int, error) {
	n, err := f.pendingFile.WriteAt(data, at)
	f.wrote(n)
	return n, named(f.path, err)
}

// wrote counts bytes, and sends them to the disk when there are many.
func (f *File) wrote(n int) {
	if f.unsynced.Add(int64(n)) < syncEvery || !f.syncing.CompareAndSwap(false, true) {
		return
	}
	f.unsynced.Store(0)
	f.early.Go(func() {
		if err := f.Sync(); err != nil && f.failed == nil {
			f.failed = err // the next Sync may not tell of it again
		}
		f.syncing.Store(false)
	})
}

// Commit syncs the file, gives it its name and syncs the folder.
func (f *File) Commit() error {
	f.early.Wait()
	if f.failed != nil {
		return named(f.path, f.failed)
	}
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
func (f *File) Close() error {
	f.early.Wait()
	return f.Cleanup()
}

// Write makes a whole file of data.
func Write(path string, data []byte, overwrite bool) error {
	f, err := Create(path, overwrite)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}
