package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/serve"
)

// tokenEnv is the environment variable beside --token: a command line is seen by other users.
const tokenEnv = "BIGGAN_TOKEN"

// tokenSetting shows that a token is set, not which.
func tokenSetting() settingJSON {
	s := settingJSON{"serve --token", tokenEnv, "", "default"}
	if os.Getenv(tokenEnv) != "" {
		s.Value, s.Source = "(set)", "environment"
	}
	return s
}

// serveFlags are the flags of serve.
type serveFlags struct {
	addr, token     string
	models, hosts   []string
	parallel, queue int
	drain           time.Duration
}

type serveJSON struct {
	URL     string   `json:"url"`
	Models  []string `json:"models"`
	Backend string   `json:"backend"` // that draws the first model
}

func newServe(a *app) *cobra.Command {
	var s serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the page and the HTTP API",
		Long: `Serve a page to draw with, and the HTTP API that it uses (docs/serve.md; /openapi.json).
The URL is printed. SIGINT and SIGTERM let what is under way finish, for as long as --drain,
and end the program with exit code 130 or 143; a second one ends it at once.

Clients name the models that the server was given, never files. Addresses that other
machines reach need a token. The access log goes to stderr: as JSON with --json, and
without what went well with --quiet.`,
		Example: `  biggan serve
  biggan serve -m letters -m biggan-deep-256.safetensors --addr :0
  BIGGAN_TOKEN=... biggan serve --addr 0.0.0.0:8080 --host pictures.example.org`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("token") {
				s.token = os.Getenv(tokenEnv)
			}
			return a.serve(cmd.Context(), s)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.addr, "addr", "127.0.0.1:8080", "HOST:PORT to listen on; port 0 takes a free one")
	f.StringArrayVarP(&s.models, "model", "m", nil, "model to serve: a name or a file; may be repeated (default "+embedded+" and the generators that were pulled)")
	f.StringVar(&s.token, "token", "", "token that clients must show, better given as "+tokenEnv+"; needed beyond loopback")
	f.StringArrayVar(&s.hosts, "host", nil, "further name that clients may call the server by, as behind a proxy; may be repeated")
	f.IntVar(&s.parallel, "parallel", 1, "drawings at once; one uses all threads")
	f.IntVar(&s.queue, "queue", 16, "further drawings that wait; any more get 503")
	f.DurationVar(&s.drain, "drain", 10*time.Second, "how long drawings may go on after a signal")
	return cmd
}

// serve answers until a signal.
func (a *app) serve(ctx context.Context, s serveFlags) error {
	models, err := a.openAll(ctx, s.models)
	defer func() {
		for _, m := range models {
			m.Close()
		}
	}()
	if err != nil {
		return err
	}
	options := a.tuned(a.options())
	server, err := serve.New(serve.Config{
		Models: models, Token: s.token, Hosts: s.hosts, Parallel: s.parallel, Queue: s.queue, Drain: s.drain,
		Backend: a.backend, Options: options, Flags: a.drawingFlags(), Log: a.logger(),
	})
	if err != nil {
		return err
	}
	l, err := serve.Listen(ctx, s.addr, s.token)
	if err != nil {
		return err
	}
	used, err := models[0].Prepare(a.backend, options)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	doc := serveJSON{URL: serve.URL(l), Backend: used}
	for _, m := range models {
		a.warnStats(m.Model, 0.5)
		doc.Models = append(doc.Models, m.Name)
	}
	if err := a.announce(doc); err != nil {
		return errors.Join(err, l.Close())
	}
	return server.Serve(ctx, l)
}

// openAll opens the models under the names that clients use: a file's is its own, without
// folder and extension. Without names it is what is here.
func (a *app) openAll(ctx context.Context, names []string) (models []serve.Model, err error) {
	asked := len(names) > 0
	if !asked {
		if names, err = a.modelsHere(); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		m, err := a.open(ctx, name)
		if err != nil {
			return models, err
		}
		if !asked && m.ZDim() == 0 { // a discriminator
			m.Close()
			continue
		}
		models = append(models, serve.Model{Name: strings.TrimSuffix(filepath.Base(name), ".safetensors"), Model: m})
	}
	return models, nil
}

// modelsHere are the embedded model and those that were pulled and are whole.
func (a *app) modelsHere() ([]string, error) {
	store, err := a.openStore(false)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	pulled, err := store.Models()
	if err != nil {
		return nil, err
	}
	names := []string{embedded}
	for _, name := range pulled {
		held, err := store.Held(name)
		switch {
		case err != nil:
			return nil, err
		case held.Damage != nil:
			a.warn("%s is left out: %v", name, held.Damage)
		case held.Provenance != nil:
			names = append(names, name)
		}
	}
	return names, nil
}

// drawingFlags are the global flags that change pictures, where they are not the usual ones.
func (a *app) drawingFlags() (flags []string) {
	if a.device != "" {
		flags = append(flags, "--device", a.device)
	} else if a.backend != "auto" {
		flags = append(flags, "--backend", a.backend)
	}
	if a.precision != "f32" {
		flags = append(flags, "--precision", a.precision)
	}
	return flags
}

// announce prints the URL at once: standard output is buffered otherwise.
func (a *app) announce(doc serveJSON) error {
	a.tell("serving %s on %s; Ctrl-C stops", strings.Join(doc.Models, ", "), doc.Backend)
	if err := a.print(doc, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, doc.URL)
		return err
	}); err != nil {
		return err
	}
	if b, ok := a.stdout.(interface{ Flush() error }); ok {
		return b.Flush()
	}
	return nil
}

// logger is the access log on stderr.
func (a *app) logger() *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if a.quiet {
		o.Level = slog.LevelWarn
	}
	if a.json {
		return slog.New(slog.NewJSONHandler(a.stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}
