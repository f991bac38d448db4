package zoo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/zoo/fetch"
)

// The files of a model's folder, beside the weights and sources that were kept.
const (
	provenanceName = "provenance.json"
	recordName     = "lock.sha256"
)

// recordFormat is the version of provenance.json and of the state of partial files.
const recordFormat = 1

// maxRecord bounds the files that are read whole.
const maxRecord = 1 << 20

// Provenance says where a pulled model came from. The file beside it is the model only if
// it has the digest that stands here.
type Provenance struct {
	Format   int              `json:"format"`
	Model    string           `json:"model"`
	File     string           `json:"file"`
	Bytes    int64            `json:"bytes"`
	SHA256   checksums.Digest `json:"sha256"`
	Replaces checksums.Digest `json:"replaces,omitzero"` // of the file that this one takes the place of: an interrupted pull leaves either

	Source       string       `json:"source"`
	SourceFormat string       `json:"source_format"`
	Files        []Downloaded `json:"files"`
	Pulled       time.Time    `json:"pulled"`
	Converter    string       `json:"converter,omitempty"`
}

// Downloaded is a file that was downloaded for a model.
type Downloaded struct {
	Name   string           `json:"file"`
	URL    string           `json:"url"`
	Bytes  int64            `json:"bytes"`
	SHA256 checksums.Digest `json:"sha256"`
	Trust  Trust            `json:"trust"`
	Kept   bool             `json:"kept,omitempty"` // it is in the store
}

// Trust is why the digest of a download was accepted.
type Trust string

const (
	Pinned   Trust = "pinned"    // it is the published one
	Recorded Trust = "recorded"  // it is that of an earlier download
	FirstUse Trust = "first use" // nothing was known of it
)

// parseProvenance checks every field that leads to a file.
func parseProvenance(model string, data []byte) (*Provenance, error) {
	var p Provenance
	if err := strictJSON(data, &p); err != nil {
		return nil, err
	}
	if p.Format != recordFormat || p.Model != model || p.File != model+".safetensors" || p.Bytes <= 0 || !p.SHA256.Known() {
		return nil, fmt.Errorf("zoo: %s: format %d, model %.80q, file %.80q of %d bytes: not a record of this model", provenanceName, p.Format, p.Model, p.File, p.Bytes)
	}
	for _, f := range p.Files {
		if err := checksums.CheckFile(f.Name); err != nil {
			return nil, err
		}
		if !f.SHA256.Known() || f.Bytes < 0 {
			return nil, fmt.Errorf("zoo: %s: %s has no digest", provenanceName, f.Name)
		}
	}
	return &p, nil
}

func strictJSON(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("zoo: %w", err)
	}
	if d.More() {
		return errors.New("zoo: text after the JSON object")
	}
	return nil
}

// partState is the state of a partial file, beside it.
type partState struct {
	Format int         `json:"format"`
	File   string      `json:"file"`
	Owner  owner       `json:"owner"` // at work on it; PID 0 = nobody
	State  fetch.State `json:"state"`
}

func parsePartState(data []byte) (partState, error) {
	var s partState
	if err := strictJSON(data, &s); err != nil {
		return s, err
	}
	if s.Format != recordFormat {
		return s, fmt.Errorf("zoo: state of format %d, want %d", s.Format, recordFormat)
	}
	return s, checksums.CheckFile(s.File)
}

// readSmall reads a file of the store of bounded size.
func readSmall(d disk, name string) ([]byte, error) {
	info, err := d.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxRecord {
		return nil, fmt.Errorf("zoo: %s: not a file of at most %d bytes", name, maxRecord)
	}
	return d.ReadFile(name)
}

// recorded are the digests of what was downloaded for a model without a pin.
func (s *Store) recorded(model string) ([]checksums.Entry, error) {
	data, err := readSmall(s.disk, path.Join(model, recordName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := checksums.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRefused, s.path(model, recordName), err)
	}
	return entries, nil
}

// record adds digests of first uses. Processes whose locks do not hold may do so at the same
// time: the first that created the file is compared with, later ones add what is missing.
func (s *Store) record(model string, files []Downloaded) error {
	for range 3 {
		known, err := s.recorded(model)
		if err != nil {
			return err
		}
		grown, err := withNew(model, known, files)
		if err != nil || len(grown) == len(known) {
			return err
		}
		text := bytes.NewBufferString("# SHA-256 of files at their first download: a later one must be the same.\n")
		if err := checksums.Write(text, grown); err != nil {
			return err
		}
		err = write(s.disk, path.Join(model, recordName), text.Bytes(), len(known) > 0)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return fmt.Errorf("zoo: %s: another process keeps writing it", s.path(model, recordName))
}

func withNew(model string, known []checksums.Entry, files []Downloaded) ([]checksums.Entry, error) {
	grown := known
	for _, f := range files {
		if f.Trust == Pinned {
			continue
		}
		old, ok := lookUp(known, model, f.Name)
		if ok && old != f.SHA256 {
			return nil, fmt.Errorf("%w: %s/%s: sha256 got %s, want %s of its first download", ErrRefused, model, f.Name, f.SHA256, old)
		}
		if !ok {
			grown = append(grown, checksums.Entry{Digest: f.SHA256, Model: model, File: f.Name})
		}
	}
	return grown, nil
}

func lookUp(entries []checksums.Entry, model, file string) (checksums.Digest, bool) {
	for _, e := range entries {
		if e.Model == model && e.File == file {
			return e.Digest, true
		}
	}
	return checksums.Digest{}, false
}
