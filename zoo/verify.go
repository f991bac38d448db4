package zoo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/biggan-zoo/biggan/checksums"
)

// Checked is a file of the store that was hashed again.
type Checked struct {
	Model   string           `json:"model"`
	Path    string           `json:"path"`
	Bytes   int64            `json:"bytes"`
	Want    checksums.Digest `json:"want,omitzero"`
	Got     checksums.Digest `json:"got,omitzero"`
	OK      bool             `json:"ok"`
	Problem string           `json:"problem,omitempty"`
}

// Verify reads every file of pulled models, and of those that were damaged, and compares
// their digests with the records. Without names it verifies the whole store.
func (s *Store) Verify(ctx context.Context, models []string, progress func(done, total int64)) ([]Checked, error) {
	if len(models) == 0 {
		var err error
		if models, err = s.Models(); err != nil {
			return nil, err
		}
	}
	var all []Checked
	var total, done int64
	for _, model := range models {
		files, err := s.toCheck(model)
		if err != nil {
			return nil, err
		}
		for _, c := range files {
			total += c.Bytes
		}
		all = append(all, files...)
	}
	for i := range all {
		c := &all[i]
		if c.Problem != "" {
			continue
		}
		want := c.Bytes
		n, got, err := hashFile(ctx, s.disk, path.Join(c.Model, path.Base(c.Path)), func(n int64) {
			if progress != nil {
				progress(done+n, total)
			}
		})
		done += want
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			c.Problem = "missing"
		case err != nil:
			c.Problem = err.Error()
		default:
			c.Got, c.OK = got, got == c.Want
			if !c.OK {
				c.Problem = fmt.Sprintf("sha256 got %s, want %s; %d bytes, want %d", got, c.Want, n, want)
			}
		}
		c.Bytes = n
	}
	return all, nil
}

// toCheck lists the files of a model with what they should be.
func (s *Store) toCheck(model string) ([]Checked, error) {
	p, err := s.Provenance(model)
	switch {
	case errors.Is(err, ErrNotPulled) && !s.orphaned(model):
		return nil, nil
	case errors.Is(err, ErrRefused), errors.Is(err, ErrNotPulled):
		return []Checked{{Model: model, Path: s.path(model, model+".safetensors"), Problem: err.Error()}}, nil
	case err != nil:
		return nil, err
	}
	want := p.SHA256
	if p.Replaces.Known() { // an interrupted pull: the old file is as good as the new one
		if _, got, err := hashFile(context.Background(), s.disk, path.Join(model, p.File), nil); err == nil && got == p.Replaces {
			want = got
		}
	}
	files := []Checked{{Model: model, Path: s.path(model, p.File), Bytes: p.Bytes, Want: want}}
	for _, f := range p.Files {
		if f.Kept {
			files = append(files, Checked{Model: model, Path: s.path(model, f.Name), Bytes: f.Bytes, Want: f.SHA256})
		}
	}
	return files, nil
}

// orphaned reports weights or a record of a model where the other is missing.
func (s *Store) orphaned(model string) bool {
	if s.disk == nil {
		return false
	}
	_, noWeights := s.disk.Lstat(path.Join(model, model+".safetensors"))
	return noWeights == nil
}

// Checksums lists what the store holds, in a form that can be contributed to the pins: the
// source files as they were downloaded, and the converted models.
func (s *Store) Checksums() (sources, converted []checksums.Entry, err error) {
	models, err := s.Models()
	if err != nil {
		return nil, nil, err
	}
	for _, model := range models {
		p, err := s.Provenance(model)
		if errors.Is(err, ErrNotPulled) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, f := range p.Files {
			if f.Name != p.File {
				sources = append(sources, checksums.Entry{Digest: f.SHA256, Model: model, File: f.Name})
			}
		}
		converted = append(converted, checksums.Entry{Digest: p.SHA256, Model: model, File: p.File})
	}
	return sources, converted, nil
}
