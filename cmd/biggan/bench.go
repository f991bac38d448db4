package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/synth"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/registry"
	"github.com/biggan-zoo/biggan/sample"
)

type benchJSON struct {
	Model           string           `json:"model"`
	Backend         string           `json:"backend"`
	Precision       string           `json:"precision"`
	Batch           int              `json:"batch"`
	Threads         int              `json:"threads"`
	Rounds          int              `json:"rounds"`
	MsPerImage      float64          `json:"ms_per_image"` // median
	MsFastest       float64          `json:"ms_per_image_fastest"`
	ImagesPerSecond float64          `json:"images_per_second"`
	LoadMs          float64          `json:"load_ms"`    // opening and compiling
	GFLOPs          float64          `json:"gflops"`     // of the plain graph, a second: what a direct computation would have to reach
	PeakBytes       int64            `json:"peak_bytes"` // anonymous memory, from opening to the last run
	Departures      int              `json:"departures"` // shapes of convolutions that a table of --tune has computed otherwise than the cost model
	Layers          []benchLayerJSON `json:"layers"`     // empty if the backend does not tell
}

type benchLayerJSON struct {
	Kind       string  `json:"kind"`
	Method     string  `json:"method"`
	Layers     int     `json:"layers"`
	Ms         float64 `json:"ms"`          // an image
	GFLOPs     float64 `json:"gflops"`      // of the plain graph, a second
	GFLOPsDone float64 `json:"gflops_done"` // of the products that were computed, a second
	MB         float64 `json:"mb"`          // weights, and maps read and written, an image
}

