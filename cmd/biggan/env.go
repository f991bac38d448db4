package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu"
	"github.com/biggan-zoo/biggan/backend/gpu"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/zoo"
)

type envJSON struct {
	Version  string           `json:"version"`
	Go       string           `json:"go"`
	Platform string           `json:"platform"`
	Cores    int              `json:"cores"`
	Settings []settingJSON    `json:"settings"`
	Backends []backendJSON    `json:"backends"`
	Adapters []device.Adapter `json:"adapters"`
	Tuning   tuningJSON       `json:"tuning"` // of the cpu backend, for the precision and threads of the flags
}

type settingJSON struct {
	Flag     string `json:"flag"` // empty: there is none
	Variable string `json:"variable"`
	Value    string `json:"value"`
	Source   string `json:"source"` // flag, environment, default
}

type backendJSON struct {
	Name      string `json:"name"`
	Title     string `json:"title"`
	Available bool   `json:"available"`
	Reason    string `json:"reason,omitempty"` // why not
}

func newEnv(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "env", Short: "Show every setting, its value, and where it comes from; and the backends",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			doc := envJSON{
				Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.GOMAXPROCS(0),
			}
			for _, s := range settings {
				f := cmd.Flags().Lookup(s.flag)
				source := "default"
				if f.Changed {
					source = "flag"
				} else if os.Getenv(s.env) != "" {
					source = "environment"
				}
				value, source, err := a.shown(s, f.Value.String(), source)
				if err != nil {
					return err
				}
				doc.Settings = append(doc.Settings, settingJSON{"--" + s.flag, s.env, value, source})
			}
			doc.Settings = append(doc.Settings, proxySettings()...)
			kernels, err := kernelsSetting()
			if err != nil {
				return err
			}
			doc.Settings = append(doc.Settings, kernels, tokenSetting())
			if doc.Backends, err = a.probe(cmd); err != nil {
				return err
			}
			if doc.Adapters, err = gpu.Adapters(); err != nil {
				a.warn("%v", err)
			}
			doc.Tuning = a.tuningState()
			return a.print(doc, doc.text)
		},
	}
}

// shown is a setting's value and source as they take effect.
func (a *app) shown(s setting, value, source string) (string, string, error) {
	switch s.env {
	case zoo.StoreVariable:
		folder, err := a.storeFolder()
		if err != nil || a.store != "" {
			return folder, source, err
		}
		return zoo.DefaultFolder()
	case zoo.MirrorVariable:
		mirrors, err := zoo.ParseMirrors(value)
		var names []string
		for _, m := range mirrors {
			if m == nil {
				names = append(names, zoo.Direct)
			} else {
				names = append(names, m.Redacted())
			}
		}
		return strings.Join(names, ","), source, err
	}
	return value, source, nil
}

// proxySettings are the variables that Go's HTTP client reads, without their passwords.
func proxySettings() []settingJSON {
	var all []settingJSON
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"} {
		value, variable := os.Getenv(name), name
		if value == "" {
			variable = strings.ToLower(name)
			value = os.Getenv(variable)
		}
		if value == "" {
			continue
		}
		if u, err := url.Parse(value); err == nil {
			value = u.Redacted()
		}
		all = append(all, settingJSON{"", variable, value, "environment"})
	}
	return all
}

// kernelsSetting is the set of CPU kernels, which no flag chooses.
func kernelsSetting() (settingJSON, error) {
	s, err := cpu.Kernels()
	if err != nil {
		return settingJSON{}, err
	}
	source := "default"
	if os.Getenv(cpu.Variable) != "" {
		source = "environment"
	}
	return settingJSON{"", cpu.Variable, s.Name, source}, nil
}

// probe tries every backend on the embedded model.
func (a *app) probe(cmd *cobra.Command) ([]backendJSON, error) {
	m, err := biggan.Open(cmd.Context(), embedded)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var all []backendJSON
	for _, b := range registry.Backends {
		doc := backendJSON{Name: b.Name, Title: b.Title, Available: true}
		p, _, err := m.Compile(b.Name, backend.Options{Device: a.device})
		switch {
		case errors.Is(err, backend.ErrUnavailable):
			doc.Available, doc.Reason = false, err.Error()
		case err != nil:
			return nil, err
		default:
			if err := p.Close(); err != nil {
				return nil, err
			}
		}
		all = append(all, doc)
	}
	return all, nil
}

func (e envJSON) text(w io.Writer) error {
	fmt.Fprintf(w, "biggan %s, %s, %s, %d cores\n\n", e.Version, e.Go, e.Platform, e.Cores)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SETTING\tVARIABLE\tVALUE\tFROM")
	for _, s := range e.Settings {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Flag, s.Variable, s.Value, s.Source)
	}
	fmt.Fprintln(t, "\nBACKEND\tTITLE\tSTATE\t")
	for _, b := range e.Backends {
		state := "available"
		if !b.Available {
			state = b.Reason
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t\n", b.Name, b.Title, state)
	}
	if len(e.Adapters) > 0 {
		fmt.Fprintln(t, "\nGPU\tNAME\tTYPE\tBY\tDRIVER\t")
	}
	for _, g := range e.Adapters {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t\n", g.Index, g.Name, g.Type, g.Backend, g.Driver)
	}
	fmt.Fprintf(t, "\nTUNING OF cpu: %s\n", e.Tuning)
	return t.Flush()
}
