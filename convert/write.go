package convert

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// inFlight bounds the bytes of tensors that are gathered at one time; a larger tensor
// goes alone.
const inFlight = 40 << 20

// convert matches the checkpoint with the schema and writes the file. digest gives the
// source's SHA-256; it is asked for last, so that hashing runs meanwhile; nil = no digest.
func (s *source) convert(ctx context.Context, ck Checkpoint, dst string, o Options, report *Report, digest func() (string, error)) error {
	if err := checkLabels(o.Labels, s.graph); err != nil {
		return err
	}
	p, err := s.rules.match(ck.Tensors(), s.graph.Params())
	if err != nil {
		return err
	}
	report.Architecture, report.Config = s.architecture, s.config
	report.Used, report.Dropped = len(p.targets), append(report.Dropped, p.dropped...)
	meta := weights.Meta{
		Architecture: s.architecture, Config: s.config, Model: o.Model, SourceFile: report.SourceFile,
		SourceFormat: s.format, Converter: o.Converter, StatsGrid: s.grid, LicenseNote: o.LicenseNote, Labels: o.Labels,
	}
	if digest != nil {
		meta.SourceSHA256 = strings.Repeat("0", sha256.Size*2) // amended at the end
	}
	w := &conversion{source: s, plan: p, checkpoint: ck, dtype: o.DType, report: report, progress: o.Progress, digest: digest, normed: map[string]bool{}}
	if w.dtype == "" {
		w.dtype = weights.F32
	}
	return w.write(ctx, dst, weights.CreateOptions{Metadata: meta.Map(), Tensors: w.infos(), Overwrite: o.Overwrite})
}

// conversion is one run over the parameters of a network.
type conversion struct {
	*source
	plan       plan
	checkpoint Checkpoint
	dtype      weights.DType
	progress   func(done, total int64)
	report     *Report
	digest     func() (string, error) // waits for the source's SHA-256; nil = there is none

	mu    sync.Mutex // report, vectors
	done  atomic.Int64
	total int64
	out   *weights.Writer

	normed map[string]bool // layers that have a spectral norm

	vectors map[string][]float64 // seen in a sequential checkpoint
}

// dtypeOf is what a parameter is stored as: only weights are rounded.
func (c *conversion) dtypeOf(role graph.Role) weights.DType {
	switch role {
	case graph.Weight:
		return c.dtype
	case graph.Sigma:
		return weights.F64
	}
	return weights.F32
}

// infos lists the tensors of the file: the schema without what is optional and absent.
func (c *conversion) infos() []weights.Info {
	var infos []weights.Info
	for _, p := range c.graph.Params() {
		if _, ok := c.plan.targets[p.Name]; !ok && p.Role.Optional() {
			continue
		}
		info := weights.Info{Name: p.Name, DType: c.dtypeOf(p.Role), Shape: p.Shape}
		infos = append(infos, info)
		c.total += info.Bytes()
		if p.Role == graph.Sigma {
			c.normed[strings.TrimSuffix(p.Name, ".sigma")] = true
		}
	}
	return infos
}

