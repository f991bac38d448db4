// Command bulk makes very many pictures by an Apache Beam pipeline: on this machine, or on
// what --runner names (flink, spark, dataflow), which needs its own flags. It writes the same
// files as `biggan generate` into a folder or .tar or .npz files, in a file system that all
// workers share or in a bucket (gs://, s3://).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/options/jobopts"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/dataset"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/sample"
)

// list is a flag that may stand several times.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(text string) error {
	*l = append(*l, text)
	return nil
}

// options are the flags.
type options struct {
	job
	classes, mixes list
	seed           uint
	chunk, retries int
}

func parse() (options, error) {
	var o options
	flag.StringVar(&o.Model, "m", "letters", "model: a name, or a file that every worker sees")
	flag.Var(&o.classes, "c", "class, or a mix; several are taken in turn (default every class)")
	flag.Var(&o.mixes, "mix", "BLOCKS=seed:SEED,class:CLASS: what these blocks see")
	flag.IntVar(&o.Order.N, "n", 1000, "pictures in all")
	flag.IntVar(&o.Order.First, "first", 0, "number of the first picture among those of the seed")
	flag.UintVar(&o.seed, "seed", 0, "seed of the latent vectors, 0 to 4294967295")
	flag.Float64Var(&o.Order.Recipe.Truncation, "truncation", 0.5, "0 to 1")
	flag.StringVar(&o.Order.Recipe.Noise, "noise", string(sample.Truncated), "latent vectors: truncated, normal, resampled")
	flag.StringVar(&o.Order.Out, "o", "", "FOLDER/, OUT.tar or OUT.npz")
	flag.IntVar(&o.Order.PerFile, "per_file", 250, "pictures a .tar or .npz file")
	flag.StringVar(&o.Backend, "backend", "auto", "what computes")
	flag.IntVar(&o.Threads, "threads", 1, "threads a bundle; 0 = one a core")
	flag.IntVar(&o.chunk, "chunk", 0, "files a bundle is given at a time (default 64 of single pictures, 1 of many)")
	flag.IntVar(&o.retries, "retries", 3, "how often in a row to try again after an attempt that made nothing")
	flag.Parse()
	beam.Init()
	return o, o.finish()
}

// finish checks the flags and completes the job.
func (o *options) finish() error {
	order := &o.Order
	switch ext := path.Ext(order.Out); {
	case ext == ".tar":
		order.Kind = dataset.Tar
	case ext == ".npz":
		order.Kind = dataset.NPZ
	case order.Out == "":
		return errors.New("-o: want FOLDER/, OUT.tar or OUT.npz")
	default:
		order.Kind = dataset.PNG
	}
	if o.chunk == 0 {
		o.chunk = 1
		if order.Kind == dataset.PNG {
			o.chunk = 64
		}
	}
	if o.seed > 1<<32-1 || o.chunk < 1 || o.Threads < 0 || o.retries < 0 {
		return fmt.Errorf("-seed %d, -chunk %d, -threads %d, -retries %d: out of range", o.seed, o.chunk, o.Threads, o.retries)
	}
	r := &order.Recipe
	r.Version, r.Model, r.Precision, r.Stats = recipe.Version, o.Model, string(backend.F32), "linear"
	r.Pictures = &recipe.Pictures{Seed: uint32(o.seed), Asked: o.classes, Mix: o.mixes}
	order.Metadata = true
	return nil
}

func main() {
	o, err := parse()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bulk: %v\n", err)
		os.Exit(exitUsage)
	}
	code := 0
	if note := os.Getenv(attemptVariable); note != "" {
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM) // which end the supervisor, and that ends this process
		go endWithParent()
		code, err = attempt(context.Background(), o, note)
	} else if self, problem := os.Executable(); problem != nil {
		code, err = exitFailure, problem
	} else {
		s := supervisor{append([]string{self}, os.Args[1:]...), o.retries, time.Second, os.Stdout, os.Stderr}
		code, err = s.run(untilSignal())
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bulk: %v\n", err)
	}
	os.Exit(code)
}

// stopped is the end of a context by a signal.
type stopped struct{ signal syscall.Signal }

func (s stopped) Error() string { return "stopped by a signal: " + s.signal.String() }

// untilSignal is a context that SIGINT and SIGTERM end, of which its cause tells. This process
// ends with it.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		number, _ := (<-signals).(syscall.Signal)
		cancel(stopped{number})
	}()
	return ctx
}

// attempt runs once, notes how many files it finds missing, and returns the exit code.
func attempt(ctx context.Context, o options, note string) (int, error) {
	err := run(ctx, o, func(missing int) error { return os.WriteFile(note, []byte(strconv.Itoa(missing)), 0o600) })
	switch {
	case err == nil:
		return 0, nil
	case errors.Is(err, errUnfinished):
		return exitUnfinished, err
	}
	return exitRefused, err
}

// run begins the run, or goes on with it, and wants every file to be there at its end. found is
// told how many are missing at its begin. What another attempt may mend is errUnfinished.
func run(ctx context.Context, o options, found func(missing int) error) error {
	w, err := open(ctx, &o.job, storeFor(ctx, o.Order.Out))
	if err != nil {
		return err
	}
	if err := w.run.Begin(false); err != nil {
		return err
	}
	if !remote(o.Order.Out) {
		if err := w.run.Clean(0, w.run.Files()); err != nil {
			return err
		}
	}
	missing, err := w.run.Missing(0, w.run.Files())
	if err != nil {
		return err
	}
	if err := found(len(missing)); err != nil {
		return err
	}
	p, s := beam.NewPipelineWithRoot()
	if err := draw(s, o.job, w.run.Files(), o.chunk); err != nil {
		return err
	}
	if err := beamx.Run(ctx, p); err != nil {
		return fmt.Errorf("%w: %w", errUnfinished, err)
	}
	if *jobopts.Async {
		return nil // nobody waits for the files
	}
	missing, err = w.run.Missing(0, w.run.Files())
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("%w: %d of %d files are missing, the first is %s", errUnfinished, len(missing), w.run.Files(), w.run.Path(missing[0]))
	}
	if err != nil {
		return err
	}
	for file := range w.run.Files() {
		if _, err := fmt.Println(w.run.Path(file)); err != nil {
			return err
		}
	}
	return nil
}
