package zoo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/zoo/fetch"
)

var (
	// ErrNotPulled means that a model is not in the store.
	ErrNotPulled = errors.New("not on this machine")
	// ErrEmbedded means that a model is part of the program.
	ErrEmbedded = errors.New("part of the program")
	// ErrBusy means that another process is at work on a model.
	ErrBusy = errors.New("another process is at work on it")
	// ErrOffline means that a model would have to be downloaded, which was forbidden.
	ErrOffline = fmt.Errorf("%w: offline", fetch.ErrNetwork)
	// ErrRefused means that what was downloaded, or what the store holds, is not accepted.
	ErrRefused = fetch.ErrRefused
	// ErrNetwork means that no source sent the file.
	ErrNetwork = fetch.ErrNetwork
)

// Store is a folder with a folder for each model. It is safe for concurrent use, also by
// several processes.
type Store struct {
	folder string
	disk   disk // nil: the folder does not exist
	root   *os.Root

	// lock takes the lock of a model, waiting for it only if wait; ErrBusy otherwise.
	lock func(ctx context.Context, file string, wait bool) (unlock func() error, err error)
}

// OpenStore opens a store; with create it makes the folder. A store that does not exist is
// an empty one. Close it when done.
func OpenStore(folder string, create bool) (*Store, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("zoo: %w", err)
	}
	if create {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("zoo: the store: %w", err)
		}
	}
	s := &Store{folder: folder, lock: fileLock}
	s.root, err = os.OpenRoot(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("zoo: the store: %w", err)
	}
	s.disk = rootDisk{s.root}
	return s, nil
}

// Close releases the folder.
func (s *Store) Close() error {
	if s.root == nil {
		return nil
	}
	return s.root.Close()
}

// Folder is the store's absolute path.
func (s *Store) Folder() string { return s.folder }

func (s *Store) path(names ...string) string {
	return filepath.Join(append([]string{s.folder}, names...)...)
}

// fileLock locks by a file that is there as long as it is locked. A lock on a file that was
// removed meanwhile counts for nothing.
func fileLock(ctx context.Context, file string, wait bool) (func() error, error) {
	for {
		l := flock.New(file, flock.SetPermissions(0o644))
		locked, err := l.TryLock()
		if err != nil {
			return nil, fmt.Errorf("zoo: %w", err)
		}
		if !locked && !wait {
			return nil, ErrBusy
		}
		if !locked {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(50 * time.Millisecond):
				continue
			}
		}
		mine, err := l.Stat()
		if there, thereErr := os.Stat(file); err == nil && thereErr == nil && os.SameFile(mine, there) {
			return func() error {
				var err error
				if there, thereErr := os.Stat(file); thereErr == nil && os.SameFile(mine, there) {
					err = dropped(os.Remove(file))
				}
				return errors.Join(err, l.Unlock())
			}, nil
		}
		if err := l.Unlock(); err != nil {
			return nil, fmt.Errorf("zoo: %w", err)
		}
	}
}

// begin makes a model's folder and takes its lock. tell is called before waiting.
func (s *Store) begin(ctx context.Context, model string, tell func()) (unlock func() error, err error) {
	if err := checksums.CheckModel(model); err != nil {
		return nil, err
	}
	for {
		if err := s.disk.Mkdir(model); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("zoo: %s: %w", s.path(model), err)
		}
		// A link would lead the lock and the conversion out of the store.
		if info, err := s.disk.Lstat(model); errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		} else if err != nil {
			return nil, fmt.Errorf("zoo: %s: %w", s.path(model), err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("%w: %s is no folder", ErrRefused, s.path(model))
		}
		unlock, err := s.lock(ctx, s.path(model, lockName), false)
		if errors.Is(err, ErrBusy) && tell != nil {
			tell()
			unlock, err = s.lock(ctx, s.path(model, lockName), true)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return unlock, err
	}
}

