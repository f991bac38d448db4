package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/sample"
	"github.com/biggan-zoo/biggan/weights"
)

// readLatents reads [n, dim] latent vectors from a .npy file, or from z of a .safetensors file.
func readLatents(path string, dim int) ([]float32, error) {
	if strings.EqualFold(filepath.Ext(path), ".npy") {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		z, n, got, err := sample.ParseNPY(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return checkLatents(path, z, n, got, dim)
	}
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, ok := f.Info("z")
	if !ok || len(info.Shape) != 2 {
		return nil, usage("--latents %s: holds no tensor z [n %d]", path, dim)
	}
	z := make([]float32, info.Elements())
	if err := f.Float32s(z, "z"); err != nil {
		return nil, usage("--latents %s: %w", path, err)
	}
	return checkLatents(path, z, info.Shape[0], info.Shape[1], dim)
}

func checkLatents(path string, z []float32, n, got, dim int) ([]float32, error) {
	if got != dim || n < 1 || dim < 1 {
		return nil, usage("--latents %s: holds %d vectors of %d values, the model takes vectors of %d", path, n, got, dim)
	}
	for i, v := range z {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, usage("--latents %s: value %d of vector %d is %v", path, i%dim, i/dim, v)
		}
	}
	return z, nil
}

// checkLatentsOut finds out early what would fail late.
func (a *app) checkLatentsOut(path string) error {
	if ext := strings.ToLower(filepath.Ext(path)); ext != ".npy" && ext != ".safetensors" {
		return usage("--latents-out %s: want a .npy or .safetensors file", path)
	}
	return atomicfile.Check(path, a.force)
}

// writeLatents writes, if asked to, z alone as .npy, or z, y and truncation as the input of `biggan run`.
func (d *drawing) writeLatents() error {
	path, n := d.flags.latentsOut, len(d.each)
	if path == "" {
		return nil
	}
	if strings.EqualFold(filepath.Ext(path), ".npy") {
		return atomicfile.Write(path, sample.FormatNPY(d.z, n), d.app.force)
	}
	classes := d.model.Labels.Len()
	return writeTensors(path, d.app.force, []namedTensor{
		{"z", []int{n, len(d.z) / n}, d.z},
		{"y", []int{n, classes}, labels.Dense(d.each, classes)},
		{"truncation", []int{1}, []float32{float32(d.flags.truncation)}},
	})
}

// namedTensor is a float32 tensor of a file.
type namedTensor struct {
	name  string
	shape []int
	data  []float32
}

// writeTensors writes a safetensors file.
func writeTensors(path string, overwrite bool, tensors []namedTensor) error {
	return writeTensorsWith(path, overwrite, tensors, nil)
}

// writeTensorsWith writes a safetensors file with metadata.
func writeTensorsWith(path string, overwrite bool, tensors []namedTensor, metadata map[string]string) error {
	o := weights.CreateOptions{Overwrite: overwrite, Metadata: metadata}
	for _, t := range tensors {
		o.Tensors = append(o.Tensors, weights.Info{Name: t.name, DType: weights.F32, Shape: t.shape})
	}
	out, err := weights.Create(path, o)
	if err != nil {
		return err
	}
	defer out.Close()
	for _, t := range tensors {
		if err := out.WriteTensor(t.name, func(w io.Writer) error { return binary.Write(w, binary.LittleEndian, t.data) }); err != nil {
			return err
		}
	}
	return out.Commit()
}
