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
	"slices"
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
	From   string // "auto" or "", "tfhub", or one of Formats
	Raw    bool   // tfhub, mmgeneration: raw weights, not their moving averages
	Config []byte // JSON: config.json (hf) or constructor arguments (others of PyTorch); nil = beside the file or off the shapes
	// OwnConfig says that the user wrote Config: an unknown key in it is refused. In a
	// config.json as Hugging Face has it, it is noted otherwise.
	OwnConfig bool
	DType     weights.DType // of the weights: F32 (also ""), F16, BF16
	Overwrite bool
	// Network builds the graph of a file in the unified format; needed to encode one again.
	Network func(architecture string, config []byte) (*graph.Graph, error)

	// What is known of the source already, for its provenance; empty = its file's name, and
	// its SHA-256 computed meanwhile.
	SourceFile, SourceSHA256 string

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
	Notes        []string           `json:"notes"`        // what was assumed or is odd
	Sigma        map[string]float64 `json:"sigma"`        // spectral norm of each layer, where it is a number
	Bytes        int64              `json:"tensor_bytes"` // of tensors written
}

// ErrLabels means that there are more or fewer names of classes than classes.
var ErrLabels = errors.New("names of classes do not fit")

// checkLabels wants a name a class, or none.
func checkLabels(names []string, g *graph.Graph) error {
	if y, ok := g.Input("y"); ok && len(names) > 0 && len(names) != y.Elements() {
		return fmt.Errorf("convert: %w: %d for a network of %d classes", ErrLabels, len(names), y.Elements())
	}
	return nil
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
	plain                bool // weights without vectors have none: sigma is 1
	lastAxisOut          bool // weights are [..., out] in the source
	grid                 string
	notes                []string
	dropped              []Dropped // before the rules see them
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

// formats are the names that checkpoints go by: the first row of which a mark stands among
// the tensors counts, of those that have the name if one is given.
var formats = []struct {
	name  string
	marks []string // tensors that only this format has, given the rows above
	open  func(t shapes, o Options) (*source, error)
}{
	{"hf", []string{"generator.gen_z.weight_orig"}, openHF},
	{"ivclab", []string{"g_z.g_linear.weight_orig"}, openIvclab},
	{"mmgeneration", []string{mmFirst + ".weight", mmFirst + ".weight_orig"}, openMMGeneration},
	{"studiogan", []string{"linear0.weight", "linear0.weight_orig"}, openStudioGAN},
	{"biggan-pytorch", []string{"shared.weight"}, openBigGANPyTorch},
	{"biggan-pytorch", []string{"embed.weight"}, openDiscriminator},
}

// Formats lists the names of checkpoints that File tells apart, besides "tfhub".
func Formats() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return slices.Compact(names)
}

// open recognises the source by the names of its tensors. The checkpoint returned is the
// part of it to convert.
func open(ck Checkpoint, o Options) (*source, Checkpoint, error) {
	given := o.From
	if given == "auto" {
		given = ""
	}
	var dropped []Dropped
	if given == "" || given == "mmgeneration" {
		ck, dropped = generatorOf(ck, o.Raw)
	}
	t := shapes{}
	for _, info := range ck.Tensors() {
		t[info.Name] = info.Shape
	}
	marked := func(mark string) bool { return t[mark] != nil }
	for _, f := range formats {
		if (given == "" || given == f.name) && slices.ContainsFunc(f.marks, marked) {
			s, err := f.open(t, o)
			if err != nil {
				return nil, nil, err
			}
			s.dropped = dropped
			return s, ck, nil
		}
	}
	var want []string
	for _, f := range formats {
		if given == "" || given == f.name {
			want = append(want, fmt.Sprintf("%s (%s)", strings.Join(f.marks, " or "), f.name))
		}
	}
	return nil, nil, fmt.Errorf("convert: %w: %d tensors under names of no known network: none is %s", weights.ErrFormat, len(t), strings.Join(want, ", "))
}

// FromCheckpoint converts a checkpoint into a file at dst.
func FromCheckpoint(ctx context.Context, ck Checkpoint, dst string, o Options) (*Report, error) {
	s, ck, err := open(ck, o)
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	digest := o.hashing(ctx, src)
	var err error
	if o.Config == nil && o.From != "biggan-pytorch" && isHF(file) {
		if o.Config, err = configBeside(src); err != nil {
			return nil, err
		}
	}
	s, ck, err := open(file, o)
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
	report := s.report(o.sourceFile(src))
	if err := s.convert(ctx, ck, dst, o, report, digest); err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	return report, nil
}

// report begins the report of a conversion.
func (s *source) report(file string) *Report {
	return &Report{SourceFile: file, SourceFormat: s.format, Notes: s.notes, Dropped: append([]Dropped{}, s.dropped...), Sigma: map[string]float64{}}
}

func isHF(file *torch.File) bool {
	for _, info := range file.Tensors() {
		if info.Name == "generator.gen_z.weight_orig" {
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

func (o Options) sourceFile(src string) string {
	if o.SourceFile != "" {
		return o.SourceFile
	}
	return filepath.Base(src)
}

// hashing starts to hash a file, if its SHA-256 is not known, and returns how to wait for it.
// It ends with ctx.
func (o Options) hashing(ctx context.Context, path string) func() (string, error) {
	if o.SourceSHA256 != "" {
		return func() (string, error) { return o.SourceSHA256, nil }
	}
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
		_, err = io.CopyBuffer(h, struct{ io.Reader }{readerOf{ctx, f}}, make([]byte, 1<<20))
		done <- result{hex.EncodeToString(h.Sum(nil)), err}
	}()
	return func() (string, error) {
		r := <-done
		return r.sum, r.err
	}
}

// readerOf reads until ctx ends.
type readerOf struct {
	ctx context.Context
	io.Reader
}

func (r readerOf) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
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
	s, _, err := open(file, o)
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
