package zoo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"syscall"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/weights"
	"github.com/biggan-zoo/biggan/zoo/fetch"
)

// PullOptions steer Pull; the zero value downloads from the registry's sources.
type PullOptions struct {
	Mirrors       []*url.URL // tried in order; nil among them = the registry's sources
	Offline       bool       // what is not here is an error
	RequirePinned bool       // accept published digests only
	KeepSource    bool       // keep what was downloaded beside the converted model
	Again         bool       // download a model that is here already
	Converter     string     // name and version of the program
	Network       fetch.Options

	// Progress is told how far a stage is, in bytes; Note gets lines for the user. Both may
	// be called from several goroutines.
	Progress func(stage Stage, done, total int64)
	Note     func(text string)
}

// Stage is a part of a pull.
type Stage string

const (
	Downloading Stage = "downloading" // bytes that were read back and hashed
	Converting  Stage = "converting"
)

// Pulled is a model that is in the store.
type Pulled struct {
	*Provenance
	Path    string
	Already bool // it was there before
}

// Unfinished is a pull that failed and can be gone on with.
type Unfinished struct {
	Model    string
	Verified int64 // bytes of the source that need not be downloaded again
	Err      error
}

func (u *Unfinished) Error() string { return fmt.Sprintf("zoo: %s: %v", u.Model, u.Err) }
func (u *Unfinished) Unwrap() error { return u.Err }

// converting lets one conversion of a process run at a time: they take memory and all cores.
var converting sync.Mutex

// Pull downloads a model, converts it, checks its tensors and stores it, as one transaction:
// the model is in the store whole or not at all. A download that breaks off is resumed by
// the next Pull. Errors wrap ErrNetwork, ErrRefused, weights.ErrFormat, syscall.ENOSPC,
// ErrEmbedded, or the context's error.
func (s *Store) Pull(ctx context.Context, m Model, o PullOptions) (*Pulled, error) {
	if m.Embedded {
		return nil, fmt.Errorf("zoo: %s: %w", m.Name, ErrEmbedded)
	}
	if here, err := s.here(m.Name, o); here != nil || err != nil {
		return here, err
	}
	if o.Offline {
		return nil, fmt.Errorf("zoo: %s: %w, and the model is not on this machine", m.Name, ErrOffline)
	}
	if s.disk == nil {
		return nil, fmt.Errorf("zoo: %s: the store %s does not exist", m.Name, s.folder)
	}
	unlock, err := s.begin(ctx, m.Name, func() { o.note("%s: another process pulls it: waiting", m.Name) })
	if err != nil {
		return nil, fmt.Errorf("zoo: %s: %w", m.Name, err)
	}
	defer unlock()
	if here, err := s.here(m.Name, o); here != nil || err != nil {
		return here, err
	}
	if _, err := s.sweep(m.Name, false); err != nil {
		return nil, err
	}
	p := &pull{store: s, model: m, options: o}
	if err := p.fromAnywhere(ctx); err != nil {
		return nil, errors.Join(&Unfinished{m.Name, p.verified, err}, s.emptied(m.Name))
	}
	return &Pulled{Provenance: p.result, Path: s.path(m.Name, p.result.File)}, nil
}

func (o PullOptions) note(format string, args ...any) {
	if o.Note != nil {
		o.Note(fmt.Sprintf(format, args...))
	}
}

// here is the model if it is in the store, is whole as far as a look tells, and not wanted again.
func (s *Store) here(model string, o PullOptions) (*Pulled, error) {
	if o.Again {
		return nil, nil
	}
	p, err := s.Provenance(model)
	switch {
	case errors.Is(err, ErrNotPulled):
		return nil, nil
	case errors.Is(err, ErrRefused):
		o.note("%v", err)
		return nil, nil
	case err != nil:
		return nil, err
	}
	if o.RequirePinned && p.Files[0].Trust != Pinned {
		return nil, fmt.Errorf("%w: %s is here, but its %s has no published digest", ErrRefused, model, p.Files[0].Name)
	}
	return &Pulled{Provenance: p, Path: s.path(model, p.File), Already: true}, nil
}

// pull is one run of Pull.
type pull struct {
	store    *Store
	model    Model
	options  PullOptions
	verified int64 // left for the next run
	result   *Provenance
}

