// Package bench measures the backends on the full-size networks; README.md has the figures.
package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/synth"
	"github.com/biggan-zoo/biggan/convert/tfhub/tfhubtest"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/sample"
)

// model opens a network of synthetic weights, or the embedded one.
func model(b *testing.B, name string) *biggan.Model {
	b.Helper()
	path := name
	if name != "letters" {
		path = filepath.Join(b.TempDir(), name)
		if _, err := synth.Write(b.Context(), name, path, convert.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	m, err := biggan.Open(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	return m
}

func inputs(m *biggan.Model, batch int) backend.Inputs {
	n := m.Labels.Len()
	return backend.Inputs{
		Batch: batch, Truncation: 0.5,
		Tensors: map[string][]float32{
			"z": sample.Noise(0, batch, m.ZDim(), 0.5), "y": labels.OneHot(sample.Classes(0, batch, n), n),
		},
	}
}

// BenchmarkRun measures a run of a compiled program on the cpu backend.
func BenchmarkRun(b *testing.B) {
	for _, name := range []string{"letters", "biggan-deep-128", "biggan-128", "biggan-deep-256", "biggan-256", "biggan-deep-512", "biggan-512"} {
		for _, batch := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/batch=%d", name, batch), func(b *testing.B) {
				m := model(b, name)
				p, used, err := m.Compile("auto", backend.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer p.Close()
				in := inputs(m, batch)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.Run(b.Context(), in); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N*batch), "ms/image")
				b.Log(used)
			})
		}
	}
}

// BenchmarkCompile measures opening and packing.
func BenchmarkCompile(b *testing.B) {
	for _, name := range []string{"letters", "biggan-deep-128"} {
		b.Run(name, func(b *testing.B) {
			m := model(b, name)
			for b.Loop() {
				p, _, err := m.Compile("auto", backend.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if err := p.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkConvert measures the conversion of a checkpoint of the environment's
// BIGGAN_CHECKPOINT: its time over that of reading, hashing, writing and syncing the same bytes.
func BenchmarkConvert(b *testing.B) {
	src := os.Getenv("BIGGAN_CHECKPOINT")
	if src == "" {
		b.Skip("set BIGGAN_CHECKPOINT to a pytorch_model.bin")
	}
	dst := filepath.Join(b.TempDir(), "out.safetensors")
	var ours, plain time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := convert.File(b.Context(), src, dst, convert.Options{Overwrite: true}); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
		start = time.Now()
		if err := copyHashed(src, dst); err != nil {
			b.Fatal(err)
		}
		plain += time.Since(start)
	}
	b.ReportMetric(float64(ours)/float64(plain), "times-read+hash+write+sync")
}

// BenchmarkConvertModule measures the conversion of a TF Hub module of biggan-deep-512's
// size, as a folder and as archives, as BenchmarkConvert does. With BIGGAN_KEEP=FOLDER the
// module stays there, to be converted under other instruments.
func BenchmarkConvertModule(b *testing.B) {
	folder := os.Getenv("BIGGAN_KEEP")
	if folder == "" {
		folder = b.TempDir()
	}
	files := tfhubtest.ReleasedDeep(b, "tfhub_deep_512_expected")
	plain, stored, coded := filepath.Join(folder, "module"), filepath.Join(folder, "stored.tar.gz"), filepath.Join(folder, "coded.tar.gz")
	if err := files.WriteFolder(plain); err != nil {
		b.Fatal(err)
	}
	for path, write := range map[string]func(io.Writer, ...tfhubtest.Item) error{stored: tfhubtest.WriteArchive, coded: tfhubtest.WriteCoded} {
		out, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(write(out, files.Entries()...), out.Close()); err != nil {
			b.Fatal(err)
		}
	}
	files = nil
	for _, c := range []struct{ name, src, data string }{ // data is read, hashed, written and synced beside
		{"folder", plain, filepath.Join(plain, tfhubtest.Shard(0, 1))},
		{"stored", stored, stored}, // an archive of blocks that are not compressed
		{"coded", coded, coded},    // as zlib makes one: symbol by symbol
	} {
		b.Run(c.name, func(b *testing.B) {
			dst := filepath.Join(b.TempDir(), "out.safetensors")
			var ours, copied, read time.Duration
			for b.Loop() {
				start := time.Now()
				report, err := convert.File(b.Context(), c.src, dst, convert.Options{Overwrite: true})
				if err != nil {
					b.Fatal(err)
				}
				ours += time.Since(start)
				if b.N == 1 {
					b.Log(report.Used, report.Notes)
				}
				start = time.Now()
				if err := copyHashed(c.data, dst); err != nil {
					b.Fatal(err)
				}
				copied += time.Since(start)
				start = time.Now()
				if err := hashed(c.data, io.Discard); err != nil {
					b.Fatal(err)
				}
				read += time.Since(start)
			}
			b.ReportMetric(float64(ours)/float64(read), "times-read+hash")
			b.ReportMetric(float64(ours)/float64(copied), "times-read+hash+write+sync")
			b.ReportMetric(ours.Seconds()/float64(b.N), "s/convert")
		})
	}
}
