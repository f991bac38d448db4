package zoo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/biggan-zoo/biggan/zoo/fetch"
)

// partial is a download of this process: a file under a name of its own, its state beside
// it. Two processes never write one file, whether locks hold or not.
type partial struct {
	store *Store
	model string
	name  string // of the bytes; the state has .json behind it
	file  *os.File
	part  *fetch.Partial
	state partState
}

// found is a partial file as it lies in a model's folder.
type found struct {
	name  string
	state partState
	bytes int64
	alive bool // its process may be at work on it
}

// partials lists the partial files of a model, those that nobody can use among them.
func (s *Store) partials(model string) ([]found, error) {
	entries, err := s.disk.ReadDir(model)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []found
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".json")
		if !strings.HasPrefix(name, partPrefix) || slices.ContainsFunc(all, func(f found) bool { return f.name == name }) {
			continue
		}
		f := found{name: name}
		if info, err := s.disk.Lstat(path.Join(model, name)); err == nil {
			f.bytes = info.Size()
		}
		if info, err := s.disk.Lstat(path.Join(model, name+".json")); err == nil {
			if data, err := readSmall(s.disk, path.Join(model, name+".json")); err == nil {
				if f.state, err = parsePartState(data); err == nil {
					f.alive = f.state.Owner.alive(name, info.ModTime())
				}
			}
		}
		all = append(all, f)
	}
	return all, nil
}

// claim takes the longest partial file of a source file that no process is at work on, or
// begins one.
func (s *Store) claim(model, file string) (*partial, error) {
	all, err := s.partials(model)
	if err != nil {
		return nil, err
	}
	p := &partial{store: s, model: model, name: partPrefix + random(), state: partState{Format: recordFormat, File: file, Owner: self()}}
	underWay.Store(p.name, true)
	slices.SortFunc(all, func(a, b found) int { return int(min(max(b.state.State.Verified()-a.state.State.Verified(), -1), 1)) })
	for _, f := range all {
		if f.state.File != file || f.alive || f.bytes == 0 {
			continue
		}
		p.state.State = f.state.State
		if err := p.save(); err != nil {
			underWay.Delete(p.name)
			return nil, err
		}
		if err := s.disk.Rename(path.Join(model, f.name), p.path()); errors.Is(err, fs.ErrNotExist) {
			continue // another process was first
		} else if err != nil {
			return nil, errors.Join(err, p.remove())
		}
		if err := dropped(s.disk.Remove(path.Join(model, f.name+".json"))); err != nil {
			underWay.Delete(p.name)
			return nil, err
		}
		if err := p.open(0); err != nil {
			underWay.Delete(p.name)
			return nil, err
		}
		return p, nil
	}
	p.state.State = fetch.State{}
	if err := p.save(); err != nil {
		underWay.Delete(p.name)
		return nil, err
	}
	if err := p.open(os.O_CREATE | os.O_EXCL); err != nil {
		return nil, errors.Join(err, p.remove())
	}
	return p, nil
}

func (p *partial) path() string { return path.Join(p.model, p.name) }

func (p *partial) open(flag int) error {
	var err error
	if p.file, err = p.store.disk.OpenFile(p.path(), os.O_RDWR|flag, 0o644); err != nil {
		return err
	}
	p.part = &fetch.Partial{Storage: p.file, State: p.state.State, Save: func(s fetch.State) error {
		p.state.State = s
		return p.save()
	}}
	return nil
}

// save writes the state: replaced whole, not synced, since its marks are proven anyway.
func (p *partial) save() error {
	data, err := json.Marshal(p.state)
	if err != nil {
		return err
	}
	base, done := temporary(tempPrefix)
	defer done()
	d, temp := p.store.disk, path.Join(p.model, base)
	f, err := d.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = d.Rename(temp, p.path()+".json")
	}
	if err != nil {
		return errors.Join(err, dropped(d.Remove(temp)))
	}
	return nil
}

// release leaves the partial file to whoever comes next, if it holds anything.
func (p *partial) release() error {
	defer underWay.Delete(p.name)
	err := p.file.Close()
	if p.state.State.Verified() == 0 {
		return errors.Join(err, p.remove())
	}
	p.state.Owner = owner{}
	return errors.Join(err, p.save())
}

// remove deletes the file, then its state.
func (p *partial) remove() error {
	defer underWay.Delete(p.name)
	d := p.store.disk
	return errors.Join(dropped(d.Remove(p.path())), dropped(d.Remove(p.path()+".json")))
}

// keep gives the whole file a name in the model's folder.
func (p *partial) keep(name string) error {
	if err := p.store.disk.Sync(p.file); err != nil {
		return err
	}
	if err := p.store.disk.Rename(p.path(), path.Join(p.model, name)); err != nil {
		return err
	}
	return dropped(p.store.disk.Remove(p.path() + ".json"))
}

// touched is when a file was last written; with all, as if that was long ago: who is asked to
// remove everything gives processes of other hosts no day.
func touched(info fs.FileInfo, all bool) time.Time {
	if all {
		return time.Time{}
	}
	return info.ModTime()
}

// sweep removes what dead processes left of a model: temporary files and folders, states
// without files. Partial files stay, unless all is set.
func (s *Store) sweep(model string, all bool) (removed []string, err error) {
	entries, err := s.disk.ReadDir(model)
	if err != nil {
		return nil, dropped(err)
	}
	remove := func(name string) error {
		removed = append(removed, s.path(model, name))
		return dropped(s.disk.RemoveAll(path.Join(model, name)))
	}
	for _, e := range entries {
		if o, ok := ownerOf(e.Name()); ok {
			info, err := e.Info()
			if err != nil || o.alive(e.Name(), touched(info, all)) {
				continue
			}
			if err := remove(e.Name()); err != nil {
				return removed, err
			}
		}
	}
	parts, err := s.partials(model)
	if err != nil {
		return removed, err
	}
	for _, f := range parts {
		if f.alive && (!all || f.state.Owner.alive(f.name, time.Time{})) || !all && f.bytes > 0 {
			continue
		}
		if err := errors.Join(dropped(s.disk.Remove(path.Join(model, f.name))), dropped(s.disk.Remove(path.Join(model, f.name+".json")))); err != nil {
			return removed, fmt.Errorf("zoo: %s: %w", s.path(model, f.name), err)
		}
		removed = append(removed, s.path(model, f.name))
	}
	return removed, nil
}
