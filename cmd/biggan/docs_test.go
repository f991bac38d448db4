package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/biggan-zoo/biggan/recipe"
)

var update = flag.Bool("update", false, "write the generated pages of docs/ instead of comparing them")

// generated compares a page of docs/ with what the program says.
func generated(t *testing.T, name string, want []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", name)
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/%s is not what the program says (%v): run `go test ./cmd/biggan -run Docs -update`", name, err)
	}
}

// TestDocsCLI generates docs/cli.md.
func TestDocsCLI(t *testing.T) {
	root := newRoot(&app{})
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd("completion")
	page := bytes.NewBufferString("# Command line\n\nGenerated from the program's own help; the JSON documents of `--json` are in [json.schema.json](json.schema.json).\n\n")
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.IsAvailableCommand() && c != root {
			return
		}
		var b bytes.Buffer
		if err := doc.GenMarkdownCustom(c, &b, func(link string) string {
			return "#" + strings.ReplaceAll(strings.TrimSuffix(link, ".md"), "_", "-")
		}); err != nil {
			t.Fatal(err)
		}
		text, _, _ := strings.Cut(b.String(), "### Options inherited")
		text, _, _ = strings.Cut(text, "### SEE ALSO")
		page.WriteString(strings.TrimSpace(text) + "\n\n")
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	generated(t, "cli.md", bytes.TrimSuffix(page.Bytes(), []byte("\n")))
}

// documents are what verbs print under --json.
type documents struct {
	List        listJSON    `json:"list"`
	Info        infoJSON    `json:"info"`
	Convert     convertJSON `json:"convert"`
	Synth       convertJSON `json:"synth"`
	Export      pathsJSON   `json:"export"`
	Generate    madeJSON    `json:"generate"`
	Interpolate madeJSON    `json:"interpolate"`
	Replay      madeJSON    `json:"replay"`
	Sheet       sheetJSON   `json:"sheet"`
	Classes     classesJSON `json:"classes"`
	Notice      noticeJSON  `json:"classes --notice"`
	Run         wroteJSON   `json:"run"`
	Score       scoreJSON   `json:"score"`
	Verify      verifyJSON  `json:"verify"`
	Bench       benchJSON   `json:"bench"`
	Tune        tuneJSON    `json:"bench --tune"`
	Peers       peersJSON   `json:"peers"`
	PeersRun    peerRunJSON `json:"peers run"`
	Serve       serveJSON   `json:"serve"`
	Env         envJSON     `json:"env"`
	Error       errorJSON   `json:"any verb that fails"`

	storeDocuments
}

// fields are the names of a struct's fields in JSON.
func fields(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// TestDocsJSON generates docs/json.schema.json: a property a verb.
func TestDocsJSON(t *testing.T) {
	// A picture's recipe has the fields of one of the two.
	either := slices.Concat(fields(reflect.TypeFor[recipe.Pictures]()), fields(reflect.TypeFor[recipe.Interpolated]()))
	optional := map[string][]string{"madeJSON": either}
	r := &jsonschema.Reflector{AllowAdditionalProperties: true, Anonymous: true}
	s := r.Reflect(&documents{})
	for name, def := range s.Definitions {
		def.Required = slices.DeleteFunc(def.Required, func(field string) bool { return slices.Contains(optional[name], field) })
	}
	s.Title = "What the verbs of biggan print under --json: a property a verb"
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	generated(t, "json.schema.json", append(text, '\n'))
}
