package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shellWord is a word as a shell parts them, quoted or not.
var shellWord = regexp.MustCompile(`"[^"]*"|\S+`)

var tutorialPicture = regexp.MustCompile(`\]\(tutorial/([^)]+)\)`)

// TestTutorial runs the commands of docs/tutorial.md, and wants them to make its pictures.
// With -update the pictures are those.
func TestTutorial(t *testing.T) {
	docs, err := filepath.Abs(filepath.Join("..", "..", "docs"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(docs, "tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, block := range strings.Split(string(page), "```sh\n")[1:] {
		commands, _, _ := strings.Cut(block, "```")
		for line := range strings.Lines(commands) {
			words := shellWord.FindAllString(line, -1)
			for i, word := range words {
				words[i] = strings.Trim(word, `"`)
			}
			if code, _, stderr := command(words[1:]...); code != exitOK || words[0] != "biggan" {
				t.Errorf("%s: exit code %d, %s", strings.TrimSpace(line), code, stderr)
			}
		}
	}
	for _, m := range tutorialPicture.FindAllStringSubmatch(string(page), -1) {
		data, err := os.ReadFile(m[1])
		if err != nil {
			t.Errorf("no command makes the picture %s", m[1])
			continue
		}
		shown := filepath.Join(docs, "tutorial", m[1])
		if *update {
			if err := os.WriteFile(shown, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(shown); err != nil {
			t.Errorf("docs/tutorial has no %s: run `go test ./cmd/biggan -run Tutorial -update`", m[1])
		}
	}
	first, err := os.ReadFile("morph.gif")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile("again.gif"); err != nil || !bytes.Equal(first, again) {
		t.Errorf("the replayed picture differs, %v", err)
	}
}