// Provenance is the record of a model that was pulled whole; ErrNotPulled if it was not.
// Its file is there and has the recorded size; Verify compares the content.
func (s *Store) Provenance(model string) (*Provenance, error) {
	missing := fmt.Errorf("zoo: %s: %w", model, ErrNotPulled)
	if err := checksums.CheckModel(model); err != nil || s.disk == nil {
		return nil, missing
	}
	data, err := readSmall(s.disk, path.Join(model, provenanceName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	p, err := parseProvenance(model, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRefused, s.path(model, provenanceName), err)
	}
	info, err := s.disk.Lstat(path.Join(model, p.File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != p.Bytes && !p.Replaces.Known() {
		return nil, fmt.Errorf("%w: %s: %d bytes, want %d: `biggan pull %s` mends it", ErrRefused, s.path(model, p.File), info.Size(), p.Bytes, model)
	}
	return p, nil
}

// Path is the file of a pulled model.
func (s *Store) Path(model string) (string, error) {
	p, err := s.Provenance(model)
	if err != nil {
		return "", err
	}
	return s.path(model, p.File), nil
}

// Held says what a store holds of a model.
type Held struct {
	Model      string
	Provenance *Provenance // nil if it is not pulled
	Damage     error       // why what is there is not the model; `biggan pull` mends it
	Partials   []Partial
}

// Partial is a download that was not finished.
type Partial struct {
	File     string `json:"file"`
	Verified int64  `json:"verified_bytes"`
	Bytes    int64  `json:"bytes"` // of the whole file; 0 = not known
	Active   bool   `json:"active"`
}

// Held looks at one model.
func (s *Store) Held(model string) (Held, error) {
	h := Held{Model: model}
	if s.disk == nil || checksums.CheckModel(model) != nil {
		return h, nil
	}
	var err error
	if h.Provenance, err = s.Provenance(model); err != nil && !errors.Is(err, ErrNotPulled) {
		h.Damage = err
	}
	parts, err := s.partials(model)
	for _, f := range parts {
		if f.bytes > 0 || f.alive {
			h.Partials = append(h.Partials, Partial{f.state.File, f.state.State.Verified(), f.state.State.Bytes, f.alive})
		}
	}
	return h, err
}

// Models are the names of the folders in the store, sorted.
func (s *Store) Models() ([]string, error) {
	if s.disk == nil {
		return nil, nil
	}
	entries, err := s.disk.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("zoo: the store: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && checksums.CheckModel(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Remove deletes a model with its partial files. The digests of its first downloads stay
// recorded unless forget. It returns what was deleted; ErrNotPulled if there was nothing.
func (s *Store) Remove(ctx context.Context, model string, forget bool) ([]string, error) {
	if s.disk == nil || checksums.CheckModel(model) != nil {
		return nil, fmt.Errorf("zoo: %s: %w", model, ErrNotPulled)
	}
	if _, err := s.disk.Lstat(model); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("zoo: %s: %w", model, ErrNotPulled)
	}
	unlock, err := s.begin(ctx, model, nil)
	if err != nil {
		return nil, fmt.Errorf("zoo: %s: %w", model, err)
	}
	defer unlock()
	entries, err := s.disk.ReadDir(model)
	if err != nil {
		return nil, fmt.Errorf("zoo: %w", err)
	}
	// The record of the model goes first: a model without it is not pulled, whatever else is there.
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int { return rank(a.Name()) - rank(b.Name()) })
	var removed []string
	for _, e := range entries {
		if e.Name() == lockName || e.Name() == recordName && !forget {
			continue
		}
		if err := dropped(s.disk.RemoveAll(path.Join(model, e.Name()))); err != nil {
			return removed, fmt.Errorf("zoo: %w", err)
		}
		removed = append(removed, s.path(model, e.Name()))
	}
	if err := s.emptied(model); err != nil {
		return removed, fmt.Errorf("zoo: %w", err)
	}
	if len(removed) == 0 {
		return nil, fmt.Errorf("zoo: %s: %w (the digests of earlier downloads are recorded)", model, ErrNotPulled)
	}
	return removed, nil
}

// rank orders the deletion: the record first.
func rank(name string) int {
	if name == provenanceName {
		return 0
	}
	return 1
}

// Prune deletes partial files and whatever interrupted processes left, of models that no
// process is at work on; busy names the others.
func (s *Store) Prune(ctx context.Context) (removed, busy []string, err error) {
	models, err := s.Models()
	if err != nil {
		return nil, nil, err
	}
	for _, model := range models {
		unlock, err := s.begin(ctx, model, nil)
		if errors.Is(err, ErrBusy) {
			busy = append(busy, model)
			continue
		}
		if err != nil {
			return removed, busy, err
		}
		gone, err := s.sweep(model, true)
		removed = append(removed, gone...)
		if err == nil {
			err = s.emptied(model)
		}
		if err := errors.Join(err, unlock()); err != nil {
			return removed, busy, err
		}
	}
	return removed, busy, nil
}

// emptied deletes a model's folder that holds nothing but its lock.
func (s *Store) emptied(model string) error {
	entries, err := s.disk.ReadDir(model)
	if err != nil || len(entries) > 1 || len(entries) == 1 && entries[0].Name() != lockName {
		return err
	}
	return errors.Join(dropped(s.disk.Remove(path.Join(model, lockName))), dropped(s.disk.Remove(model)))
}