// fromAnywhere tries the mirrors and sources in turn.
func (p *pull) fromAnywhere(ctx context.Context) error {
	places := p.options.Mirrors
	if len(places) == 0 {
		places = []*url.URL{nil}
	}
	var failures []error
	for _, place := range places {
		client := p.client(place)
		candidates, err := p.model.Sources, error(nil)
		if place != nil {
			candidates, err = mirrored(ctx, client, place, p.model)
		}
		if err == nil {
			err = p.fromOneOf(ctx, client, candidates)
		}
		client.Close()
		if err == nil || final(ctx, err) {
			return err
		}
		failures = append(failures, err)
	}
	return joined(failures)
}

func (p *pull) client(place *url.URL) *fetch.Client {
	network := p.options.Network
	network.Note = func(text string) { p.options.note("%s: %s", p.model.Name, text) }
	network.Admit = p.admit
	if place != nil {
		network.Asked = append(network.Asked, fetch.HostPort(place))
	}
	return fetch.New(network)
}

// fromOneOf tries sources in turn.
func (p *pull) fromOneOf(ctx context.Context, client *fetch.Client, candidates []Source) error {
	var failures []error
	var byHand []string
	for _, source := range candidates {
		if source.ByHand != "" {
			byHand = append(byHand, source.ByHand)
			continue
		}
		if source.mirror == "" { // hosts of one source are not asked for by another
			client = p.client(nil)
			defer client.Close()
		}
		err := p.from(ctx, client, source)
		if err == nil || final(ctx, err) {
			return err
		}
		p.options.note("%s: %v", source.Name, err)
		failures = append(failures, fmt.Errorf("%s: %w", source.Name, err))
	}
	if len(failures) == 0 {
		return fmt.Errorf("%w: no program can fetch it; by hand: %s", ErrNetwork, strings.Join(byHand, "; "))
	}
	return joined(failures)
}

// final reports errors that another source would not mend.
func final(ctx context.Context, err error) bool {
	return ctx.Err() != nil || !errors.Is(err, ErrNetwork) && !errors.Is(err, ErrRefused) && !errors.Is(err, weights.ErrFormat)
}

// joined is one error of several sources, on one line.
func joined(failures []error) error {
	if len(failures) == 1 {
		return failures[0]
	}
	return tried(failures)
}

type tried []error

func (t tried) Error() string {
	var all []string
	for _, err := range t {
		all = append(all, err.Error())
	}
	return fmt.Sprintf("none of %d sources: %s", len(t), strings.Join(all, "; "))
}

func (t tried) Unwrap() []error { return t }

// admit refuses a download that the disk has no room for, with its conversion.
func (p *pull) admit(bytes int64) error {
	converted, err := p.model.ConvertedBytes()
	if err != nil {
		return err
	}
	free, known := freeBytes(p.store.path(p.model.Name))
	need := max(bytes-p.verified, 0) + converted
	if !known || need <= free {
		return nil
	}
	return fmt.Errorf("%d bytes are needed in %s, %d are free: %w", need, p.store.folder, free, syscall.ENOSPC)
}

// expected is the digest that a file must have, as far as something is known of it.
func (p *pull) expected(source Source, file string) (checksums.Digest, Trust, error) {
	listed := source.digests[file]
	pin, err := checksums.Pin(p.model.Name, file)
	if err != nil {
		return pin, "", err
	}
	known, err := p.store.recorded(p.model.Name)
	if err != nil {
		return pin, "", err
	}
	want, trust := pin, Pinned
	if !pin.Known() {
		want, _ = lookUp(known, p.model.Name, file)
		trust = Recorded
	}
	if !want.Known() {
		return listed, FirstUse, nil
	}
	if listed.Known() && listed != want {
		return want, trust, fmt.Errorf("%w: %s lists %s/%s as %s, but it is %s as %s%s", ErrRefused, source.mirror, p.model.Name, file, listed.Short(), trust, want.Short(), forgetHint(trust, p.model.Name))
	}
	return want, trust, nil
}

func forgetHint(trust Trust, model string) string {
	if trust != Recorded {
		return ""
	}
	return fmt.Sprintf(" at its first download (`biggan rm %s --forget` forgets that)", model)
}
