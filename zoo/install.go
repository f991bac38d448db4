package zoo

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"time"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/weights"
	"github.com/biggan-zoo/biggan/zoo/fetch"
)

// maxSource bounds a download of unknown size; the largest checkpoint known has 350 MB.
const maxSource = 4 << 30

// from pulls from one source.
func (p *pull) from(ctx context.Context, client *fetch.Client, source Source) error {
	main := source.Files[0]
	if main.Name == provenanceName || main.Name == recordName {
		return fmt.Errorf("%w: a checkpoint called %s", ErrRefused, main.Name)
	}
	want, trust, err := p.expected(source, main.Name)
	if err != nil {
		return err
	}
	if p.options.RequirePinned && trust != Pinned {
		return fmt.Errorf("%w: %s/%s has no published digest", ErrRefused, p.model.Name, main.Name)
	}
	if err := p.admit(main.Bytes); err != nil {
		return err
	}
	config, side, err := p.sideFiles(ctx, client, source)
	if err != nil {
		return err
	}
	part, err := p.store.claim(p.model.Name, main.Name)
	if err != nil {
		return err
	}
	d, err := p.download(ctx, client, part, main, want, trust)
	if err == nil {
		err = p.install(ctx, part, source, append([]Downloaded{d}, side...), config)
		if errors.Is(err, weights.ErrFormat) && trust != Pinned || errors.Is(err, ErrRefused) {
			part.state.State = fetch.State{} // not what was wanted: not kept
		}
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("%s: %w", main.Name, err), part.release())
		p.verified = max(p.verified, part.state.State.Verified())
		return err
	}
	return nil
}

// download fetches the weights of a source into a partial file.
func (p *pull) download(ctx context.Context, client *fetch.Client, part *partial, f SourceFile, want checksums.Digest, trust Trust) (Downloaded, error) {
	u, err := url.Parse(f.URL)
	if err != nil {
		return Downloaded{}, err
	}
	p.verified = part.state.State.Verified()
	progress := func(done, total int64) {
		if p.options.Progress != nil {
			p.options.Progress(Downloading, done, total)
		}
	}
	digest, err := client.Get(ctx, fetch.File{URL: u, Bytes: f.Bytes, Digest: want, Limit: maxSource}, part.part, progress)
	if err != nil {
		return Downloaded{}, err
	}
	return Downloaded{Name: f.Name, URL: u.Redacted(), Bytes: part.state.State.Bytes, SHA256: digest, Trust: trust, Kept: p.options.KeepSource}, nil
}

