// Command biggan runs, converts and checks BigGAN and BigGAN-deep generators.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes a command line and returns its exit code.
func run(args []string, stdout, stderr io.Writer) (code int) {
	ctx, stop := withSignals(context.Background())
	defer stop()
	out := bufio.NewWriter(stdout)
	a := &app{stdout: out, stderr: stderr}
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(stderr, "biggan: internal error: %v\nhint: please report this with the command line and:\n%s", r, debug.Stack())
			code = exitFailure
		}
	}()
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	verb, err := root.ExecuteContextC(ctx)
	a.verb = verb
	if err != nil && !a.started {
		err = usageError{err}
		a.json = a.json || slices.Contains(args, "--json") // flags behind the error were not read
	}
	if s, ok := bySignal(ctx); ok && errors.Is(err, context.Canceled) {
		err = stopped{err, s}
	}
	if err != nil && a.json {
		a.printErrorJSON(ctx, err)
	}
	if flushErr := out.Flush(); err == nil && flushErr != nil {
		err = fmt.Errorf("writing to standard output: %w", flushErr)
	}
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(stderr, "biggan: %v\n", err)
	if hint := a.hint(err); hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return exitCode(ctx, err)
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string { return e.signal.String() }

// stopped is the failure of a verb that a signal ended.
type stopped struct {
	failure error
	by      syscall.Signal
}

func (e stopped) Error() string { return "stopped by a signal: " + e.by.String() }
func (e stopped) Unwrap() error { return e.failure }

// withSignals ends the context at SIGINT or SIGTERM; a second signal ends the process.
func withSignals(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for s := range signals {
			number, _ := s.(syscall.Signal)
			if ctx.Err() != nil {
				os.Exit(exitSignal + int(number))
			}
			cancel(signalError{number})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

// bySignal is the signal that ended the context, if one did.
func bySignal(ctx context.Context) (syscall.Signal, bool) {
	var s signalError
	ok := errors.As(context.Cause(ctx), &s)
	return s.signal, ok
}
