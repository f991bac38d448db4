package convert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/biggan-zoo/biggan/arch/deep"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/convert/torch"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// ErrUnsupported means that a model has no form in the format asked for.
var ErrUnsupported = errors.New("no such export")

// ExportHF writes a folder as Hugging Face's port of BigGAN-deep loads it: config.json and
// pytorch_model.bin, whose tensors are bit for bit those of the checkpoint that the model
// came from, if it is stored in float32 and had them all; else see vectorV. It returns the paths written. Existing files are
// atomicfile.ErrExists unless overwrite.
func ExportHF(ctx context.Context, file *weights.File, folder string, overwrite bool) ([]string, error) {
	meta, err := weights.ParseMeta(file.Metadata())
	if err != nil {
		return nil, err
	}
	if meta.Architecture != "biggan-deep" {
		return nil, fmt.Errorf("convert: %w: Hugging Face's port holds BigGAN-deep, this model is %s", ErrUnsupported, meta.Architecture)
	}
	c, err := deep.ParseConfig(meta.Config)
	if err != nil {
		return nil, fmt.Errorf("convert: %w: %v", weights.ErrFormat, err)
	}
	if c.Port != deep.HuggingFace {
		return nil, fmt.Errorf("convert: %w: the network is %s's own variant, which Hugging Face's port cannot hold", ErrUnsupported, c.Port)
	}
	if c.FinalEps != 0 && c.FinalEps != c.Eps {
		return nil, fmt.Errorf("convert: %w: the last batch norm's epsilon is %g, the others' is %g; Hugging Face's port has one", ErrUnsupported, c.FinalEps, c.Eps)
	}
	if c.RGBChannels != 0 {
		return nil, fmt.Errorf("convert: %w: the last convolution makes %d channels, Hugging Face's port as many as it takes", ErrUnsupported, c.RGBChannels)
	}
	g, err := deep.Generator("export", c)
	if err != nil {
		return nil, err
	}
	tensors, params, err := hfTensors(g, file)
	if err != nil {
		return nil, err
	}
	config, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, err
	}
	data := func(name string) ([]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if layer, ok := strings.CutSuffix(params[name], ".v"); ok {
			return vectorV(file, layer)
		}
		return float32Bytes(file, params[name])
	}
	return writeFolder(folder, overwrite, map[string]func(*atomicfile.File) error{
		"pytorch_model.bin": func(f *atomicfile.File) error { return torch.Write(f, tensors, data) },
		"config.json": func(f *atomicfile.File) error {
			_, err := f.Write(append(config, '\n'))
			return err
		},
	})
}

// hfTensors lists the state dict and the parameter behind each name.
func hfTensors(g *graph.Graph, file *weights.File) (tensors []weights.Info, params map[string]string, err error) {
	params = map[string]string{}
	for _, p := range g.Params() {
		name, ok := SourceName("hf", p.Name)
		if !ok {
			continue // sigma: computed from the others
		}
		if _, ok := file.Info(p.Name); !ok && p.Role != graph.V {
			return nil, nil, fmt.Errorf("convert: %w: the model was converted from a source without %q, which Hugging Face's port needs", ErrUnsupported, p.Name)
		}
		tensors = append(tensors, weights.Info{Name: name, DType: weights.F32, Shape: p.Shape})
		params[name] = p.Name
	}
	return tensors, params, nil
}

// vectorV is v of a layer. Hugging Face's port computes the spectral norm anew, u·(W v). Where
// the weight was rounded to f16 or bf16, or the source keeps u alone (TensorFlow's do: then v
// is Wᵀu), v is scaled so that the port finds the norm that the file has, and so computes
// the same network.
func vectorV(file *weights.File, layer string) ([]byte, error) {
	info, _ := file.Info(layer + ".weight")
	_, stored := file.Info(layer + ".v")
	if stored && info.DType == weights.F32 {
		return float32Bytes(file, layer+".v")
	}
	raw, _ := file.Bytes(layer + ".weight")
	w, err := newMatrix(info, raw, false)
	if err != nil {
		return nil, err
	}
	u, v, sigma := make([]float64, w.out), make([]float64, w.fan), make([]float64, 1)
	if err := errors.Join(file.Float64s(u, layer+".u"), file.Float64s(sigma, layer+".sigma")); err != nil {
		return nil, err
	}
	if !stored {
		v = w.transposedTimes(u)
	} else if err := file.Float64s(v, layer+".v"); err != nil {
		return nil, err
	}
	found := storedVectors(w, u, v)
	if found == 0 {
		return nil, fmt.Errorf("convert: %w: u of %s finds no spectral norm", weights.ErrFormat, layer)
	}
	scaled := make([]float32, w.fan)
	for i, x := range v {
		scaled[i] = float32(x * sigma[0] / found)
	}
	var wide writer
	err = weights.Encode(&wide, weights.F32, scaled)
	return wide, err
}

// float32Bytes is a tensor as float32: as it is, or widened.
func float32Bytes(file *weights.File, name string) ([]byte, error) {
	info, _ := file.Info(name)
	data, _ := file.Bytes(name)
	if info.DType == weights.F32 {
		return data, nil
	}
	var wide writer
	err := transcode(&wide, weights.F32, info.DType, data)
	return wide, err
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// writeFolder writes files beside their names, and renames them once all are whole.
func writeFolder(folder string, overwrite bool, files map[string]func(*atomicfile.File) error) (written []string, err error) {
	made := false
	if err := os.Mkdir(folder, 0o755); err == nil {
		made = true
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	var pending []*atomicfile.File
	defer func() {
		for _, f := range pending {
			err = errors.Join(err, f.Close())
		}
		if err != nil && made {
			os.Remove(folder) // fails, rightly, if something stands in it
		}
	}()
	for name, write := range files {
		path := filepath.Join(folder, name)
		f, err := atomicfile.Create(path, overwrite)
		if err != nil {
			return nil, err
		}
		pending = append(pending, f)
		if err := write(f); err != nil {
			return nil, err
		}
		written = append(written, path)
	}
	for _, f := range pending {
		if err := f.Commit(); err != nil {
			return nil, err
		}
	}
	return written, nil
}
