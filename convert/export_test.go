package convert_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/torch"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/weights"
)

// TestExportHF takes letters there and back: every tensor bit for bit.
func TestExportHF(t *testing.T) {
	file, _ := convertTo(t, "letters", convert.Options{})
	folder := filepath.Join(t.TempDir(), "hf")
	if _, err := convert.ExportHF(context.Background(), file, folder, false); err != nil {
		t.Fatal(err)
	}
	source, err := torch.Open(goldentest.Path(t, "letters/pytorch_model.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	back, err := torch.Open(filepath.Join(folder, "pytorch_model.bin"))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	if len(back.Tensors()) != 362 || len(source.Tensors()) != 362 {
		t.Fatalf("%d tensors of %d, want 362", len(back.Tensors()), len(source.Tensors()))
	}
	for _, info := range source.Tensors() {
		want, err := source.Bytes(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := back.Bytes(info.Name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs: %v", info.Name, err)
		}
	}
	if _, err := convert.ExportHF(context.Background(), file, folder, false); !errors.Is(err, atomicfile.ErrExists) {
		t.Errorf("a second export: %v", err)
	}
	if _, err := convert.ExportHF(context.Background(), file, folder, true); err != nil {
		t.Errorf("overwriting: %v", err)
	}
	entries, _ := os.ReadDir(folder)
	if len(entries) != 2 {
		t.Errorf("%d files in the folder, want 2", len(entries))
	}
	if _, err := convert.File(context.Background(), folder, filepath.Join(t.TempDir(), "again.safetensors"), convert.Options{}); err != nil {
		t.Errorf("converting the export: %v", err)
	}
}

// TestExportRefuses: models that Hugging Face's port cannot hold.
func TestExportRefuses(t *testing.T) {
	for _, src := range []string{"biggan-pytorch/biggan64/G_ema.pth", "biggan-pytorch/biggandeep64/G_ema.pth"} {
		file, _ := convertTo(t, src, convert.Options{})
		folder := filepath.Join(t.TempDir(), "hf")
		if _, err := convert.ExportHF(context.Background(), file, folder, false); !errors.Is(err, convert.ErrUnsupported) {
			t.Errorf("%s: %v", src, err)
		}
		if _, err := os.Stat(folder); err == nil {
			t.Errorf("%s: a folder was left behind", src)
		}
	}
}

// TestExportKeepsNorms exports models whose vectors do not give their norms by the port's
// formula: rounded to f16, or from TensorFlow, which keeps no v. The port must find the
// norms of the file.
func TestExportKeepsNorms(t *testing.T) {
	for _, c := range []struct {
		src   string
		dtype weights.DType
	}{{"letters", weights.F16}, {"tfhub/letters/module.tar.gz", weights.F32}, {"tfhub/deep-random-tiny-const/module.tar.gz", weights.F16}} {
		file, _ := convertTo(t, c.src, convert.Options{DType: c.dtype})
		folder := filepath.Join(t.TempDir(), "hf")
		if _, err := convert.ExportHF(t.Context(), file, folder, false); err != nil {
			t.Fatal(err)
		}
		again := filepath.Join(t.TempDir(), "again.safetensors")
		if _, err := convert.File(t.Context(), folder, again, convert.Options{}); err != nil {
			t.Fatal(err)
		}
		back, err := weights.Open(again)
		if err != nil {
			t.Fatal(err)
		}
		defer back.Close()
		norms := 0
		for _, name := range file.Names() {
			if !strings.HasSuffix(name, ".sigma") {
				continue
			}
			norms++
			var got, want [1]float64
			if err := errors.Join(back.Float64s(got[:], name), file.Float64s(want[:], name)); err != nil {
				t.Fatal(err)
			}
			if d := math.Abs(got[0]/want[0] - 1); !(d < 3e-7) {
				t.Errorf("%s: %s is %v, want %v", c.src, name, got[0], want[0])
			}
		}
		if norms < 50 {
			t.Errorf("%s: only %d norms", c.src, norms)
		}
	}
}

// TestSafetensorsPackage opens the unified format with the official Python package and
// compares every weight with the source's bytes.
func TestSafetensorsPackage(t *testing.T) {
	for _, dtype := range []weights.DType{weights.F32, weights.F16} {
		dst := filepath.Join(t.TempDir(), string(dtype)+".safetensors")
		if _, err := convert.File(context.Background(), goldentest.Path(t, "letters"), dst, convert.Options{DType: dtype, Labels: slices.Repeat([]string{"Ä"}, 26)}); err != nil {
			t.Fatal(err)
		}
		goldentest.Python(t, true, "safetensors, numpy", `
import sys, json, numpy
from safetensors import safe_open
with safe_open(sys.argv[1], "numpy") as f:
    meta, names = f.metadata(), list(f.keys())
    assert meta["biggan.architecture"] == "biggan-deep" and json.loads(meta["biggan.labels"]) == ["Ä"] * 26, meta
    w = f.get_tensor("generator.conv_to_rgb.weight")
    assert w.shape == (16, 16, 3, 3) and str(w.dtype) == sys.argv[2], (w.shape, w.dtype)
    assert numpy.isfinite(w.astype("float64")).all()
    assert f.get_tensor("generator.conv_to_rgb.sigma").dtype == numpy.float64
    assert sum(n.endswith(".u") for n in names) > 50
`, dst, map[weights.DType]string{weights.F32: "float32", weights.F16: "float16"}[dtype])
	}
}

// TestTorchReadsExport loads the export with PyTorch's weights-only reader, where PyTorch is
// installed: its wheels are too large for CI.
func TestTorchReadsExport(t *testing.T) {
	file, _ := convertTo(t, "letters", convert.Options{})
	folder := filepath.Join(t.TempDir(), "hf")
	if _, err := convert.ExportHF(context.Background(), file, folder, false); err != nil {
		t.Fatal(err)
	}
	goldentest.Python(t, false, "torch", `
import sys, torch
a = torch.load(sys.argv[1], weights_only=True)
b = torch.load(sys.argv[2], weights_only=True)
m = torch.load(sys.argv[2], weights_only=True, mmap=True)
assert len(a) == len(b) == 362 and a.keys() == b.keys()
for k in a:
    assert a[k].dtype == b[k].dtype and a[k].shape == b[k].shape, k
    assert a[k].contiguous().numpy().tobytes() == b[k].numpy().tobytes() == m[k].numpy().tobytes(), k
`, goldentest.Path(t, "letters/pytorch_model.bin"), filepath.Join(folder, "pytorch_model.bin"))
}
