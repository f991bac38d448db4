package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/convert/tfhub/tfhubtest"
	"github.com/biggan-zoo/biggan/goldentest"
)

// TestEvilModules converts TF Hub modules that lie: exit code 4, a message that names the
// place, little memory, little time, and nothing left behind.
func TestEvilModules(t *testing.T) {
	base := tfhubtest.NewBase(t, goldentest.Path(t, "tfhub/biggan-tiny/module.tar.gz"), "Generator/GBlock_1/conv1/w/ema_b999900")
	cases := tfhubtest.Hostile(base)
	if len(cases) < 150 {
		t.Errorf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "module")
			if err := c.Write(path); err != nil {
				t.Fatal(err)
			}
			if code, stderr := bounded(t, "info", path, "--tensors"); code != exitOK && code != exitCorrupt {
				t.Errorf("info: exit code %d, %s", code, stderr)
			}
			code, stderr := bounded(t, "convert", path, "--from", "tfhub", "-o", filepath.Join(folder, "out.safetensors"))
			if code != exitCorrupt || !strings.Contains(stderr, c.Place) || !strings.Contains(stderr, "module") {
				t.Errorf("convert: exit code %d, want %q in %s", code, c.Place, stderr)
			}
			if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
