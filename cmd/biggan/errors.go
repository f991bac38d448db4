package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/contact"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/onnx"
	"github.com/biggan-zoo/biggan/convert/onnxgraph"
	"github.com/biggan-zoo/biggan/convert/synth"
	"github.com/biggan-zoo/biggan/dataset"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/peers"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/render"
	"github.com/biggan-zoo/biggan/sample"
	"github.com/biggan-zoo/biggan/serve"
	"github.com/biggan-zoo/biggan/verify"
	"github.com/biggan-zoo/biggan/weights"
	"github.com/biggan-zoo/biggan/zoo"
)

// The exit codes. Scripts rely on them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitCorrupt     = 4
	exitParity      = 5
	exitUnavailable = 6
	exitNetwork     = 7
	exitNoSpace     = 8
	exitSignal      = 128 // plus the signal's number
)

// errParity means that a comparison left its tolerance; its report has been printed.
var errParity = errors.New("parity exceeded")

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// failures maps what packages report to exit codes and advice; the first that matches counts.
var failures = []struct {
	is   func(error) bool
	code int
	hint string
}{
	{wraps(errParity), exitParity, ""},
	{wraps(syscall.ENOSPC), exitNoSpace, "free some space and run the command again; nothing half-written is left"},
	{wraps(backend.ErrUnavailable), exitUnavailable, "`biggan env` lists the backends of this build"},
	{wraps(peers.ErrUnavailable), exitUnavailable, ""}, // it has a hint of its own
	{wraps(contact.ErrPage), exitUsage, "fewer --columns or --rows, or a smaller --size"},
	{wraps(contact.ErrNone), exitNotFound, ""},
	{wraps(contact.ErrTar), exitCorrupt, ""},
	{wraps(recipe.ErrRecipe), exitCorrupt, "`biggan info PICTURE` shows what it says"},
	{wraps(weights.ErrFormat, render.ErrPNG, render.ErrGIF, sample.ErrNPY), exitCorrupt, "`biggan info FILE --tensors` shows what a file holds, if it can be read"},
	{wraps(atomicfile.ErrIrregular), exitUsage, ""},
	{wraps(atomicfile.ErrExists), exitUsage, "--force overwrites it"},
	{wraps(zoo.ErrEmbedded), exitUsage, "it cannot be removed"},
	{wraps(errDamaged), exitCorrupt, "`biggan pull NAME --force` downloads a model again"},
	{wraps(zoo.ErrRefused), exitCorrupt, "nothing of it was stored as a model"},
	{wraps(zoo.ErrOffline), exitNetwork, "`biggan pull NAME` downloads it, without --offline and BIGGAN_OFFLINE"},
	{wraps(zoo.ErrNetwork), exitNetwork, "`biggan info NAME` lists the sources; --mirror names others"},
	{wraps(zoo.ErrSetting), exitUsage, "`biggan env` lists the settings"},
	{isUsage, exitUsage, hintHelp},
	{wraps(biggan.ErrRequest, dataset.ErrPlan, labels.ErrWeight, convert.ErrLabels, convert.ErrUnsupported, verify.ErrIncomparable, onnxgraph.ErrUnsupported, onnx.ErrSize), exitUsage, ""},
	{wraps(serve.ErrConfig), exitUsage, ""},
	{wraps(zoo.ErrNotPulled), exitNotFound, "`biggan pull NAME` downloads a model; `biggan list` shows what is here"},
	{wraps(biggan.ErrNotFound, registry.ErrUnknown), exitNotFound, "`biggan list` shows the models"},
	{wraps(synth.ErrUnknown), exitNotFound, ""},
	{wraps(labels.ErrUnknown), exitNotFound, "`biggan classes -m MODEL QUERY` finds classes"},
	{wraps(fs.ErrNotExist), exitNotFound, ""},
	{wraps(syscall.ENOTDIR), exitUsage, "a file stands where the path has a folder"},
	{wraps(syscall.EISDIR), exitCorrupt, "want a file, not a folder"},
}

func wraps(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
}

func isUsage(err error) bool {
	var u usageError
	return errors.As(err, &u)
}

func exitCode(ctx context.Context, err error) int {
	if s, ok := bySignal(ctx); ok && errors.Is(err, context.Canceled) {
		return exitSignal + int(s)
	}
	for _, f := range failures {
		if f.is(err) {
			return f.code
		}
	}
	return exitFailure
}

// hintHelp stands for the help of the verb that ran.
const hintHelp = "help"

func (a *app) hint(err error) string {
	hint := hintFor(err)
	if hint == hintHelp {
		return helpOf(a.verb)
	}
	return hint
}

func hintFor(err error) string {
	var advised interface{ Hint() string }
	if errors.As(err, &advised) {
		return advised.Hint()
	}
	for _, f := range failures {
		if f.is(err) {
			return unfinishedHint(err, f.hint)
		}
	}
	return unfinishedHint(err, "")
}

// unfinishedHint says of a pull where the next one goes on.
func unfinishedHint(err error, hint string) string {
	var u *zoo.Unfinished
	if !errors.As(err, &u) {
		return hint
	}
	switch {
	case u.Verified > 0 && errors.Is(err, syscall.ENOSPC):
		return fmt.Sprintf("free some space and run the command again: it goes on at %s", size(u.Verified))
	case u.Verified > 0:
		return fmt.Sprintf("run the command again: it goes on at %s", size(u.Verified))
	}
	return hint
}
