// Package peers runs other implementations of the networks in the user's own Python: the
// scripts are embedded, the packages are whatever stands there. It reads and writes no
// tensors itself.
package peers

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/biggan-zoo/biggan/nearest"
)

// ErrUnavailable means that a peer cannot run here: no Python, or a package that it lacks.
// The error that wraps it is a *MissingError.
var ErrUnavailable = errors.New("peer unavailable")

// MissingError says what is missing, and by Hint what to do.
type MissingError struct{ What, Advice string }

func (e *MissingError) Error() string { return fmt.Sprintf("peers: %v: %s", ErrUnavailable, e.What) }

// Unwrap is ErrUnavailable.
func (e *MissingError) Unwrap() error { return ErrUnavailable }

// Hint is the command that helps.
func (e *MissingError) Hint() string { return e.Advice }

//go:embed scripts/*.py
var scripts embed.FS

// Peer is another implementation.
type Peer struct {
	Name, Title string
	Modules     []string // that Python must be able to import
	install     []string // what pip installs for them
	script      string
}

// All are the peers there are.
var All = []Peer{
	{
		"hf", "Hugging Face's port of BigGAN-deep, in PyTorch",
		[]string{"numpy", "torch", "pytorch_pretrained_biggan"}, []string{"torch", "pytorch-pretrained-biggan"}, "hf.py",
	},
	{
		"tfhub", "TF Hub modules, in TensorFlow",
		[]string{"numpy", "tensorflow", "tensorflow_hub"}, []string{"tensorflow==2.15.1", "tensorflow-hub==0.13.0", "'setuptools<81'"}, "tf.py", // later ones have no hub.Module
	},
	{
		"onnxruntime", "our ONNX export, in ONNX Runtime",
		[]string{"numpy", "onnxruntime"}, []string{"onnxruntime"}, "ort.py",
	},
}

// Find looks a peer up.
func Find(name string) (Peer, error) {
	var names []string
	for _, p := range All {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	hint := ""
	if near := nearest.Of(name, names); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return Peer{}, fmt.Errorf("peers: %q is no peer: want one of %s%s", name, strings.Join(names, ", "), hint)
}

// Install is the command that installs what the peer needs.
func (p Peer) Install(python string) string {
	return fmt.Sprintf("%s -m pip install %s", python, strings.Join(p.install, " "))
}

// Job is one run of a peer.
type Job struct {
	Model      string   `json:"model"`      // hf: a folder with config.json and pytorch_model.bin; tfhub: a module; onnxruntime: a file
	Input      string   `json:"input"`      // safetensors of float32: z, y and truncation, or x and y
	Output     string   `json:"output"`     // safetensors to write: image or logit, and kept nodes; its metadata are versions
	Keep       []string `json:"keep"`       // nodes to write as well, where the peer has them
	Sums       []string `json:"sums"`       // nodes that add two maps, in order: by this tfhub knows them
	Truncation float64  `json:"truncation"` // that of Input, before it was rounded to float32
	Threads    int      `json:"threads"`    // 0 = as many as the peer takes
}

// Run runs a job; files of its own go into folder, which the caller removes. What is not
// there is a *MissingError; another failure carries the last lines that the peer wrote to
// its standard error. At the context's end the peer is killed.
func (p Peer) Run(ctx context.Context, python, folder string, job Job) error {
	entries, err := scripts.ReadDir("scripts")
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := scripts.ReadFile("scripts/" + e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, e.Name()), text, 0o600); err != nil {
			return err
		}
	}
	text, err := json.Marshal(job)
	if err != nil {
		return err
	}
	jobFile := filepath.Join(folder, "job.json")
	if err := os.WriteFile(jobFile, text, 0o600); err != nil {
		return err
	}
	_, stderr, err := execute(ctx, python, folder, filepath.Join(folder, p.script), jobFile)
	if status(err) == missing {
		return &MissingError{
			fmt.Sprintf("%s with %s: %s", p.Name, python, stderr.last(1)),
			p.Install(python),
		}
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("peers: %s with %s: %w:\n%s", p.Name, python, err, stderr.last(12))
	}
	return err
}

// State is what stands on this machine for a peer.
type State struct {
	Python  string             // its version
	Modules map[string]*string // versions; nil = not installed
}

// Missing are the modules of a peer that are not installed.
func (s State) Missing(p Peer) []string {
	var names []string
	for _, m := range p.Modules {
		if s.Modules[m] == nil {
			names = append(names, m)
		}
	}
	return names
}

// Probe looks the modules of all peers up without importing them.
func Probe(ctx context.Context, python string) (State, error) {
	var s State
	script, err := scripts.ReadFile("scripts/probe.py")
	if err != nil {
		return s, err
	}
	folder, err := os.MkdirTemp("", "biggan-") // where Python takes no folder for a package
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(folder)
	args := []string{"-c", string(script)}
	for _, p := range All {
		args = append(args, p.Modules...)
	}
	stdout, stderr, err := execute(ctx, python, folder, args...)
	if err != nil {
		if stderr != nil && ctx.Err() == nil {
			err = fmt.Errorf("peers: %s: %w:\n%s", python, err, stderr.last(12))
		}
		return s, err
	}
	if err := json.Unmarshal(stdout, &s); err != nil {
		return s, fmt.Errorf("peers: %s is no Python: it prints %q", python, firstLine(stdout))
	}
	return s, nil
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
