package gpu

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/backend/gpu/shader"
)

// tuning remembers which tile is the fastest for a shape on an adapter. It is kept in the user's
// cache folder; a file that cannot be read or written costs time, nothing else.
type tuning struct {
	path    string       // "" = not kept
	checked []string     // tiles that passed the self-check, and pixelCheck
	forced  *shader.Tile // instead of a choice, for the self-check

	mu    sync.Mutex
	tiles map[string]string // tile by job
	dirty bool
}

// tuningFile is the file. Its name is a hash of the first three fields.
type tuningFile struct {
	Version int               `json:"version"` // of the shaders
	Adapter string            `json:"adapter"`
	Driver  string            `json:"driver"`
	Checked []string          `json:"checked"`
	Tiles   map[string]string `json:"tiles"`
}

// tuningVersion changes with the shaders' speed.
const tuningVersion = 3

func loadTuning(a device.Adapter) *tuning {
	t := &tuning{tiles: map[string]string{}}
	head := tuningFile{Version: tuningVersion, Adapter: a.Name, Driver: a.Backend + " " + a.Driver}
	cache, err := os.UserCacheDir()
	if err != nil {
		return t
	}
	sum := sha256.Sum256(fmt.Append(nil, head))
	t.path = filepath.Join(cache, "biggan", "gpu-"+hex.EncodeToString(sum[:8])+".json")
	data, err := os.ReadFile(t.path)
	if err != nil {
		return t
	}
	var f tuningFile
	if json.Unmarshal(data, &f) == nil && f.Version == head.Version && f.Adapter == head.Adapter && f.Driver == head.Driver && f.Tiles != nil {
		t.tiles, t.checked = f.Tiles, f.Checked
	}
	return t
}

// passed reports whether something did right in the self-check.
func (t *tuning) passed(name string) bool { return slices.Contains(t.checked, name) }

// save writes what was found since the last time.
func (t *tuning) save(a device.Adapter) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.dirty || t.path == "" {
		return nil
	}
	data, err := json.MarshalIndent(tuningFile{tuningVersion, a.Name, a.Backend + " " + a.Driver, t.checked, t.tiles}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(t.path), 0o755); err != nil {
		return err
	}
	t.dirty = false
	return atomicfile.Write(t.path, data, true)
}

// key is the shape of a job; the rows count by powers of two.
func (j job) key() string {
	return fmt.Sprintf("rows=2^%d outs=%d depth=%d taps=%d z=%d norm=%t half=%t", bits.Len(uint(j.rows-1)), j.outs, j.depth, j.taps, j.z, j.norm, j.half)
}

// smallJob is below what is worth measuring: operations.
const smallJob = 4e6

// tile chooses a tile for a job: the one that is remembered, the fastest of those measured with
// bind, or a plain choice where there is little to win.
func (t *tuning) tile(g *accelerator, j job, bind func(shader.Tile) (dispatch, error)) (shader.Tile, error) {
	if t.forced != nil {
		return *t.forced, nil
	}
	valid := slices.DeleteFunc(j.tiles(g.Limits), func(tile shader.Tile) bool { return !t.passed(tile.String()) })
	if len(valid) == 0 {
		return shader.Tile{}, fmt.Errorf("%w: %d rows are more than its %d workgroups can have", device.ErrMemory, j.rows, g.Limits.Groups)
	}
	if j.flops() < smallJob {
		return j.plain(valid), nil
	}
	key := j.key()
	t.mu.Lock()
	name := t.tiles[key]
	t.mu.Unlock()
	if i := slices.IndexFunc(valid, func(v shader.Tile) bool { return v.String() == name }); i >= 0 {
		return valid[i], nil
	}
	best, err := measure(g, j, valid, bind)
	if err != nil {
		return best, err
	}
	t.mu.Lock()
	t.tiles[key], t.dirty = best.String(), true
	t.mu.Unlock()
	return best, nil
}

// tiles are those that an adapter can run and that do not compute mostly padding.
func (j job) tiles(l device.Limits) []shader.Tile {
	var valid []shader.Tile
	for _, t := range shader.Tiles {
		x, y, z := j.groups(t)
		groups := int(l.Groups)
		wasteful := t.BlockRows() >= 4*j.rows && t.High*t.Rows > 8 || t.BlockQuads() >= 4*j.outs && t.BlockQuads() > 16
		if x <= groups && y <= groups && z <= groups && !wasteful && t.Threads() <= int(l.Invocations) {
			valid = append(valid, t)
		}
	}
	return valid
}

// plain is the tile for a small job: of those without workgroup memory the one with the most rows that
// the job fills, or with the fewest.
func (j job) plain(valid []shader.Tile) shader.Tile {
	best := -1
	for i, t := range valid {
		if t.Shared {
			continue
		}
		rows := t.BlockRows()
		if best < 0 || rows <= j.rows && rows > valid[best].BlockRows() || valid[best].BlockRows() > j.rows && rows < valid[best].BlockRows() {
			best = i
		}
	}
	return valid[max(best, 0)]
}

// measure runs the tiles on a part of a job, as large as takes some milliseconds.
func measure(g *accelerator, j job, valid []shader.Tile, bind func(shader.Tile) (dispatch, error)) (shader.Tile, error) {
	budget := float64(1 << 31)
	if g.Adapter.Software {
		budget = 1 << 25
	}
	share := min(1, budget/j.flops())
	var best shader.Tile
	fastest := time.Duration(0)
	for _, t := range valid {
		d, err := bind(t)
		if err != nil {
			return best, err
		}
		y := max(1, int(share*float64(d.y)))
		took, err := clock(g, d, y)
		d.group.Release()
		if errors.Is(err, device.ErrLost) || errors.Is(err, context.Canceled) {
			return best, err
		}
		if err != nil {
			continue // a tile that a driver refuses is none
		}
		took = time.Duration(float64(took) * float64(d.y) / float64(y))
		if fastest == 0 || took < fastest {
			best, fastest = t, took
		}
	}
	if fastest == 0 {
		return best, fmt.Errorf("gpu: %s runs no convolution", g.Adapter.Name)
	}
	return best, nil
}

// clock is the shorter of two runs after one that the driver may spend on compiling.
func clock(g *accelerator, d dispatch, y int) (time.Duration, error) {
	best := time.Duration(0)
	for i := range 3 {
		start := time.Now()
		if err := g.Run(context.Background(), func(r *device.Recorder) { r.Dispatch(d.pipeline, d.group, d.x, y, d.z) }); err != nil {
			return 0, err
		}
		if took := time.Since(start); i > 0 && (best == 0 || took < best) {
			best = took
		}
	}
	return best, nil
}
