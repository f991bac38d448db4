// Package convert turns a source checkpoint into the unified format: rule tables from the
// source's names to the schema that the network's graph states, spectral norms by the
// source's own formula, and a report of what was used, dropped and assumed.
package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/convert/tfhub"
	"github.com/biggan-zoo/biggan/convert/torch"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// Checkpoint is what a reader of a file format, or a generator, yields: tensors by the
// source's names, and their content in C order, little-endian.
type Checkpoint interface {
	Tensors() []weights.Info
	Bytes(name string) ([]byte, error)
}

// Options steer a conversion.
type Options struct {
	From      string        // "auto" or "", "hf", "biggan-pytorch", "tfhub"
	Raw       bool          // tfhub: raw weights, not their moving averages
	Config    []byte        // JSON: config.json (hf) or constructor arguments (biggan-pytorch); nil = beside the file or off the shapes
	DType     weights.DType // of the weights: F32 (also ""), F16, BF16
	Overwrite bool
	// Network builds the graph of a file in the unified format; needed to encode one again.
	Network func(architecture string, config []byte) (*graph.Graph, error)

	Model, Converter, LicenseNote string
	Labels                        []string

	// Progress is told how many bytes of tensors are done, from several goroutines.
	Progress func(done, total int64)
}

// Report says what a conversion did.
type Report struct {
	SourceFile   string             `json:"source_file,omitempty"`
	SourceFormat string             `json:"source_format"`
	SourceSHA256 string             `json:"source_sha256,omitempty"`
	Architecture string             `json:"architecture"`
	Config       json.RawMessage    `json:"config"`
	Used         int                `json:"used"` // source tensors carried over
	Dropped      []Dropped          `json:"dropped"`
	Notes        []string           `json:"notes"` // what was assumed or is odd
	Sigma        map[string]float64 `json:"sigma"` // spectral norm of each layer, where it is a number
	Bytes        int64              `json:"bytes"` // of tensors written
}

// Dropped is a source tensor that is not carried over.
type Dropped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// source is a checkpoint that was recognised: its network and how to read it.
type source struct {
	format, architecture string
	config               json.RawMessage
	graph                *graph.Graph
	rules                *table
	sigma                sigmaFormula
	needsV               bool // sigma takes the stored v
	lastAxisOut          bool // weights are [..., out] in the source
	grid                 string
	notes                []string
}

// shapes are the shapes of a checkpoint by name.
type shapes map[string][]int

// dim is one dimension of a tensor; 0 if there is no such tensor or axis.
func (s shapes) dim(name string, axis int) int {
	if shape := s[name]; axis < len(shape) {
		return shape[axis]
	}
	return 0
}

// open recognises the source by the names of its tensors.
func open(ck Checkpoint, o Options) (*source, error) {
	t := shapes{}
	for _, info := range ck.Tensors() {
		t[info.Name] = info.Shape
	}
	_, hf := t["generator.gen_z.weight_orig"]
	_, bgpt := t["shared.weight"]
	_, discriminator := t["embed.weight"]
	switch {
	case o.From == "hf" || hf && o.From != "biggan-pytorch":
		return openHF(t, o)
	case discriminator && !bgpt && !hf:
		return openDiscriminator(t, o)
	case o.From == "biggan-pytorch" || bgpt:
		return openBigGANPyTorch(t, o)
	}
	return nil, fmt.Errorf("convert: %w: %d tensors under names of no known network (want generator.gen_z.* of Hugging Face or shared.weight of BigGAN-PyTorch)", weights.ErrFormat, len(t))
}

// FromCheckpoint converts a checkpoint into a file at dst.
func FromCheckpoint(ctx context.Context, ck Checkpoint, dst string, o Options) (*Report, error) {
	s, err := open(ck, o)
	if err != nil {
		return nil, err
	}
	report := s.report("")
	return report, s.convert(ctx, ck, dst, o, report, nil)
}

