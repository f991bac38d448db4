package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend"
)

// app is what all verbs share: the streams and the global flags.
type app struct {
	stdout, stderr io.Writer
	started        bool // a verb runs: an error is no longer one of the command line's form
	verb           *cobra.Command
	printed        bool // the document of --json stands on stdout

	json, quiet, force                   bool
	progress, backend, precision, device string
	threads                              int
	store, mirror                        string
	offline                              bool

	tables tables
	bars   bars
}

// print writes a result: as one JSON document, or as text.
func (a *app) print(result any, text func(w io.Writer) error) error {
	if !a.json {
		return text(a.stdout)
	}
	a.printed = true
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(result)
}

// flush sends what was printed on its way, for verbs that go on.
func (a *app) flush() error {
	if f, ok := a.stdout.(interface{ Flush() error }); ok {
		return f.Flush()
	}
	return nil
}

// errorJSON is the document that stands on stdout when a verb fails under --json, unless its
// own does: a report of what differs, the address of a server.
type errorJSON struct {
	Error struct {
		Message  string `json:"message"`
		Hint     string `json:"hint,omitempty"`
		ExitCode int    `json:"exit_code"`
	} `json:"error"`
}

func (a *app) printErrorJSON(ctx context.Context, err error) {
	if a.printed {
		return
	}
	var doc errorJSON
	doc.Error.Message, doc.Error.Hint, doc.Error.ExitCode = err.Error(), a.hint(err), exitCode(ctx, err)
	if err := a.print(doc, nil); err != nil {
		fmt.Fprintf(a.stderr, "biggan: %v\n", err)
	}
}

// tell writes a line for people to stderr, unless --quiet.
func (a *app) tell(format string, args ...any) {
	if !a.quiet {
		a.bars.print(a.stderr, fmt.Sprintf(format, args...))
	}
}

// warn writes a warning, unless --quiet.
func (a *app) warn(format string, args ...any) { a.tell("warning: "+format, args...) }

// note tells a remark of a library.
func (a *app) note(text string) { a.tell("note: %s", text) }

// options are the compile options of the global flags.
func (a *app) options() backend.Options {
	return backend.Options{Threads: a.threads, Precision: backend.Precision(a.precision), Device: a.device, Note: a.note}
}

// output calls write with the path to write to. "-" is standard output: the file is made
// whole elsewhere first.
func (a *app) output(path string, write func(path string, overwrite bool) error) error {
	if path != "-" {
		return write(path, a.force)
	}
	folder, err := os.MkdirTemp("", "biggan-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	whole := filepath.Join(folder, "out")
	if err := write(whole, false); err != nil {
		return err
	}
	f, err := os.Open(whole)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(a.stdout, f)
	return err
}

// wroteJSON is the document of verbs that write one file.
type wroteJSON struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// wrote describes a file that was written.
func wrote(path string) (wroteJSON, error) {
	if path == "-" {
		return wroteJSON{Path: path}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return wroteJSON{}, err
	}
	return wroteJSON{path, info.Size()}, nil
}

// checkOutput finds out before the work whether a file can be written.
func (a *app) checkOutput(path string) error {
	if path == "-" {
		return a.checkStdout(path)
	}
	return atomicfile.Check(path, a.force)
}

// checkStdout refuses two documents on one stream.
func (a *app) checkStdout(path string) error {
	if path == "-" && a.json {
		return usage("--json and -o - both want standard output")
	}
	return nil
}

// version is the module's version, as far as the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// size is a number of bytes for people.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefixes := float64(n)/unit, "kMGT"
	for value >= unit && len(prefixes) > 1 {
		value, prefixes = value/unit, prefixes[1:]
	}
	return fmt.Sprintf("%.1f %cB", value, prefixes[0])
}
