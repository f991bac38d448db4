package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/synth"
	"github.com/biggan-zoo/biggan/registry"
)

func newSynth(a *app) *cobra.Command {
	var out, dtype string
	cmd := &cobra.Command{
		Use:   "synth NAME -o OUT.safetensors",
		Short: "Make a full-size model of synthetic weights",
		Long: `Make a full-size model of synthetic weights, the same on every machine, to measure and
compare with where the real weights are not at hand. Its pictures show nothing.

NAME is one of ` + strings.Join(synth.Names(), ", ") + `.`,
		Args: cobra.ExactArgs(1), ValidArgs: synth.Names(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usage("synth needs -o OUT.safetensors")
			}
			if err := a.checkOutput(out); err != nil {
				return err
			}
			if _, err := registry.FindModel(args[0]); err != nil {
				return err
			}
			p := a.newProgress("making "+args[0], true)
			defer p.finish()
			o := convert.Options{Converter: "biggan " + version(), Progress: p.update}
			if err := convertFlags(&o, "auto", "", dtype, ""); err != nil {
				return err
			}
			var report *convert.Report
			err := a.output(out, func(path string, overwrite bool) (err error) {
				o.Overwrite = overwrite
				report, err = synth.Write(cmd.Context(), args[0], path, o)
				return err
			})
			p.finish()
			if err != nil {
				return err
			}
			return a.printConversion(out, report)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "file to write; - is stdout")
	cmd.Flags().StringVar(&dtype, "dtype", "f32", "store weights as f32, f16 or bf16")
	return cmd
}