// sideFiles fetches what stands beside the weights: config.json. Without one the registry's is taken.
func (p *pull) sideFiles(ctx context.Context, client *fetch.Client, source Source) (config []byte, side []Downloaded, err error) {
	for _, f := range source.Files[1:] {
		data, d, err := p.sideFile(ctx, client, source, f)
		if err != nil && f.Optional && !final(ctx, err) {
			p.options.note("%s: %v: the registry's config is taken", p.model.Name, err)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		config, side = data, append(side, d)
	}
	if config == nil && source.Format == "hf" && p.model.Architecture == "biggan-deep" {
		config, err = p.model.ConfigJSON()
	}
	return config, side, err
}

func (p *pull) sideFile(ctx context.Context, client *fetch.Client, source Source, f SourceFile) ([]byte, Downloaded, error) {
	want, trust, err := p.expected(source, f.Name)
	if err != nil {
		return nil, Downloaded{}, err
	}
	if p.options.RequirePinned && trust != Pinned {
		return nil, Downloaded{}, fmt.Errorf("%w: %s/%s has no published digest", ErrRefused, p.model.Name, f.Name)
	}
	u, err := url.Parse(f.URL)
	if err != nil {
		return nil, Downloaded{}, err
	}
	data, err := client.Small(ctx, u, maxRecord)
	if err != nil {
		return nil, Downloaded{}, err
	}
	h := sha256.New()
	h.Write(data)
	digest, err := checksums.Of(h)
	if err != nil {
		return nil, Downloaded{}, err
	}
	if want.Known() && digest != want {
		return nil, Downloaded{}, fmt.Errorf("%w: %s: sha256 got %s, want %s", ErrRefused, u.Redacted(), digest, want)
	}
	return data, Downloaded{f.Name, u.Redacted(), int64(len(data)), digest, trust, p.options.KeepSource}, nil
}

// install makes the model of what was downloaded and gives it its place.
func (p *pull) install(ctx context.Context, part *partial, source Source, files []Downloaded, config []byte) (err error) {
	s, model := p.store, p.model.Name
	base, done := temporary(workPrefix)
	defer done()
	work := path.Join(model, base)
	if err := s.disk.Mkdir(work); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dropped(s.disk.RemoveAll(work))) }()
	name := model + ".safetensors"
	made := path.Join(work, name)
	converted := source.Format == "biggan"
	if converted {
		made = part.path()
		files[0].Kept = false // it is the model itself
		if err := s.disk.Sync(part.file); err != nil {
			return err
		}
	} else if err := p.convert(ctx, part, s.path(made), source, files[0], config); err != nil {
		return err
	}
	if err := checkNetwork(p.model, s.path(made)); err != nil {
		return err
	}
	prov := &Provenance{
		Format: recordFormat, Model: model, File: name, Source: source.Name, SourceFormat: source.Format,
		Files: files, Pulled: time.Now().UTC().Truncate(time.Second), Converter: p.options.Converter,
	}
	if prov.Bytes, prov.SHA256, err = hashFile(ctx, s.disk, made, nil); err != nil {
		return err
	}
	if converted && prov.SHA256 != files[0].SHA256 {
		return fmt.Errorf("%w: %s changed on disk while it was looked at", ErrRefused, s.path(made))
	}
	if err := s.record(model, files); err != nil {
		return err
	}
	for _, f := range files {
		if f.Trust == FirstUse {
			p.options.note("%s/%s has no published digest: trusted on first use, sha256 %s is recorded in %s", model, f.Name, f.SHA256, s.path(model, recordName))
		}
	}
	if err := p.keep(part, files, config); err != nil {
		return err
	}
	if err := p.place(prov, made); err != nil {
		return err
	}
	p.result = prov
	return p.tidy(part)
}

// convert runs the converter on a partial file that is whole.
func (p *pull) convert(ctx context.Context, part *partial, dst string, source Source, file Downloaded, config []byte) error {
	converting.Lock()
	defer converting.Unlock()
	_, err := convert.File(ctx, p.store.path(part.path()), dst, convert.Options{
		From: source.Format, Config: config, Network: registry.Network,
		SourceFile: file.Name, SourceSHA256: file.SHA256.String(),
		Model: p.model.Name, Converter: p.options.Converter, LicenseNote: p.model.Licence,
		Progress: func(done, total int64) {
			if p.options.Progress != nil {
				p.options.Progress(Converting, done, total)
			}
		},
	})
	return err
}

