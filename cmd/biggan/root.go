package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/biggan-zoo/biggan/backend/cpu"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/zoo"
)

// setting is a global flag with a value, which an environment variable can set too.
type setting struct{ flag, env string }

var settings = []setting{
	{"backend", "BIGGAN_BACKEND"}, {"precision", "BIGGAN_PRECISION"}, {"threads", "BIGGAN_THREADS"},
	{"device", "BIGGAN_GPU"}, {"progress", "BIGGAN_PROGRESS"},
	{"store", zoo.StoreVariable}, {"mirror", zoo.MirrorVariable}, {"offline", zoo.OfflineVariable},
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "biggan",
		Short: "Run, convert and check BigGAN and BigGAN-deep generators",
		Long: `Run, convert and check BigGAN and BigGAN-deep generators.

MODEL is a name of ` + "`biggan list`" + `, which ` + "`biggan pull`" + ` downloads, or the path of a converted
.safetensors file; a name is never taken for a path, ./NAME is one. Without -m it is the
embedded one, letters. Environment variables set global flags: ` + "`biggan env`" + ` lists them.

Exit codes: 0 ok, 1 failure, 2 usage or bad value, 3 not found (model, class, file),
4 corrupt or refused input, 5 parity exceeded, 6 backend unavailable, 7 network,
8 out of space, 130/143 signals.`,
		Version:       version(),
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.environment(cmd.Flags()); err != nil {
				return err
			}
			if err := a.check(cmd.Flags()); err != nil {
				return err
			}
			a.started = true
			return nil
		},
	}
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print one JSON document on stdout")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print no notes and no progress")
	f.BoolVar(&a.force, "force", false, "overwrite existing files")
	f.StringVar(&a.progress, "progress", "auto", "progress on stderr: "+strings.Join(progressModes, ", "))
	f.StringVar(&a.backend, "backend", "auto", "what computes: auto, "+strings.Join(backendNames(), ", "))
	f.StringVar(&a.precision, "precision", "f32", "arithmetic: "+strings.Join(precisions, ", "))
	f.IntVar(&a.threads, "threads", 0, "threads of the CPU; 0 = one a core")
	f.StringVar(&a.device, "device", "", "GPU, by index or part of its name, as biggan env lists them")
	root.AddCommand(newList(a), newInfo(a), newConvert(a), newExport(a), newGenerate(a), newInterpolate(a), newReplay(a), newSheet(a), newClasses(a), newRun(a), newScore(a), newVerify(a), newBench(a), newSynth(a), newPeers(a), newEnv(a))
	f.StringVar(&a.store, "store", "", "folder of pulled models (default biggan/models in the user's folder for data)")
	f.StringVar(&a.mirror, "mirror", "", "URLs to pull from, between commas, in order; "+zoo.Direct+" = where models are published (default "+zoo.Direct+")")
	f.BoolVar(&a.offline, "offline", false, "never use the network")
	root.AddCommand(newServe(a))
	root.AddCommand(newPull(a), newRm(a), newPrune(a), newChecksums(a), newMirror(a))
	refuseUnknown(root)
	checkArguments(root)
	return root
}

// refuseUnknown makes cobra's own verbs fail where they would print some help and succeed.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion")
	help, _, _ := root.Find([]string{"help"})
	help.Run = nil
	help.RunE = func(cmd *cobra.Command, topic []string) error {
		about, rest, err := root.Find(topic)
		if err == nil && len(rest) > 0 && about.HasSubCommands() {
			err = fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
		}
		if err != nil {
			return usageError{err}
		}
		about.InitDefaultHelpFlag()
		return about.Help()
	}
	completion, _, _ := root.Find([]string{"completion"})
	completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

var precisions = []string{"f32", "bf16", "f16"}

func backendNames() []string {
	var names []string
	for _, b := range registry.Backends {
		names = append(names, b.Name)
	}
	return names
}

// names lists values of a flag for people.
func names[T ~string](values []T) string {
	var list []string
	for _, v := range values {
		list = append(list, string(v))
	}
	return strings.Join(list, ", ")
}

// environment gives flags that were not set the values of their variables.
func (a *app) environment(flags *pflag.FlagSet) error {
	for _, s := range settings {
		value, ok := os.LookupEnv(s.env)
		if f := flags.Lookup(s.flag); f == nil || f.Changed || !ok || value == "" {
			continue
		} else if err := f.Value.Set(value); err != nil {
			return fmt.Errorf("%s=%q: %w", s.env, value, err)
		}
	}
	return nil
}

// maxThreads is more than any machine has cores; from here on threads only cost.
const maxThreads = 4096

// check validates the values of the global flags.
func (a *app) check(flags *pflag.FlagSet) error {
	for _, c := range []struct {
		flag, value string
		valid       []string
	}{
		{"backend", a.backend, append([]string{"auto"}, backendNames()...)},
		{"precision", a.precision, precisions},
		{"progress", a.progress, progressModes},
	} {
		if slices.Contains(c.valid, c.value) {
			continue
		}
		hint := ""
		if near := registry.Nearest(c.value, c.valid); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return usage("--%s %q: want one of %s%s", c.flag, c.value, strings.Join(c.valid, ", "), hint)
	}
	if _, err := zoo.ParseMirrors(a.mirror); err != nil {
		return usage("--mirror: %w", err)
	}
	if err := cpu.CheckVariable(); err != nil {
		return usageError{err}
	}
	if a.threads < 0 || a.threads > maxThreads {
		return usage("--threads %d: want 0 (one a core) to %d", a.threads, maxThreads)
	}
	f := flags.Lookup("device")
	if f != nil && f.Changed && (a.backend == "cpu" || a.backend == "reference") {
		return usage("--device names a GPU, but --backend is %s", a.backend)
	}
	if a.device != "" && a.backend == "auto" {
		a.backend = "gpu" // a GPU that is named is asked for
	}
	return nil
}
