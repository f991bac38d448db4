package checksums

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Entry is a line of a list: the digest of a file of a model.
type Entry struct {
	Digest      Digest
	Model, File string
}

// maxEntries and maxLine bound a list.
const (
	maxEntries = 10_000
	maxLine    = 512
)

var (
	modelName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	fileName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,126}[A-Za-z0-9]$`)
)

// CheckModel refuses what cannot be the name of a model and of its folder.
func CheckModel(name string) error {
	if !modelName.MatchString(name) {
		return fmt.Errorf("checksums: %w: %.80q is no name of a model: want small letters, digits and hyphens", ErrSyntax, name)
	}
	return nil
}

// CheckFile refuses what cannot be the name of a file in a model's folder: separators,
// leading dots, control characters, anything that a file system might read otherwise.
func CheckFile(name string) error {
	if !fileName.MatchString(name) || strings.Contains(name, "..") {
		return fmt.Errorf("checksums: %w: %.80q is no name of a file: want letters, digits, dots, hyphens and underscores", ErrSyntax, name)
	}
	return nil
}

// Parse reads a list in the form of sha256sum: DIGEST, two spaces, MODEL/FILE. Empty lines
// and those that begin with # say nothing. A line that is anything else fails the list.
func Parse(r io.Reader) ([]Entry, error) {
	var entries []Entry
	seen := map[string]bool{}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		e, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		path := e.Model + "/" + e.File
		if seen[path] || len(entries) == maxEntries {
			return nil, fmt.Errorf("line %d: checksums: %w: %s stands twice, or the list has more than %d files", number, ErrSyntax, path, maxEntries)
		}
		seen[path] = true
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("checksums: %w: %v", ErrSyntax, err)
	}
	return entries, nil
}

func parseLine(line string) (Entry, error) {
	digest, path, ok := strings.Cut(line, " ")
	if !ok || path == "" || path[0] != ' ' && path[0] != '*' { // * marks binary mode
		return Entry{}, fmt.Errorf("checksums: %w: %.80q, want DIGEST, two spaces, MODEL/FILE", ErrSyntax, line)
	}
	var e Entry
	var err error
	if e.Digest, err = ParseDigest(digest); err != nil {
		return Entry{}, err
	}
	if e.Model, e.File, ok = strings.Cut(path[1:], "/"); !ok {
		return Entry{}, fmt.Errorf("checksums: %w: %.80q, want MODEL/FILE", ErrSyntax, path[1:])
	}
	if err := CheckModel(e.Model); err != nil {
		return Entry{}, err
	}
	return e, CheckFile(e.File)
}

// Write writes a list that Parse and sha256sum -c read.
func Write(w io.Writer, entries []Entry) error {
	for _, e := range entries {
		if _, err := fmt.Fprintf(w, "%s  %s/%s\n", e.Digest, e.Model, e.File); err != nil {
			return err
		}
	}
	return nil
}

//go:embed pins.sha256
var pins []byte

// Pins are the published digests.
func Pins() ([]Entry, error) { return Parse(bytes.NewReader(pins)) }

// Pin is the published digest of a source file; not Known if there is none.
func Pin(model, file string) (Digest, error) {
	entries, err := Pins()
	if err != nil {
		return Digest{}, err
	}
	for _, e := range entries {
		if e.Model == model && e.File == file {
			return e.Digest, nil
		}
	}
	return Digest{}, nil
}