// keep puts the source's files beside the model, if that was asked for.
func (p *pull) keep(part *partial, files []Downloaded, config []byte) error {
	for _, f := range files {
		switch {
		case !f.Kept:
		case f.Name == files[0].Name:
			if err := p.store.disk.Sync(part.file); err != nil {
				return err
			}
			// A second name: if something fails before the end the partial is still there.
			at := path.Join(p.model.Name, f.Name)
			if err := dropped(p.store.disk.Remove(at)); err != nil {
				return err
			}
			if err := p.store.disk.Link(part.path(), at); err != nil {
				if err := part.keep(f.Name); err != nil {
					return err
				}
			}
		default:
			if err := write(p.store.disk, path.Join(p.model.Name, f.Name), config, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// place gives the model its name. The record comes first and names the file that it may
// find, old or new: whenever the process dies, record and file agree.
func (p *pull) place(prov *Provenance, made string) error {
	s, model := p.store, p.model.Name
	record, at := path.Join(model, provenanceName), path.Join(model, prov.File)
	replaced, err := s.replaced(model)
	if err != nil {
		return err
	}
	prov.Replaces = replaced
	if err := writeJSON(s.disk, record, prov); err != nil {
		return err
	}
	if err := s.disk.Rename(made, at); err != nil {
		return err
	}
	if err := s.disk.SyncFolder(model); err != nil {
		return err
	}
	if !replaced.Known() {
		return nil
	}
	prov.Replaces = checksums.Digest{}
	return writeJSON(s.disk, record, prov)
}

func writeJSON(d disk, name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return write(d, name, append(data, '\n'), true)
}

// replaced is the digest of the model that stands where a new one comes; none if what
// stands there is not whole.
func (s *Store) replaced(model string) (checksums.Digest, error) {
	old, err := s.Provenance(model)
	if errors.Is(err, ErrNotPulled) || errors.Is(err, ErrRefused) {
		return checksums.Digest{}, nil
	}
	if err != nil || !old.Replaces.Known() {
		return old.digest(), err
	}
	_, digest, err := hashFile(context.Background(), s.disk, path.Join(model, old.File), nil)
	return digest, err
}

func (p *Provenance) digest() checksums.Digest {
	if p == nil {
		return checksums.Digest{}
	}
	return p.SHA256
}

// tidy removes what the model was made of, and what older pulls left of it.
func (p *pull) tidy(part *partial) error {
	if err := part.file.Close(); err != nil {
		return err
	}
	if err := part.remove(); err != nil {
		return err
	}
	parts, err := p.store.partials(p.model.Name)
	if err != nil {
		return err
	}
	for _, f := range parts {
		if f.alive {
			continue
		}
		at := path.Join(p.model.Name, f.name)
		if err := errors.Join(dropped(p.store.disk.Remove(at)), dropped(p.store.disk.Remove(at+".json"))); err != nil {
			return err
		}
	}
	return nil
}

// checkNetwork wants a file to be the network that the registry knows by the model's name:
// the tensors that its own config asks for, and trained ones of the names and shapes known.
func checkNetwork(m Model, file string) error {
	f, err := weights.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	meta, err := weights.ParseMeta(f.Metadata())
	if err != nil {
		return err
	}
	g, err := registry.Network(meta.Architecture, meta.Config)
	if err != nil {
		return fmt.Errorf("zoo: %w: %v", weights.ErrFormat, err)
	}
	if err := backend.CheckWeights(g, f); err != nil {
		return fmt.Errorf("zoo: %w: %v", weights.ErrFormat, err)
	}
	want, err := m.Graph()
	if err != nil {
		return err
	}
	if meta.Architecture != m.Architecture {
		return fmt.Errorf("zoo: %w: the file holds %s, but %s is %s", weights.ErrFormat, meta.Architecture, m.Name, m.Architecture)
	}
	got := map[string]*graph.Param{}
	for _, p := range g.Params() {
		got[p.Name] = p
	}
	for _, p := range want.Params() {
		if q := got[p.Name]; p.Role.Trained() && (q == nil || fmt.Sprint(q.Shape) != fmt.Sprint(p.Shape)) {
			return fmt.Errorf("zoo: %w: %s has no %s %v: another network", weights.ErrFormat, m.Name, p.Name, p.Shape)
		}
	}
	if g.ParamCount() != want.ParamCount() {
		return fmt.Errorf("zoo: %w: the file has %d parameters, %s has %d", weights.ErrFormat, g.ParamCount(), m.Name, want.ParamCount())
	}
	return nil
}

// hashFile reads a file of the store.
func hashFile(ctx context.Context, d disk, name string, progress func(n int64)) (int64, checksums.Digest, error) {
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return 0, checksums.Digest{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, checksums.Digest{}, fmt.Errorf("zoo: %s: not a regular file: %w", name, errors.Join(err, fs.ErrInvalid))
	}
	h, buf, n := sha256.New(), make([]byte, 512<<10), int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return n, checksums.Digest{}, err
		}
		k, err := f.Read(buf)
		h.Write(buf[:k])
		n += int64(k)
		if progress != nil {
			progress(n)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return n, checksums.Digest{}, err
		}
	}
	digest, err := checksums.Of(h)
	return n, digest, err
}
