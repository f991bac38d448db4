package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/goldentest"
)

// TestDocsONNXExample runs the example of docs/onnx.md as it stands there.
func TestDocsONNXExample(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "onnx.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```python\n")
	example, _, ok := strings.Cut(example, "```")
	if !ok {
		t.Fatal("docs/onnx.md has no example")
	}
	python, folder := goldentest.Interpreter(t, true, "numpy, onnxruntime"), t.TempDir()
	if code, _, stderr := command("export", "letters", "--to", "onnx", "-o", filepath.Join(folder, "letters.onnx")); code != exitOK {
		t.Fatal(stderr)
	}
	c := exec.Command(python, "-c", example+"assert pixels.shape == (4, 32, 32, 3) and 40 < pixels.std() < 200, pixels.std()\n")
	c.Dir = folder
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