func (c *conversion) write(ctx context.Context, dst string, o weights.CreateOptions) error {
	var err error
	if c.out, err = weights.Create(dst, o); err != nil {
		return err
	}
	defer c.out.Close()
	read := c.inAnyOrder
	if s, ok := c.checkpoint.(sequential); ok && !s.random() {
		read = func(ctx context.Context) error { return c.inItsOrder(ctx, s) }
	}
	if err := read(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.report.Bytes = c.total
	if c.digest != nil {
		sum, err := c.digest()
		if err != nil {
			return err
		}
		c.report.SourceSHA256 = sum
		if err := c.out.Amend(weights.SourceSHA256, sum); err != nil {
			return err
		}
	}
	return c.out.Commit()
}

// inAnyOrder writes the parameters in parallel.
func (c *conversion) inAnyOrder(ctx context.Context) error {
	budget := semaphore.NewWeighted(inFlight)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, p := range c.graph.Params() {
		t, ok := c.plan.targets[p.Name]
		if !ok {
			continue
		}
		need := min(t.source.Bytes(), inFlight)
		if err := budget.Acquire(groupCtx, need); err != nil {
			break // the group or ctx holds the reason
		}
		group.Go(func() error {
			defer budget.Release(need)
			if err := groupCtx.Err(); err != nil {
				return err
			}
			data, err := c.checkpoint.Bytes(t.source.Name)
			if err != nil {
				return err
			}
			return c.param(p, t, data)
		})
	}
	return group.Wait()
}

// sequential is a checkpoint that streams by: its tensors come in their own order.
type sequential interface {
	random() bool // Bytes works all the same
	Each(ctx context.Context, want func(name string) bool, f func(info weights.Info, data []byte) error) error
}

// While a checkpoint streams by, so many tensors are written as the next is read, of so many
// bytes at most; a larger one is written before the next is read.
const (
	inOrder  = 10 << 20
	together = 2
)

// inItsOrder writes the parameters as they come, in parallel with their coming. Vectors are
// kept for the spectral norms; weights that came before their vectors are read once more.
func (c *conversion) inItsOrder(ctx context.Context, s sequential) error {
	byName := map[string]*graph.Param{} // by the source's name
	for _, p := range c.graph.Params() {
		if t, ok := c.plan.targets[p.Name]; ok {
			byName[t.source.Name] = p
		}
	}
	c.vectors = map[string][]float64{}
	late := map[string]bool{}
	err := inTurn(ctx, s, func(name string) bool { return byName[name] != nil }, func(info weights.Info, data []byte) (func() error, error) {
		p := byName[info.Name]
		t := c.plan.targets[p.Name]
		if p.Role.Optional() { // u
			if err := c.keep(info, data); err != nil {
				return nil, err
			}
		}
		if layer, ok := spectralLayer(p); ok {
			if u, known := c.plan.targets[layer+".u"]; known && !c.kept(u.source.Name) {
				late[info.Name] = true
				return func() error { return c.plainParam(p, t, data) }, nil
			}
		}
		return func() error { return c.param(p, t, data) }, nil
	})
	if err != nil {
		return err
	}
	return inTurn(ctx, s, func(name string) bool { return late[name] }, func(info weights.Info, data []byte) (func() error, error) {
		p := byName[info.Name]
		return func() error { return c.spectralNorm(p, c.plan.targets[p.Name], data) }, nil
	})
}

// inTurn prepares the work on each tensor in their order, and does it in parallel.
func inTurn(ctx context.Context, s sequential, want func(name string) bool, prepare func(info weights.Info, data []byte) (func() error, error)) error {
	group, groupCtx := errgroup.WithContext(ctx)
	free := make(chan []byte, together) // used again: a stream of tensors leaves no garbage
	for range together {
		free <- nil
	}
	err := s.Each(groupCtx, want, func(info weights.Info, data []byte) error {
		if info.Bytes() > inOrder { // at once, where it lies
			work, err := prepare(info, data)
			if err != nil {
				return err
			}
			return work()
		}
		own := <-free
		if own == nil {
			own = make([]byte, 0, inOrder)
		}
		own = append(own[:0], data...)
		work, err := prepare(info, own)
		if err != nil {
			return err
		}
		group.Go(func() error {
			defer func() { free <- own }()
			return work()
		})
		return nil
	})
	if failed := group.Wait(); failed != nil { // it ended the reading
		return failed
	}
	return err
}

// keep remembers a vector.
func (c *conversion) keep(info weights.Info, data []byte) error {
	values := make([]float64, info.Elements())
	if err := weights.Decode64(values, info.DType, data); err != nil {
		return fmt.Errorf("convert: %w: %s: %v", weights.ErrFormat, info.Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vectors[info.Name] = values
	return nil
}

func (c *conversion) kept(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.vectors[name] != nil
}

// param writes one parameter, and the spectral norm beside it if it is a normalised weight.
func (c *conversion) param(p *graph.Param, t target, data []byte) error {
	if err := c.plainParam(p, t, data); err != nil {
		return err
	}
	return c.spectralNorm(p, t, data)
}

// plainParam writes one parameter.
func (c *conversion) plainParam(p *graph.Param, t target, data []byte) error {
	var err error
	if t.divide != "" {
		if data, err = c.divided(t, data); err != nil {
			return err
		}
		t.source.DType = weights.F32
	}
	info := weights.Info{Name: p.Name, DType: c.dtypeOf(p.Role), Shape: p.Shape}
	err = c.out.WriteTensor(p.Name, func(w io.Writer) error { return t.layout.rearrange(w, info.DType, t.source, data) })
	if err != nil {
		return err
	}
	if t.source.DType == weights.F64 {
		c.note(fmt.Sprintf("%s is float64 in the source: rounded to %s", t.source.Name, info.DType))
	}
	c.advance(info.Bytes())
	return nil
}

// transcode writes data of a floating type as another; the same type is copied.
func transcode(w io.Writer, to, from weights.DType, data []byte) error {
	if to == from {
		_, err := w.Write(data)
		return err
	}
	width, ok := from.Size()
	if !ok {
		return fmt.Errorf("unknown dtype %q", from)
	}
	var values [1 << 12]float32
	for len(data) > 0 {
		n := min(len(data)/width, len(values))
		if err := weights.Decode32(values[:n], from, data[:n*width]); err != nil {
			return err
		}
		if err := weights.Encode(w, to, values[:n]); err != nil {
			return err
		}
		data = data[n*width:]
	}
	return nil
}

// divided divides sums by their counter, in float32 as the source does (stored_mean / accumulation_counter).
func (c *conversion) divided(t target, data []byte) ([]byte, error) {
	counter, err := c.vector(t.divide)
	if err != nil {
		return nil, err
	}
	if len(counter) != 1 || !(counter[0] >= 1) {
		return nil, fmt.Errorf("convert: %w: %q is %v, want a count from 1", weights.ErrFormat, t.divide, counter)
	}
	values := make([]float32, t.source.Elements())
	if err := weights.Decode32(values, t.source.DType, data); err != nil {
		return nil, err
	}
	out := make([]byte, 0, 4*len(values))
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v/float32(counter[0])))
	}
	return out, nil
}

