package convert_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/goldentest"
	"github.com/biggan-zoo/biggan/weights"
)

func convertTo(t *testing.T, src string, o convert.Options) (*weights.File, *convert.Report) {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "m.safetensors")
	report, err := convert.File(context.Background(), goldentest.Path(t, src), dst, o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(dst)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, report
}

// TestSigma compares the spectral norm of every layer with what BigGAN-PyTorch used in eval mode.
func TestSigma(t *testing.T) {
	for _, name := range []string{"biggan64", "biggan64-wrapped", "biggandeep64"} {
		config, err := os.ReadFile(goldentest.Path(t, "biggan-pytorch/"+name+"/config.json"))
		if err != nil {
			t.Fatal(err)
		}
		_, report := convertTo(t, "biggan-pytorch/"+name+"/G_ema.pth", convert.Options{Config: config})
		recording, err := weights.Open(goldentest.Path(t, "biggan-pytorch/"+name+"/recording.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		if len(report.Sigma) < 30 {
			t.Errorf("%s: %d spectral norms", name, len(report.Sigma))
		}
		for layer, sigma := range report.Sigma {
			want := make([]float64, 1)
			if err := recording.Float64s(want, "sigma."+layer); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if d := math.Abs(sigma-want[0]) / want[0]; d > 1e-6 {
				t.Errorf("%s: sigma of %s is %v, want %v (%.1e off)", name, layer, sigma, want[0], d)
			}
		}
		recording.Close()
	}
}

// TestContainers converts both containers of one checkpoint to the same tensors.
func TestContainers(t *testing.T) {
	a, report := convertTo(t, "letters", convert.Options{})
	b, _ := convertTo(t, "letters/pytorch_model.zip.bin", convert.Options{})
	if len(a.Names()) != len(b.Names()) || report.Used != 362 {
		t.Fatalf("%d and %d tensors, %d used", len(a.Names()), len(b.Names()), report.Used)
	}
	for _, name := range a.Names() {
		x, _ := a.Bytes(name)
		y, _ := b.Bytes(name)
		if string(x) != string(y) {
			t.Errorf("%s differs", name)
		}
	}
	if report.SourceSHA256 == "" || !json.Valid(report.Config) {
		t.Errorf("report %+v", report)
	}
}
