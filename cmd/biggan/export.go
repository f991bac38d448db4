package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/onnxgraph"
	"github.com/biggan-zoo/biggan/registry"
)

// exportFormats are what export writes, and whether one of them may go to standard output.
var exportFormats = []struct {
	name   string
	stream bool
	write  func(ctx context.Context, a *app, m *biggan.Model, out string, opset int) ([]string, error)
}{
	{"hf", false, func(ctx context.Context, a *app, m *biggan.Model, out string, _ int) ([]string, error) {
		return convert.ExportHF(ctx, m.Weights(), out, a.force)
	}},
	{"onnx", true, func(ctx context.Context, a *app, m *biggan.Model, out string, opset int) ([]string, error) {
		return []string{out}, a.output(out, func(path string, overwrite bool) error {
			p := a.newProgress("exporting", true)
			defer p.finish()
			return exportONNX(ctx, m, path, overwrite, onnxgraph.Options{Opset: opset, Progress: p.update})
		})
	}},
}

func exportNames() []string {
	var names []string
	for _, f := range exportFormats {
		names = append(names, f.name)
	}
	return names
}

func newExport(a *app) *cobra.Command {
	var out, to string
	var opset int
	cmd := &cobra.Command{
		Use:   "export MODEL --to hf|onnx -o OUT",
		Short: "Write a model in another program's format",
		Long: `Write a model in another program's format.

hf: a folder with pytorch_model.bin and config.json, as Hugging Face's port of BigGAN-deep
loads it; the tensors are bit for bit those of the checkpoint that the model came from, or of a
model in f16 or bf16 such that the port computes the same network.

onnx: one file for ONNX Runtime and others. Inputs z [N, zdim], y [N, classes] and
truncation, a scalar; output image [N, 3, H, W] in [-1, 1]. Of a discriminator: x [N, 3, H, W] and y;
logit [N, 1]. N is free. z is to be multiplied by the truncation already, as ` + "`run`" + ` takes it. Values
between are named after the nodes of ` + "`biggan info MODEL --nodes`" + `; weights are float32 and divided by
their spectral norms.`,
		Example: `  biggan export letters --to onnx -o letters.onnx
  biggan export deep.safetensors --to hf -o biggan-deep-128`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, f := range exportFormats {
				if f.name != to {
					continue
				}
				if f.name != "onnx" && cmd.Flags().Changed("opset") {
					return usage("--opset is of --to onnx")
				}
				if opset < onnxgraph.Opset || opset > onnxgraph.MaxOpset {
					return usage("--opset %d: want %d to %d", opset, onnxgraph.Opset, onnxgraph.MaxOpset)
				}
				if out == "" {
					return usage("export --to %s needs -o OUT", to)
				}
				if err := a.checkExport(out, f.stream); err != nil {
					return err
				}
				m, err := a.open(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				defer m.Close()
				paths, err := f.write(cmd.Context(), a, m, out, opset)
				if err != nil || out == "-" {
					return err
				}
				return a.printPaths(paths)
			}
			hint := ""
			if near := registry.Nearest(to, exportNames()); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			return usage("--to %q: want one of %s%s", to, strings.Join(exportNames(), ", "), hint)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "folder (hf) or file (onnx) to write; - is stdout (onnx)")
	cmd.Flags().IntVar(&opset, "opset", onnxgraph.Opset, fmt.Sprintf("of onnx: version of its operators, %d to %d", onnxgraph.Opset, onnxgraph.MaxOpset))
	cmd.Flags().StringVar(&to, "to", "", "format: "+strings.Join(exportNames(), ", "))
	return cmd
}

// checkExport finds out early what would fail late.
func (a *app) checkExport(out string, stream bool) error {
	if stream {
		return a.checkOutput(out)
	}
	if info, err := os.Stat(out); out == "-" || err == nil && !info.IsDir() {
		return usage("-o %s: want the name of a folder", out)
	}
	return nil
}

// exportONNX writes a model as an ONNX file that says where it comes from.
func exportONNX(ctx context.Context, m *biggan.Model, path string, overwrite bool, o onnxgraph.Options) error {
	digest, err := m.Digest()
	if err != nil {
		return err
	}
	o.ProducerVersion = version()
	o.Metadata = maps.Clone(m.Weights().Metadata())
	delete(o.Metadata, "format") // says how safetensors' loaders take it
	o.Metadata["biggan.model_sha256"] = digest
	o.Doc = fmt.Sprintf("%s, exported by biggan %s from a file of SHA-256 %s. Weights are divided by their spectral norms.", m.Meta.Architecture, version(), digest)
	if m.Meta.SourceFile != "" {
		o.Doc += fmt.Sprintf(" Converted from %s (%s).", m.Meta.SourceFile, m.Meta.SourceFormat)
	}
	if m.Meta.LicenseNote != "" {
		o.Doc += " " + m.Meta.LicenseNote
	}
	o.Docs = onnxDocs(m)
	f, err := atomicfile.Create(path, overwrite)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := onnxgraph.Write(ctx, w, m.Graph, m.Weights(), o); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Commit()
}

// onnxDocs says what inputs and outputs are.
func onnxDocs(m *biggan.Model) map[string]string {
	docs := map[string]string{
		"z":          "latent vectors: normal, truncated at 2, times the truncation",
		"y":          "weight of each class: 1 for one, or a mix",
		"x":          "pictures in [-1, 1], red, green, blue",
		"image":      "pictures in [-1, 1], red, green, blue",
		"logit":      "higher is more like a picture of the class",
		"truncation": "0 to 1: which statistics of the batch norms; z is multiplied by it already",
	}
	if m.OneTruncation() {
		docs["truncation"] = "not read: the model has one set of statistics"
	}
	return docs
}

type pathsJSON struct {
	Paths []string `json:"paths"`
}

func (a *app) printPaths(paths []string) error {
	return a.print(pathsJSON{paths}, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, strings.Join(paths, "\n"))
		return err
	})
}
