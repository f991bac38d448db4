package goldentest

import (
	"os"
	"os/exec"
	"testing"
)

// Python runs a script with peer packages under $BIGGAN_PYTHON, else python3, and skips the
// test where they are not installed; CI must have those that its requirements list.
func Python(t testing.TB, inCI bool, packages, script string, args ...string) {
	t.Helper()
	interpreter := Interpreter(t, inCI, packages)
	c := exec.Command(interpreter, append([]string{"-c", script}, args...)...)
	c.Dir = t.TempDir() // not here, where Python would take a folder for a package
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Interpreter is the Python that has the packages, named between commas; see Python.
func Interpreter(t testing.TB, inCI bool, packages string) string {
	t.Helper()
	interpreter := os.Getenv("BIGGAN_PYTHON")
	if interpreter == "" {
		interpreter = "python3"
	}
	c := exec.Command(interpreter, "-c", "import "+packages)
	c.Dir = t.TempDir()
	if out, err := c.CombinedOutput(); err != nil {
		if inCI && os.Getenv("BIGGAN_CI") != "" {
			t.Fatalf("%s with %s is required in CI: %v\n%s", interpreter, packages, err, out)
		}
		t.Skipf("needs %s with %s: %v", interpreter, packages, err)
	}
	return interpreter
}
