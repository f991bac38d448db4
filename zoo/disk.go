package zoo

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// disk is what the store does to its folder. Names are relative to it, with slashes.
type disk interface {
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	ReadFile(name string) ([]byte, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	Lstat(name string) (fs.FileInfo, error)
	Mkdir(name string) error
	Rename(from, to string) error
	Link(from, to string) error
	Remove(name string) error
	RemoveAll(name string) error
	Sync(f *os.File) error
	SyncFolder(name string) error
}

// rootDisk is a folder that no name leads out of, symbolic links included.
type rootDisk struct{ *os.Root }

func (r rootDisk) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(r.FS(), name) }
func (r rootDisk) Mkdir(name string) error                    { return r.Root.Mkdir(name, 0o755) }
func (r rootDisk) Sync(f *os.File) error                      { return f.Sync() }

func (r rootDisk) SyncFolder(name string) error {
	d, err := r.Open(name)
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

// Names of what is under way begin with a dot, so that no file of a source can be called so.
const (
	partPrefix = ".part-"
	workPrefix = ".work-"
	tempPrefix = ".temp-"
	lockName   = ".lock"
)

// owner is a process: host and number.
type owner struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

func self() owner { return owner{hostID(), os.Getpid()} }

// hostID tells hosts that share a store apart.
func hostID() string {
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:3])
}

// underWay are the names that this process is at work on.
var underWay sync.Map

// alive reports whether a process may still be at work on a name that it last touched then.
// Processes of other hosts cannot be asked: they are given a day.
func (o owner) alive(name string, touched time.Time) bool {
	if o.PID <= 0 {
		return false
	}
	if o == self() {
		_, busy := underWay.Load(name)
		return busy
	}
	if o.Host != hostID() {
		return time.Since(touched) < 24*time.Hour
	}
	p, err := os.FindProcess(o.PID)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, os.ErrPermission)
}

func random() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// temporary is a fresh name that tells whose it is; done when the work on it has ended.
func temporary(prefix string) (name string, done func()) {
	o := self()
	name = fmt.Sprintf("%s%s-%d-%s", prefix, o.Host, o.PID, random())
	underWay.Store(name, true)
	return name, func() { underWay.Delete(name) }
}

// ownerOf reads a name that temporary made.
func ownerOf(name string) (owner, bool) {
	for _, prefix := range []string{workPrefix, tempPrefix} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			fields := strings.Split(rest, "-")
			if len(fields) != 3 {
				return owner{}, true // nobody's
			}
			pid, err := strconv.Atoi(fields[1])
			if err != nil {
				pid = 0
			}
			return owner{fields[0], pid}, true
		}
	}
	return owner{}, false
}

// write gives a file its name once it is whole and on disk. Without replace, a file that
// stands there already is fs.ErrExist.
func write(d disk, name string, data []byte, replace bool) error {
	folder := path.Dir(name)
	base, done := temporary(tempPrefix)
	defer done()
	temp := path.Join(folder, base)
	f, err := d.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = d.Sync(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = publish(d, temp, name, replace)
	}
	if err != nil {
		return errors.Join(err, dropped(d.Remove(temp)))
	}
	return d.SyncFolder(folder)
}

// publish gives a temporary file its final name.
func publish(d disk, temp, name string, replace bool) error {
	if replace {
		return d.Rename(temp, name)
	}
	err := d.Link(temp, name)
	if err == nil {
		return d.Remove(temp)
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	// The file system has no hard links: look and rename.
	if _, err := d.Lstat(name); err == nil {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	return d.Rename(temp, name)
}

// dropped is the error of removing something that need not be there.
func dropped(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
