package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A run is made by attempts, each a process of its own: a runner that shares its process with
// its worker, as prism does, dies with it. An attempt makes what is missing, so the next one
// does nothing twice.

// attemptVariable tells a process that it is an attempt, and names the file in which it notes
// how many files it found missing.
const attemptVariable = "BIGGAN_BULK_ATTEMPT"

// Exit codes.
const (
	exitFailure    = 1
	exitUsage      = 2
	exitUnfinished = 75  // EX_TEMPFAIL of sysexits.h: the same command may finish
	exitSignal     = 128 // plus the signal's number

	// exitRefused is an attempt's: another one would fail as well. Whatever else an attempt ends
	// with, 1 of a library and 2 of Go's runtime included, is a reason to try again.
	exitRefused = 78
)

// errUnfinished means that the pipeline failed, or left files out.
var errUnfinished = errors.New("unfinished")

// supervisor repeats attempts.
type supervisor struct {
	command []string // of an attempt
	retries int      // in a row that find as many files missing as the one before
	pause   time.Duration
	stdout  io.Writer
	stderr  io.Writer
}

// longestPause bounds the pauses between attempts, which double from attempt to attempt.
const longestPause = time.Minute

// run repeats attempts until one ends well or is refused, and returns the program's exit code.
func (s *supervisor) run(ctx context.Context) (int, error) {
	note, err := os.CreateTemp("", "biggan-bulk-")
	if err != nil {
		return exitFailure, err
	}
	defer os.Remove(note.Name())
	if err := note.Close(); err != nil {
		return exitFailure, err
	}
	failures, last := 0, -1
	for n := 1; ; n++ {
		err := s.attempt(ctx, note.Name())
		if err == nil {
			return 0, nil
		}
		if ctx.Err() != nil {
			return ended(ctx)
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			return exitFailure, err // it could not be started
		}
		if exit.ExitCode() == exitRefused {
			return exitFailure, nil // it has said why
		}
		missing, known := noted(note.Name())
		if known && last >= 0 && missing < last {
			failures = 0 // the attempt before this one made some
		}
		if known {
			last = missing
		}
		failures++
		if failures > s.retries {
			return exitUnfinished, fmt.Errorf("attempt %d: %w; what is there stays: the same command goes on", n, err)
		}
		pause := min(s.pause<<(failures-1), longestPause)
		fmt.Fprintf(s.stderr, "bulk: attempt %d: %v; the next in %v, %d of %d\n", n, err, pause, failures, s.retries)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ended(ctx)
		}
	}
}

// ended is the exit code, and the error, of a context that has ended.
func ended(ctx context.Context) (int, error) {
	cause := context.Cause(ctx)
	var s stopped
	if errors.As(cause, &s) {
		return exitSignal + int(s.signal), cause
	}
	return exitFailure, cause
}

// attempt runs one attempt to its end. The attempt ends when this process does, for it reads a
// pipe that this process alone holds.
func (s *supervisor) attempt(ctx context.Context, note string) error {
	c := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	c.Env = append(os.Environ(), attemptVariable+"="+note)
	c.Stdout, c.Stderr = s.stdout, s.stderr
	if _, err := c.StdinPipe(); err != nil {
		return err
	}
	return c.Run()
}

// noted is how many files an attempt found missing.
func noted(path string) (missing int, known bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	missing, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return missing, err == nil
}

// endWithParent ends this process when standard input does.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin) // an end by an error is an end
	os.Exit(exitUnfinished)
}
