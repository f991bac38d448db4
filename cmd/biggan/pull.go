package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/zoo"
	"github.com/biggan-zoo/biggan/zoo/fetch"
)

// storeFolder is the folder of --store, or the default one.
func (a *app) storeFolder() (string, error) {
	if a.store != "" {
		folder, err := filepath.Abs(a.store)
		if err != nil {
			return "", usage("--store %s: %w", a.store, err)
		}
		return folder, nil
	}
	folder, _, err := zoo.DefaultFolder()
	return folder, err
}

func (a *app) openStore(create bool) (*zoo.Store, error) {
	folder, err := a.storeFolder()
	if err != nil {
		return nil, err
	}
	return zoo.OpenStore(folder, create)
}

type pullJSON struct {
	Models []pulledJSON `json:"models"`
}

type pulledJSON struct {
	Path    string `json:"path"`
	Already bool   `json:"already"` // it was here before
	*zoo.Provenance
}

type pullFlags struct {
	requirePinned, keepSource bool
	retries, parts            int
	stall                     time.Duration
}

func newPull(a *app) *cobra.Command {
	var p pullFlags
	cmd := &cobra.Command{
		Use:   "pull NAME...",
		Short: "Download models: verify, convert and store them",
		Long: `Download models: verify, convert and store them, each as one transaction. A pull that breaks
off is resumed by the next one, at what was verified so far. The paths of the models are printed.

Digests are compared with published ones; a file without one is trusted at its first
download, which is told and recorded. --force downloads again what is here. docs/zoo.md
says where models come from and how a mirror is laid out.`,
		Example: `  biggan pull biggan-deep-256
  biggan pull biggan-128 biggan-256 --mirror http://10.0.0.5:8080,direct`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case p.retries < 1:
				return usage("--retries %d: want at least 1", p.retries)
			case p.stall <= 0:
				return usage("--stall %v: want a time, as 30s", p.stall)
			case p.parts < 1 || p.parts > 16:
				return usage("--parts %d: want 1 to 16", p.parts)
			}
			return a.pull(cmd.Context(), args, p)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&p.requirePinned, "require-pinned", false, "accept only files with a published digest")
	f.BoolVar(&p.keepSource, "keep-source", false, "keep the downloaded checkpoint beside the converted model")
	f.IntVar(&p.retries, "retries", 5, "attempts without progress before a source is given up")
	f.IntVar(&p.parts, "parts", 4, "connections at a time, where the server allows")
	f.DurationVar(&p.stall, "stall", 30*time.Second, "give a connection up that sends nothing for so long")
	return cmd
}

// once is the names without repetitions, in their order.
func once(names []string) []string {
	var out []string
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// atATime is how many models are downloaded together; conversions take turns.
const atATime = 2

// pull pulls all models, also where some fail, and reports the failures together.
func (a *app) pull(ctx context.Context, names []string, p pullFlags) error {
	var models []zoo.Model
	for _, name := range once(names) {
		m, err := zoo.Find(name)
		if err != nil {
			return err
		}
		if m.Embedded {
			a.tell("%s is part of the program: there is nothing to pull", name)
			continue
		}
		models = append(models, m)
	}
	mirrors, err := zoo.ParseMirrors(a.mirror)
	if err != nil {
		return usageError{err}
	}
	store, err := a.openStore(!a.offline)
	if err != nil {
		return err
	}
	defer store.Close()
	options := zoo.PullOptions{
		Mirrors: mirrors, Offline: a.offline, RequirePinned: p.requirePinned, KeepSource: p.keepSource, Again: a.force,
		Converter: "biggan " + version(), Network: fetch.Options{Attempts: p.retries, Stall: p.stall, Parts: p.parts},
		Note: func(text string) { a.tell("note: %s", text) },
	}
	results, failures := make([]*zoo.Pulled, len(models)), make([]error, len(models))
	var all sync.WaitGroup
	turns := make(chan struct{}, atATime)
	for i, m := range models {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			results[i], failures[i] = a.pullOne(ctx, store, m, options)
		})
	}
	all.Wait()
	doc := pullJSON{Models: []pulledJSON{}}
	for _, r := range results {
		if r != nil {
			doc.Models = append(doc.Models, pulledJSON{r.Path, r.Already, r.Provenance})
		}
	}
	failed := errors.Join(failures...)
	if failed != nil && a.json {
		return failed // one document: the error
	}
	return errors.Join(failed, a.print(doc, doc.text))
}

func (a *app) pullOne(ctx context.Context, store *zoo.Store, m zoo.Model, o zoo.PullOptions) (*zoo.Pulled, error) {
	var mu sync.Mutex
	stages := map[zoo.Stage]*progress{}
	o.Progress = func(stage zoo.Stage, done, total int64) {
		mu.Lock()
		p := stages[stage]
		if p == nil {
			p = a.newProgress(fmt.Sprintf("%s %s", stage, m.Name), true)
			stages[stage] = p
		}
		mu.Unlock()
		p.update(done, total)
		if done == total {
			p.finish()
		}
	}
	defer func() {
		for _, p := range stages {
			p.finish()
		}
	}()
	r, err := store.Pull(ctx, m, o)
	if err == nil && r.Already {
		a.tell("%s is here already", m.Name)
	}
	return r, err
}

func (d pullJSON) text(w io.Writer) error {
	for _, m := range d.Models {
		if _, err := fmt.Fprintln(w, m.Path); err != nil {
			return err
		}
	}
	return nil
}

type removedJSON struct {
	Removed []string `json:"removed"`
	Busy    []string `json:"busy,omitempty"` // models that another process is at work on: not touched
}

func (d removedJSON) text(w io.Writer) error {
	if len(d.Removed) == 0 {
		return nil
	}
	_, err := fmt.Fprintln(w, strings.Join(d.Removed, "\n"))
	return err
}

func newRm(a *app) *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use:   "rm NAME...",
		Short: "Remove pulled models and their partial downloads",
		Long: `Remove pulled models and their partial downloads; the paths removed are printed. The digests
of first downloads stay recorded, so that a later pull is compared with them; --forget removes
them too.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.openStore(false)
			if err != nil {
				return err
			}
			defer store.Close()
			doc := removedJSON{Removed: []string{}}
			for _, name := range once(args) {
				m, err := zoo.Find(name)
				if err != nil {
					return err
				}
				if m.Embedded {
					return fmt.Errorf("%s: %w", name, zoo.ErrEmbedded)
				}
				removed, err := store.Remove(cmd.Context(), name, forget)
				if err != nil {
					return err
				}
				doc.Removed = append(doc.Removed, removed...)
			}
			return a.print(doc, doc.text)
		},
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "also forget the digests of first downloads")
	return cmd
}

func newPrune(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "prune",
		Short: "Remove partial downloads and what interrupted pulls left",
		Long: `Remove partial downloads and what interrupted pulls left; the paths removed are printed.
Models stay. Nothing is ever pruned by itself.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.openStore(false)
			if err != nil {
				return err
			}
			defer store.Close()
			removed, busy, err := store.Prune(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range busy {
				a.warn("%s is being pulled by another process: left as it is", name)
			}
			doc := removedJSON{append([]string{}, removed...), busy}
			return a.print(doc, doc.text)
		},
	}
}