// vector reads a source tensor as float64.
func (c *conversion) vector(name string) ([]float64, error) {
	if c.vectors != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if values := c.vectors[name]; values != nil {
			return values, nil
		}
		return nil, fmt.Errorf("convert: %w: missing %q", weights.ErrFormat, name)
	}
	for _, info := range c.checkpoint.Tensors() {
		if info.Name != name {
			continue
		}
		data, err := c.checkpoint.Bytes(name)
		if err != nil {
			return nil, err
		}
		values := make([]float64, info.Elements())
		return values, weights.Decode64(values, info.DType, data)
	}
	return nil, fmt.Errorf("convert: %w: missing %q", weights.ErrFormat, name)
}

// spectralNorm computes and writes the sigma of a weight that has one.
func (c *conversion) spectralNorm(p *graph.Param, t target, data []byte) error {
	layer, ok := spectralLayer(p)
	if !ok || !c.normed[layer] {
		return nil
	}
	u, ok := c.plan.targets[layer+".u"]
	if !ok && c.plain {
		return c.writeSigma(layer, 1)
	}
	if !ok {
		return fmt.Errorf("convert: %w: %s has no stored vector u to compute its spectral norm from", weights.ErrFormat, t.source.Name)
	}
	uValues, err := c.vector(u.source.Name)
	if err != nil {
		return err
	}
	var vValues []float64
	if v, ok := c.plan.targets[layer+".v"]; ok {
		if vValues, err = c.vector(v.source.Name); err != nil {
			return err
		}
		if order := v.layout.order(len(vValues)); order != nil {
			ordered := make([]float64, len(order))
			for i, at := range order {
				ordered[i] = vValues[at]
			}
			vValues = ordered
		}
	}
	if c.needsV && vValues == nil {
		return fmt.Errorf("convert: %w: %s has no stored vector v to compute its spectral norm from", weights.ErrFormat, t.source.Name)
	}
	m, err := newMatrix(t.source, data, c.lastAxisOut)
	if err != nil {
		return err
	}
	if len(uValues) != m.out || (vValues != nil && len(vValues) != m.fan) {
		return fmt.Errorf("convert: %w: %s: vectors of %d and %d for a matrix of %d x %d", weights.ErrFormat, layer, len(uValues), len(vValues), m.out, m.fan)
	}
	return c.writeSigma(layer, c.sigma(m, uValues, vValues))
}

// writeSigma writes the spectral norm of a layer, and reports it if it is a number.
func (c *conversion) writeSigma(layer string, sigma float64) error {
	if !(math.Abs(sigma) > 0) || math.IsInf(sigma, 0) {
		c.note(fmt.Sprintf("the spectral norm of %s is %v: the pictures will not be numbers", layer, sigma))
	} else {
		c.mu.Lock()
		c.report.Sigma[layer] = sigma
		c.mu.Unlock()
	}
	return c.out.WriteTensor(layer+".sigma", func(w io.Writer) error {
		return binary.Write(w, binary.LittleEndian, sigma)
	})
}

// spectralLayer is the layer of a weight parameter.
func spectralLayer(p *graph.Param) (string, bool) {
	const suffix = ".weight"
	if p.Role != graph.Weight || len(p.Name) <= len(suffix) {
		return "", false
	}
	return p.Name[:len(p.Name)-len(suffix)], true
}

func (c *conversion) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Notes = append(c.report.Notes, text)
}

func (c *conversion) advance(n int64) {
	done := c.done.Add(n)
	if c.progress != nil {
		c.progress(done, c.total)
	}
}
