package biggan_test

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/biggan-zoo/biggan"

// allowed states, for each package of the module, what it may import: packages of the
// module by their folder, others by module path. The standard library is free.
var allowed = map[string][]string{
	".":                   {"backend", "graph", "labels", "registry", "render", "sample", "weights", "zoo"},
	"arch/biggan":         {"graph", "nn"},
	"arch/deep":           {"graph", "nn"},
	"checksums":           {},
	"atomicfile":          {"github.com/google/renameio/v2"},
	"backend":             {"graph", "weights"},
	"backend/backendtest": {"arch/biggan", "arch/deep", "backend", "graph", "nn", "weights"},
	"backend/cpu":         {"backend", "backend/cpu/kernel", "backend/cpu/tuning", "graph", "weights", "golang.org/x/sync"},
	"backend/cpu/kernel":  {"github.com/klauspost/cpuid/v2"},
	"backend/cpu/tuning":  {"atomicfile", "backend"},
	"backend/gpu":         {"atomicfile", "backend", "backend/gpu/device", "backend/gpu/shader", "graph", "weights", "github.com/x448/float16", "golang.org/x/sync"},
	"backend/gpu/device":  {"github.com/gogpu/gputypes", "github.com/gogpu/wgpu"},
	"backend/gpu/shader":  {},
	"backend/reference":   {"backend", "graph", "weights", "github.com/nlpodyssey/spago"},
	"bench":               {},
	"cmd/biggan": {
		".", "atomicfile", "backend", "backend/cpu", "backend/cpu/tuning", "backend/gpu", "backend/gpu/device", "contact", "convert", "convert/onnx", "convert/onnxgraph", "convert/synth", "convert/tfhub", "convert/torch", "dataset", "graph", "labels", "peers", "recipe", "registry", "render", "sample",
		"serve", "verify", "verify/explain", "verify/page", "weights", "zoo",
		"checksums", "zoo/fetch", "zoo/mirror",
		"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/vbauerster/mpb/v8", "golang.org/x/term",
	},
	"chromiumtest":        {"github.com/chromedp/chromedp", "github.com/chromedp/cdproto"},
	"contact":             {"recipe", "render", "golang.org/x/sync"},
	"convert":             {"arch/biggan", "arch/deep", "atomicfile", "convert/tfhub", "convert/torch", "graph", "weights", "golang.org/x/sync"},
	"convert/onnx":        {"convert/onnx/onnxpb", "google.golang.org/protobuf"},
	"convert/onnx/onnxpb": {"google.golang.org/protobuf"},
	"convert/onnxgraph":   {"backend", "convert/onnx", "convert/onnx/onnxpb", "graph", "weights"},
	"convert/synth":       {"arch/biggan", "arch/deep", "convert", "graph", "weights"},
	"convert/tfhub": {
		"weights", "github.com/edsrzf/mmap-go", "github.com/golang/snappy", "github.com/klauspost/compress", "google.golang.org/protobuf",
	},
	"convert/tfhub/tfhubtest": {
		"convert/tfhub", "convert/tfhub/tfpb", "goldentest", "weights", "github.com/golang/snappy", "github.com/klauspost/compress", "google.golang.org/protobuf",
	},
	"convert/tfhub/tfpb": {"google.golang.org/protobuf"},
	"convert/torch":      {"weights", "github.com/edsrzf/mmap-go"},
	"dataset":            {".", "atomicfile", "labels", "recipe", "sample", "golang.org/x/sync"},
	"goldentest":         {},
	"graph":              {},
	"labels":             {"nearest"},
	"modeltest":          {"convert", "goldentest", "graph", "registry", "weights"},
	"nearest":            {},
	"nn":                 {"graph"},
	"peers":              {"nearest"},
	"recipe":             {".", "backend", "labels", "render", "sample"},
	"registry":           {"arch/biggan", "arch/deep", "backend", "backend/cpu", "backend/gpu", "backend/reference", "graph", "nearest", "weights"},
	"render":             {"backend", "golang.org/x/image", "github.com/charmbracelet/x/ansi"},
	"sample":             {},
	"serve":              {".", "backend", "labels", "recipe", "render", "sample", "github.com/prometheus/client_golang"},
	"verify":             {"backend", "graph", "weights"},
	"verify/explain":     {"backend", "convert", "graph", "verify", "weights"},
	"verify/page":        {"backend", "render", "verify"},
	"weights":            {"atomicfile", "github.com/edsrzf/mmap-go", "github.com/x448/float16"},
	"zoo": {
		"atomicfile", "backend", "checksums", "convert", "graph", "registry", "weights", "zoo/fetch",
		"github.com/adrg/xdg", "github.com/gofrs/flock",
	},
	"zoo/fetch":   {"checksums", "golang.org/x/sync"},
	"zoo/mirror":  {"checksums", "zoo"},
	"zoo/zootest": {},
}

// TestImports fails on any import that the table does not allow, and on rows that no package uses.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for decoder.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		folder := folderOf(p.ImportPath)
		seen[folder] = true
		row, ok := allowed[folder]
		if !ok {
			t.Errorf("%s has no row in the table", folder)
			continue
		}
		for _, imported := range p.Imports {
			if !permitted(row, imported) {
				t.Errorf("%s imports %s", folder, imported)
			}
		}
	}
	for folder := range allowed {
		if !seen[folder] {
			t.Errorf("the table has a row for %s, which is no package", folder)
		}
	}
}

func folderOf(importPath string) string {
	return path.Clean(strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/"))
}

func permitted(row []string, imported string) bool {
	if imported == module || strings.HasPrefix(imported, module+"/") {
		return slices.Contains(row, folderOf(imported))
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return true // standard library
	}
	return slices.ContainsFunc(row, func(r string) bool { return imported == r || strings.HasPrefix(imported, r+"/") })
}