// File converts a source file, or the folder that holds it, into a file at dst. Errors
// about the source's content wrap weights.ErrFormat.
func File(ctx context.Context, src, dst string, o Options) (*Report, error) {
	if !o.Overwrite {
		if err := atomicfile.CheckAbsent(dst); err != nil {
			return nil, err
		}
	}
	if o.From == "tfhub" || tfhub.IsModule(src) {
		return fromTFHub(ctx, src, dst, o)
	}
	src, err := checkpointIn(src)
	if err != nil {
		return nil, err
	}
	head, err := weights.Head(src)
	if err != nil {
		return nil, err
	}
	if tfhub.IsArchive(head) {
		return fromTFHub(ctx, src, dst, o)
	}
	if weights.IsSafetensors(head) {
		return reencode(ctx, src, dst, o)
	}
	file, err := torch.Open(src)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return fromTorch(ctx, file, src, dst, o)
}

func fromTorch(ctx context.Context, file *torch.File, src, dst string, o Options) (*Report, error) {
	var err error
	if o.Config == nil && o.From != "biggan-pytorch" && isHF(file) {
		if o.Config, err = configBeside(src); err != nil {
			return nil, err
		}
	}
	s, err := open(file, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	s.notes = append(s.notes, fmt.Sprintf("read from a %s container", file.Container()))
	if w := file.Wrapping(); w != "" {
		s.notes = append(s.notes, "the tensors stood "+w)
	}
	if extras := file.Extras(); len(extras) > 0 {
		s.notes = append(s.notes, "not tensors, left: "+strings.Join(extras, ", "))
	}
	report := s.report(filepath.Base(src))
	if err := s.convert(ctx, file, dst, o, report, hashing(src)); err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	return report, nil
}

// report begins the report of a conversion.
func (s *source) report(file string) *Report {
	return &Report{SourceFile: file, SourceFormat: s.format, Notes: s.notes, Dropped: []Dropped{}, Sigma: map[string]float64{}}
}

func isHF(file *torch.File) bool {
	for _, info := range file.Tensors() {
		if strings.HasSuffix(info.Name, ".weight_orig") {
			return true
		}
	}
	return false
}

// checkpointIn is the file itself, or the checkpoint inside a folder.
func checkpointIn(src string) (string, error) {
	info, err := os.Stat(src)
	if err != nil || !info.IsDir() {
		return src, err
	}
	file := filepath.Join(src, "pytorch_model.bin")
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("convert: the folder %s holds no pytorch_model.bin and no saved_model.pb: %w", src, err)
	}
	return file, nil
}

// configBeside reads the config.json of Hugging Face's layout, if there is one.
func configBeside(src string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(filepath.Dir(src), "config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// hashing starts to hash a file and returns how to wait for its SHA-256.
func hashing(path string) func() (string, error) {
	type result struct {
		sum string
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := os.Open(path)
		if err != nil {
			done <- result{err: err}
			return
		}
		defer f.Close()
		h := sha256.New()
		_, err = io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, 1<<20))
		done <- result{hex.EncodeToString(h.Sum(nil)), err}
	}()
	return func() (string, error) {
		r := <-done
		return r.sum, r.err
	}
}

// Inspect says what network a PyTorch file holds, without converting it. A config.json
// beside the file counts as it does for File.
func Inspect(file *torch.File, path string) (*Report, *graph.Graph, error) {
	var o Options
	var err error
	if isHF(file) {
		if o.Config, err = configBeside(path); err != nil {
			return nil, nil, err
		}
	}
	s, err := open(file, o)
	if err != nil {
		return nil, nil, err
	}
	return s.inspected(), s.graph, nil
}

// InspectModule says what network a TF Hub module holds, without converting it.
func InspectModule(m *tfhub.Module) (*Report, *graph.Graph, error) {
	_, s, err := openTFHub(m, Options{})
	if err != nil {
		return nil, nil, err
	}
	return s.inspected(), s.graph, nil
}

func (s *source) inspected() *Report {
	return &Report{SourceFormat: s.format, Architecture: s.architecture, Config: s.config, Notes: s.notes}
}
