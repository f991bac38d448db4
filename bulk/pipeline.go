package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/dataset"
	"github.com/biggan-zoo/biggan/recipe"
)

func init() {
	register.DoFn2x1[context.Context, int, error](&drawFn{})
}

// job is what every worker is told.
type job struct {
	Model   string
	Backend string
	Threads int
	Order   dataset.Order
}

// draw makes all files of a job, so many at a time, in any order on any worker. What is made
// of a picture depends on its number alone.
func draw(s beam.Scope, j job, files, chunk int) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	var starts []int
	for file := 0; file < files; file += chunk {
		starts = append(starts, file)
	}
	chunks := beam.Reshuffle(s, beam.CreateList(s, starts))
	beam.ParDo0(s, &drawFn{Job: string(text), Files: files, Chunk: chunk}, chunks)
	return nil
}

// drawFn makes the files of a chunk that are not there. A chunk that is given out again, after
// its worker was lost or beside it, changes nothing: files are whole or absent, and the same
// whoever makes them.
type drawFn struct {
	Job          string // job as JSON
	Files, Chunk int

	worker *worker
	job    job
}

// Setup opens the model, once a process.
func (f *drawFn) Setup(ctx context.Context) error {
	if err := json.Unmarshal([]byte(f.Job), &f.job); err != nil {
		return err
	}
	var err error
	f.worker, err = shared(ctx, f.Job, &f.job)
	return err
}

var (
	filesMade = beam.NewCounter("bulk", "files")
	pictures  = beam.NewCounter("bulk", "pictures")
)

// ProcessElement makes the chunk that begins with a file.
func (f *drawFn) ProcessElement(ctx context.Context, start int) error {
	run := f.worker.run
	missing, err := run.Missing(start, min(start+f.Chunk, f.Files))
	if err != nil || len(missing) == 0 {
		return err
	}
	kitchen := recipe.Kitchen{Backend: f.job.Order.Recipe.Backend, Options: backend.Options{Threads: f.job.Threads}}
	if err := run.Make(ctx, kitchen, missing, false, func(int) {}); err != nil {
		return fmt.Errorf("files from %d: %w", start, err)
	}
	filesMade.Inc(ctx, int64(len(missing)))
	pictures.Inc(ctx, int64(run.PicturesOf(missing)))
	return nil
}

// worker is a job's model and run in a process.
type worker struct {
	model *biggan.Model
	run   *dataset.Run
}

// open opens a job's model, and settles the backend that all workers use.
func open(ctx context.Context, j *job, store dataset.Store) (*worker, error) {
	m, err := biggan.Open(ctx, j.Model)
	if err != nil {
		return nil, err
	}
	r := &j.Order.Recipe
	digest, err := m.Digest()
	if err != nil {
		return nil, err
	}
	if r.SHA256 != "" && r.SHA256 != digest {
		return nil, fmt.Errorf("%s has sha256 %s here, %s where the job began", j.Model, digest, r.SHA256)
	}
	r.SHA256 = digest
	if r.Backend == "" {
		if r.Backend, err = m.Prepare(j.Backend, backend.Options{Threads: j.Threads}); err != nil {
			return nil, err
		}
	}
	run, err := dataset.New(m, j.Order, store)
	return &worker{m, run}, err
}

// workers are those of this process, by job.
var workers sync.Map

// shared opens a job's worker once a process; it lives as long as the process.
func shared(ctx context.Context, key string, j *job) (*worker, error) {
	type opened = func() (*worker, error)
	ctx = context.WithoutCancel(ctx)
	once, _ := workers.LoadOrStore(key, sync.OnceValues(func() (*worker, error) {
		return open(ctx, j, tolerant{storeFor(ctx, j.Order.Out)})
	}))
	return once.(opened)()
}

// tolerant takes it as done when somebody else has written a file: it has the same bytes.
type tolerant struct{ dataset.Store }

func (t tolerant) Write(path string, data []byte, overwrite bool) error {
	err := t.Store.Write(path, data, overwrite)
	if errors.Is(err, atomicfile.ErrExists) {
		return nil
	}
	return err
}