func newBench(a *app) *cobra.Command {
	var model, synthetic, report string
	var batch, rounds int
	var tune bool
	cmd := &cobra.Command{
		Use:   "bench [-m MODEL | --synthetic NAME] [--batch N]",
		Short: "Measure how fast a model runs here",
		Long: `Measure how fast a model runs here: milliseconds an image, by kind of layer, and memory.

--synthetic runs a full-size network on synthetic weights, which take as long as real ones:
one of ` + strings.Join(synth.Names(), ", ") + `.

--tune measures every method that could compute each convolution of the model, on this
processor with --threads and --precision, and writes those that are fastest, the memory of their
weights considered, to a table in the user's folder for caches, beside those of other models.
From then on every verb computes so; pictures may differ in last bits, and say what computed
them. It is done on an idle machine. To undo it, delete the table: biggan env names it.

--report FILE.json writes what the machine is, these figures, and whether the embedded model on
this backend agrees with float64 node by node: the file to contribute for a GPU that nobody has
verified yet.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case batch < 1 || batch > 1024:
				return usage("--batch %d: want 1 to 1024", batch)
			case rounds < 0:
				return usage("--rounds %d: want 0 (as many as a good second takes) or more", rounds)
			case synthetic != "" && cmd.Flags().Changed("model"):
				return usage("-m and --synthetic both say what to run")
			case report == "-":
				return usage("--report -: want the name of a file")
			}
			if tune {
				if err := checkTune(cmd.Flags().Changed); err != nil {
					return err
				}
			}
			if report != "" && !a.force {
				if err := atomicfile.CheckAbsent(report); err != nil {
					return err
				}
			}
			if synthetic != "" {
				path, remove, err := a.makeSynthetic(cmd.Context(), synthetic)
				if err != nil {
					return err
				}
				defer remove()
				model = path
			}
			if tune {
				doc, err := a.tune(cmd.Context(), model, rounds)
				if err != nil {
					return err
				}
				if synthetic != "" {
					doc.Model = synthetic
				}
				return a.print(doc, doc.text)
			}
			doc, err := a.bench(cmd.Context(), model, batch, rounds)
			if err != nil {
				return err
			}
			if synthetic != "" {
				doc.Model = synthetic
			}
			if report != "" {
				if err := a.writeBenchReport(cmd.Context(), report, doc); err != nil {
					return err
				}
			}
			return a.print(doc, doc.text)
		},
	}
	cmd.Flags().StringVarP(&model, "model", "m", embedded, "model: a name or a file")
	cmd.Flags().StringVar(&synthetic, "synthetic", "", "full-size network of synthetic weights")
	cmd.Flags().StringVar(&report, "report", "", "write the figures, the machine and its parity with float64 to a .json file")
	cmd.Flags().IntVar(&batch, "batch", 1, "images a run")
	cmd.Flags().IntVar(&rounds, "rounds", 0, "runs to measure; 0 = as many as a good second takes")
	cmd.Flags().BoolVar(&tune, "tune", false, "measure methods of the CPU and write a table of the fastest")
	return cmd
}

// makeSynthetic writes a synthetic model to a folder that remove deletes.
func (a *app) makeSynthetic(ctx context.Context, name string) (path string, remove func(), err error) {
	if _, err := registry.FindModel(name); err != nil {
		return "", nil, err
	}
	folder, err := os.MkdirTemp("", "biggan-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(folder) }
	p := a.newProgress("making "+name, true)
	defer p.finish()
	path = filepath.Join(folder, name+".safetensors")
	if _, err := synth.Write(ctx, name, path, convert.Options{Converter: "biggan " + version(), Progress: p.update}); err != nil {
		remove()
		return "", nil, err
	}
	debug.FreeOSMemory()
	return path, remove, nil
}

// enough is how long a measurement without --rounds lasts, and how many runs it has at least.
const (
	enough      = 1200 * time.Millisecond
	leastRounds = 5
)

func (a *app) bench(ctx context.Context, model string, batch, rounds int) (benchJSON, error) {
	doc := benchJSON{Model: model, Precision: a.precision, Batch: batch, Threads: a.threads}
	if doc.Threads == 0 {
		doc.Threads = runtime.GOMAXPROCS(0)
	}
	memory := watchMemory()
	defer memory.stop()
	start := time.Now()
	m, err := a.open(ctx, model)
	if err != nil {
		return doc, err
	}
	defer m.Close()
	program, used, err := m.Compile(a.backend, a.tuned(a.options()))
	if err != nil {
		return doc, err
	}
	defer program.Close()
	doc.LoadMs, doc.Backend = ms(time.Since(start)), used
	if c, ok := program.(backend.Chooser); ok {
		doc.Departures = len(c.Methods())
	}
	in := benchInputs(m, batch)
	if _, err := program.Run(ctx, in); err != nil {
		return doc, err
	}
	var times []time.Duration
	for begin := time.Now(); len(times) < rounds || rounds == 0 && (len(times) < leastRounds || time.Since(begin) < enough); {
		start := time.Now()
		if _, err := program.Run(ctx, in); err != nil {
			return doc, err
		}
		times = append(times, time.Since(start))
	}
	doc.PeakBytes = memory.stop()
	slices.Sort(times)
	doc.Rounds = len(times)
	doc.MsPerImage = ms(times[len(times)/2]) / float64(batch)
	doc.MsFastest = ms(times[0]) / float64(batch)
	doc.ImagesPerSecond = 1e3 / doc.MsPerImage
	doc.GFLOPs = float64(flops(m.Graph)) / doc.MsPerImage / 1e6
	doc.Layers = []benchLayerJSON{}
	if p, ok := program.(backend.Profiled); ok {
		doc.Layers, err = benchLayers(ctx, p, in, batch)
	}
	return doc, err
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func flops(g *graph.Graph) int64 {
	var sum int64
	for _, n := range g.Nodes {
		sum += n.FLOPs()
	}
	return sum
}

// benchInputs are noise and classes; of a discriminator, noise for a picture.
func benchInputs(m *biggan.Model, batch int) backend.Inputs {
	in := backend.Inputs{Batch: batch, Truncation: 0.5, Tensors: map[string][]float32{}}
	for _, n := range m.Graph.Nodes {
		switch {
		case n.Op != graph.Input:
		case n.Name == "y":
			in.Tensors["y"] = labels.OneHot(sample.Classes(0, batch, n.Elements()), n.Elements())
		default:
			in.Tensors[n.Name] = sample.Noise(0, batch, n.Elements(), 0.5)
		}
	}
	return in
}

// profiles is how many profiled runs there are; each layer's shortest time counts.
const profiles = 3

// benchLayers adds up layers of a kind and method, the longest first.
func benchLayers(ctx context.Context, p backend.Profiled, in backend.Inputs, batch int) ([]benchLayerJSON, error) {
	var best []backend.Layer
	for range profiles {
		layers, err := p.Profile(ctx, in)
		if err != nil {
			return nil, err
		}
		if best == nil {
			best = layers
		}
		for i, l := range layers {
			best[i].Time = min(best[i].Time, l.Time)
		}
	}
	type kind struct{ kind, method string }
	sums := map[kind]*backend.Layer{}
	counts := map[kind]map[string]bool{}
	for _, l := range best {
		k := kind{l.Kind, l.Method}
		if sums[k] == nil {
			sums[k], counts[k] = &backend.Layer{}, map[string]bool{}
		}
		samples := int64(1) // a linear layer runs once for the whole batch
		if l.Kind == "linear" {
			samples = int64(batch)
		}
		sums[k].Time += l.Time
		sums[k].FLOPs += l.FLOPs * samples
		sums[k].Done += l.Done * samples
		sums[k].Bytes += l.Bytes
		counts[k][l.Name] = true
	}
	rows := []benchLayerJSON{}
	for k, s := range sums {
		seconds := max(s.Time.Seconds(), 1e-9)
		rows = append(rows, benchLayerJSON{k.kind, k.method, len(counts[k]), ms(s.Time) / float64(batch), float64(s.FLOPs) / seconds / 1e9, float64(s.Done) / seconds / 1e9, float64(s.Bytes) / 1e6 / float64(batch)})
	}
	slices.SortFunc(rows, func(a, b benchLayerJSON) int {
		if a.Ms != b.Ms {
			return int(1e6 * (b.Ms - a.Ms))
		}
		return strings.Compare(a.Kind+a.Method, b.Kind+b.Method)
	})
	return rows, nil
}

func (d benchJSON) text(w io.Writer) error {
	fmt.Fprintf(w, "%s on %s, %s, batch %d, %d threads, %d runs\n\n", d.Model, d.Backend, d.Precision, d.Batch, d.Threads, d.Rounds)
	fmt.Fprintf(w, "%.2f ms an image (median; fastest %.2f), %.2f images/s, %.1f GFLOP/s of the plain graph\n", d.MsPerImage, d.MsFastest, d.ImagesPerSecond, d.GFLOPs)
	fmt.Fprintf(w, "%.0f ms to load, %s of memory at the peak\n", d.LoadMs, size(d.PeakBytes))
	if d.Departures > 0 {
		fmt.Fprintf(w, "%d shapes of convolutions as a table of --tune has them\n", d.Departures)
	}
	if len(d.Layers) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "kind\tmethod\tlayers\tms an image\tGFLOP/s\tdone\t")
	for _, l := range d.Layers {
		fmt.Fprintf(t, "%s\t%s\t%d\t%.2f\t%.1f\t%.1f\t\n", l.Kind, l.Method, l.Layers, l.Ms, l.GFLOPs, l.GFLOPsDone)
	}
	return t.Flush()
}
