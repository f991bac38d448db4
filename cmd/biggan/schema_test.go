package main

import (
	"bytes"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestSchema: what verbs print under --json, also where they fail, is one document that
// docs/json.schema.json describes.
func TestSchema(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join(root, "testdata", "golden")
	g, d := filepath.Join(golden, "letters"), filepath.Join(golden, "biggan-pytorch", "biggan64", "D.pth")
	schemas := jsonschema.NewCompiler()
	page := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(root, "docs", "json.schema.json"))}
	t.Chdir(t.TempDir())
	t.Setenv("BIGGAN_STORE", "store")
	for _, c := range []struct {
		document, args string
		code           int
	}{
		{"list", "list", exitOK},
		{"env", "env", exitOK},
		{"classes", "classes dog", exitOK},
		{"classes --notice", "classes --notice", exitOK},
		{"generate", "generate -n 2 -o two.png", exitOK},
		{"generate", "generate -n 2 -o folder/ --latents-out z.safetensors", exitOK},
		{"generate", "generate -n 2 -o many.npz", exitOK},
		{"generate", "generate -c A -c B --sweep 0.1,1 -o sweep.png", exitOK},
		{"any verb that fails", "generate -n 2 -o two.png", exitUsage},
		{"any verb that fails", "generate -o -", exitUsage},
		{"any verb that fails", "generate -c Nothing", exitNotFound},
		{"any verb that fails", "frobnicate", exitUsage},
		{"interpolate", "interpolate --from A --to B --steps 2 -o way.gif", exitOK},
		{"replay", "replay two.png -o again.png", exitOK},
		{"replay", "replay way.gif -o again.gif", exitOK},
		{"sheet", "sheet two.png folder way.gif -o contact.png --rows 1 --columns 3", exitOK},
		{"any verb that fails", "sheet two.png -o -", exitUsage},
		{"any verb that fails", "replay z.safetensors -o no.png", exitCorrupt},
		{"info", "info letters --tensors --nodes", exitOK},
		{"info", "info two.png", exitOK},
		{"info", "info biggan-128", exitOK},
		{"info", "info " + g, exitOK},
		{"info", "info z.safetensors --tensors", exitOK},
		{"convert", "convert " + g + " -o letters.safetensors", exitOK},
		{"convert", "convert letters.safetensors -o half.safetensors --dtype f16", exitOK},
		{"convert", "convert " + d + " -o d.safetensors", exitOK},
		{"export", "export letters --to hf -o hf", exitOK},
		{"export", "export letters --to onnx -o letters.onnx", exitOK},
		{"run", "run --input z.safetensors -o out.safetensors --keep all", exitOK},
		{"verify", "verify --against reference", exitOK},
		{"verify", "verify -m d.safetensors --against cpu", exitOK},
		{"verify", "verify --against-model letters.safetensors", exitParity},
		{"verify", "verify --against out.safetensors --tolerance 1e-9 --threads 1", exitOK},
		{"verify --files", "verify --files", exitOK},
		{"any verb that fails", "verify --against out.safetensors --seed 1", exitUsage},
		{"bench", "bench --rounds 1", exitOK},
		{"bench", "bench --rounds 1 --backend reference", exitOK},
		{"checksums", "checksums", exitOK},
		{"prune", "prune", exitOK},
		{"any verb that fails", "rm biggan-128", exitNotFound},
		{"any verb that fails", "pull biggan-128 --offline", exitNetwork},
	} {
		t.Run(c.args, func(t *testing.T) {
			s, err := schemas.Compile(page.String() + "#/$defs/documents/properties/" + url.PathEscape(c.document))
			if err != nil {
				t.Fatal(err)
			}
			var stdout, stderr bytes.Buffer
			if code := run(append(strings.Fields(c.args), "--json"), &stdout, &stderr); code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, stderr.String())
			}
			doc, err := jsonschema.UnmarshalJSON(&stdout) // refuses what follows the document
			if err == nil {
				err = s.Validate(doc)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
