package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/zoo"
	"github.com/biggan-zoo/biggan/zoo/mirror"
)

type checksumsJSON struct {
	Files []checksumJSON `json:"files"`
}

type checksumJSON struct {
	Model  string `json:"model"`
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Kind   string `json:"kind"` // source, converted
	Pinned bool   `json:"pinned"`
}

func newChecksums(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "checksums",
		Short: "Print the digests of what the store holds, in sha256sum's form",
		Long: `Print the digests of what the store holds, in sha256sum's form: of the source files as they
were downloaded, which can be contributed to checksums/pins.sha256, and of the converted models.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			store, err := a.openStore(false)
			if err != nil {
				return err
			}
			defer store.Close()
			sources, converted, err := store.Checksums()
			if err != nil {
				return err
			}
			doc := checksumsJSON{Files: []checksumJSON{}}
			for _, e := range sources {
				pin, err := checksums.Pin(e.Model, e.File)
				if err != nil {
					return err
				}
				doc.Files = append(doc.Files, checksumJSON{e.Model, e.File, e.Digest.String(), "source", pin.Known()})
			}
			for _, e := range converted {
				doc.Files = append(doc.Files, checksumJSON{e.Model, e.File, e.Digest.String(), "converted", false})
			}
			return a.print(doc, func(w io.Writer) error { return checksums.Write(w, append(sources, converted...)) })
		},
	}
}

type filesJSON struct {
	OK    bool          `json:"ok"`
	Files []zoo.Checked `json:"files"`
}

// verifyFiles hashes the store again.
func (a *app) verifyFiles(ctx context.Context, models []string) error {
	for _, name := range models {
		if _, err := zoo.Find(name); err != nil {
			return err
		}
	}
	store, err := a.openStore(false)
	if err != nil {
		return err
	}
	defer store.Close()
	p := a.newProgress("verifying", true)
	checked, err := store.Verify(ctx, models, p.update)
	p.finish()
	if err != nil {
		return err
	}
	if len(checked) == 0 && len(models) > 0 {
		return fmt.Errorf("%s: %w", models[0], zoo.ErrNotPulled)
	}
	doc := filesJSON{OK: true, Files: append([]zoo.Checked{}, checked...)}
	bad := 0
	for _, c := range checked {
		if !c.OK {
			doc.OK = false
			bad++
		}
	}
	if err := a.print(doc, doc.text); err != nil || doc.OK {
		return err
	}
	return fmt.Errorf("%w: %d of %d files are not what was stored", errDamaged, bad, len(checked))
}

// errDamaged means that files of the store are not what they were; the list has been printed.
var errDamaged = errors.New("damaged store")

func (f filesJSON) text(w io.Writer) error {
	for _, c := range f.Files {
		line := fmt.Sprintf("%s: OK", c.Path)
		if !c.OK {
			line = fmt.Sprintf("%s: FAILED: %s", c.Path, c.Problem)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

type mirrorJSON struct {
	URL   string `json:"url"`
	Files int    `json:"files"`
}

func newMirror(a *app) *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "mirror DIR",
		Short: "Serve a store to others",
		Long: `Serve a store, or a folder laid out like one (DIR/NAME/FILE), to others: they pull from it with
--mirror. It is read only, and serves models and checkpoints alone. The address is printed
once it listens; a signal ends it after the downloads under way, or after 10 s.`,
		Example: `  biggan pull biggan-deep-256 --keep-source
  biggan mirror ~/.local/share/biggan/models --addr :8080`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.serveMirror(cmd.Context(), args[0], address)
		},
	}
	cmd.Flags().StringVar(&address, "addr", "127.0.0.1:8080", "address to listen at; :8080 is port 8080 for everybody who reaches this machine")
	return cmd
}

func (a *app) serveMirror(ctx context.Context, folder, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return usage("--addr %s: want HOST:PORT or :PORT", address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return usage("--addr %s: port %q, want 0 (a free one) to 65535", address, port)
	}
	m, err := mirror.Open(folder)
	if err != nil {
		return err
	}
	defer m.Close()
	entries, err := m.List(ctx) // hashed before the first client waits for it
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("--addr %s: %w", address, err)
	}
	doc := mirrorJSON{"http://" + listener.Addr().String(), len(entries)}
	if err := a.print(doc, func(w io.Writer) error { _, err := fmt.Fprintln(w, doc.URL); return err }); err != nil {
		listener.Close()
		return err
	}
	if err := a.flush(); err != nil {
		listener.Close()
		return err
	}
	a.tell("serving %d files of %s", len(entries), folder)
	server := m.Server()
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- errors.Join(server.Shutdown(drain), server.Close())
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-stopped; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ctx.Err()
}
