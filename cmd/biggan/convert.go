package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/weights"
)

// dtypes are the element types of --dtype.
var dtypes = map[string]weights.DType{"f32": weights.F32, "f16": weights.F16, "bf16": weights.BF16}

type convertJSON struct {
	wroteJSON
	convert.Report
}

func newConvert(a *app) *cobra.Command {
	var out, from, config, dtype, name, classes string
	var raw bool
	cmd := &cobra.Command{
		Use:   "convert SRC -o OUT.safetensors",
		Short: "Convert a checkpoint into the one format",
		Long: `Convert a checkpoint into the one format.

SRC is pytorch_model.bin of Hugging Face's port, or its folder; a generator's .pth of
BigGAN-PyTorch; a TF Hub module, as a folder or a .tar.gz, which is read in place; a generator
of PyTorch-StudioGAN, mmgeneration or ivclab's BigGAN-Generator-Pretrained-Pytorch; or one of our
own files, to store it in another dtype. What the files of PyTorch do not say (epsilons, blocks a
stage, the order of the colours) is assumed and told: --config takes the constructor's arguments as
JSON, as docs/sources.md lists them.`,
		Example: `  biggan convert biggan-deep-128/ -o deep.safetensors
  biggan convert biggan-256.tar.gz -o biggan-256.safetensors
  biggan convert G_ema.pth --config config.json -o mine.safetensors --dtype f16`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usage("convert needs -o OUT.safetensors")
			}
			if err := a.checkOutput(out); err != nil {
				return err
			}
			p := a.newProgress("converting", true)
			defer p.finish()
			o := convert.Options{Converter: "biggan " + version(), Model: name, Network: registry.Network, Raw: raw, Progress: p.update}
			if err := convertFlags(&o, from, config, dtype, classes); err != nil {
				return err
			}
			var report *convert.Report
			err := a.output(out, func(path string, overwrite bool) (err error) {
				o.Overwrite = overwrite
				report, err = convert.File(cmd.Context(), args[0], path, o)
				return err
			})
			p.finish()
			if err != nil {
				return err
			}
			return a.printConversion(out, report)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "file to write; - is stdout")
	f.StringVar(&from, "from", "auto", "what the source is: "+strings.Join(sources(), ", "))
	f.BoolVar(&raw, "raw", false, "of TF Hub and mmgeneration, take the raw weights, not their moving averages")
	f.StringVar(&config, "config", "", "JSON file: config.json (hf) or the constructor's arguments (others of PyTorch)")
	f.StringVar(&dtype, "dtype", "", "store weights as f32, f16 or bf16, rounded to nearest even (default f32; of our own files, as they are)")
	f.StringVar(&name, "name", "", "name of the model, for its metadata")
	f.StringVar(&classes, "labels", "", "names of the classes in order: A-Z, or names between commas")
	return cmd
}

// sources are the values of --from.
func sources() []string { return append([]string{"auto", "tfhub"}, convert.Formats()...) }

// convertFlags reads the flags that need checking.
func convertFlags(o *convert.Options, from, config, dtype, classes string) error {
	if !slices.Contains(sources(), from) {
		return usage("--from %q: want one of %s", from, strings.Join(sources(), ", "))
	}
	o.From = from
	if dtype != "" {
		var ok bool
		if o.DType, ok = dtypes[dtype]; !ok {
			return usage("--dtype %q: want f32, f16 or bf16", dtype)
		}
	}
	if config != "" {
		var err error
		if o.Config, err = os.ReadFile(config); err != nil {
			return err
		}
		o.OwnConfig = true
	}
	if classes != "" {
		names, err := labels.Parse(classes)
		if err != nil {
			return usageError{err}
		}
		o.Labels = names
	}
	return nil
}

// printConversion reports a conversion; on stderr where the file itself went to stdout.
func (a *app) printConversion(out string, report *convert.Report) error {
	for _, note := range report.Notes {
		a.tell("note: %s", note)
	}
	file, err := wrote(out)
	if err != nil || out == "-" {
		return err
	}
	return a.print(convertJSON{file, *report}, func(w io.Writer) error {
		a.tell("%s: %d tensors used, %d dropped, %s", report.Architecture, report.Used, len(report.Dropped), size(file.Bytes))
		for reason, names := range byReason(report.Dropped) {
			a.tell("dropped %d (%s ...): %s", len(names), names[0], reason)
		}
		_, err := fmt.Fprintln(w, file.Path)
		return err
	})
}

func byReason(dropped []convert.Dropped) map[string][]string {
	groups := map[string][]string{}
	for _, d := range dropped {
		groups[d.Reason] = append(groups[d.Reason], d.Name)
	}
	return groups
}
