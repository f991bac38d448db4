package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// missing is the exit status of a script that cannot import a package.
const missing = 77

// FindPython is the interpreter of a path or a name; "" is python3.
func FindPython(path string) (string, error) {
	if path == "" {
		path = "python3"
	}
	found, err := exec.LookPath(path)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return "", &MissingError{fmt.Sprintf("no Python at %q: %v", path, err), "--python PATH or BIGGAN_PYTHON=PATH says where one is"}
	}
	return filepath.Abs(found)
}

// execute runs Python in a folder and returns what it printed. At the context's end the
// whole process group is killed, and the error is the context's.
func execute(ctx context.Context, python, folder string, args ...string) (stdout []byte, stderr *tail, err error) {
	c := exec.CommandContext(ctx, python, append([]string{"-B"}, args...)...)
	c.Dir = folder
	c.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
	var out bytes.Buffer
	stderr = &tail{}
	c.Stdout, c.Stderr = &out, stderr
	ownGroup(c)
	c.WaitDelay = 2 * time.Second // for grandchildren that hold the pipes
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, stderr, ctx.Err()
		}
		return nil, stderr, err
	}
	return out.Bytes(), stderr, nil
}

// status is the exit status that an error tells of, 0 for any other.
func status(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// tail keeps the end of what is written to it.
type tail struct{ data []byte }

const tailBytes = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if extra := len(t.data) - tailBytes; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
	return len(p), nil
}

// last is the last lines, n at most.
func (t *tail) last(n int) string {
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(t.data), "?")), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
