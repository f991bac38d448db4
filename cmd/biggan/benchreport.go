package main

import (
	"context"
	"encoding/json"
	"runtime"

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/labels"
	"github.com/biggan-zoo/biggan/sample"
	"github.com/biggan-zoo/biggan/verify"
)

// benchReportJSON is the file of bench --report: what a machine is, how fast it is, and whether it is right.
type benchReportJSON struct {
	Version  string           `json:"version"`
	Go       string           `json:"go"`
	Platform string           `json:"platform"`
	Device   string           `json:"device"` // as asked for; empty = the first that is no software
	Adapters []device.Adapter `json:"adapters"`
	Bench    benchJSON        `json:"bench"`
	Parity   benchParityJSON  `json:"parity"`
}

// benchParityJSON is the embedded model, node by node, against float64.
type benchParityJSON struct {
	Model     string  `json:"model"`
	Nodes     int     `json:"nodes"`
	Tolerance float64 `json:"tolerance"`
	OK        bool    `json:"ok"`
	First     string  `json:"first,omitempty"` // node that leaves the tolerance
	Image     float64 `json:"image"`           // largest difference, of [-1, 1]
}

// writeBenchReport compares the embedded model with the reference, on the backend that was measured and in
// float32, and writes the file.
func (a *app) writeBenchReport(ctx context.Context, path string, doc benchJSON) error {
	r := benchReportJSON{
		Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Device: a.device, Bench: doc,
	}
	var err error
	if r.Adapters, err = gpu.Adapters(); err != nil {
		a.warn("%v", err)
	}
	if r.Parity, err = a.benchParity(ctx, doc.Backend); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(data, '\n'), a.force)
}

func (a *app) benchParity(ctx context.Context, name string) (benchParityJSON, error) {
	p := benchParityJSON{Model: embedded, Tolerance: defaultTolerance(name)}
	m, err := a.open(ctx, embedded)
	if err != nil {
		return p, err
	}
	defer m.Close()
	on := func(name string) func(keep []string) (backend.Program, error) {
		return func(keep []string) (backend.Program, error) {
			program, _, err := m.Compile(name, backend.Options{Threads: a.threads, Keep: keep, Device: a.device})
			return program, err
		}
	}
	const n = 2
	classes := m.Labels.Len()
	in := backend.Inputs{Batch: n, Truncation: 0.5, Tensors: map[string][]float32{
		"z": sample.Noise(0, n, m.ZDim(), 0.5), "y": labels.OneHot(sample.Classes(0, n, classes), classes),
	}}
	report, err := verify.Programs(ctx, m.Graph, on(name), on("reference"), in, "reference", p.Tolerance)
	if err != nil {
		return p, err
	}
	p.Nodes, p.OK, p.First = len(report.Nodes), report.OK, report.First
	for _, d := range report.Nodes {
		if d.Name == "image" {
			p.Image = d.Max
		}
	}
	return p, nil
}
