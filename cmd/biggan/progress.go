package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

var progressModes = []string{"auto", "bar", "plain", "json", "none"}

// Nothing is shown of what is done within showAfter; plain lines come every plainEvery,
// JSON lines every jsonEvery.
const (
	showAfter  = time.Second
	plainEvery = 5 * time.Second
	jsonEvery  = 500 * time.Millisecond
)

// progress shows on stderr how far a long job is. Its methods are safe for concurrent use,
// and several jobs may be shown at the same time.
type progress struct {
	mode, title string
	bytes       bool // counts bytes, not things
	w           io.Writer
	start       time.Time
	bars        *bars

	mu    sync.Mutex
	last  time.Time
	begun time.Time // the first update: what was done before is not this run's speed
	from  int64
	bar   *mpb.Bar
	rate  atomic.Value // string
}

// newProgress starts to watch a job. Call finish at its end.
func (a *app) newProgress(title string, bytes bool) *progress {
	mode := a.progress
	if mode == "auto" {
		mode = "plain"
		if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			mode = "bar"
		}
	}
	if a.quiet {
		mode = "none"
	}
	now := time.Now()
	return &progress{mode: mode, title: title, bytes: bytes, w: a.stderr, start: now, last: now, bars: &a.bars}
}

// update tells how much of the total is done.
func (p *progress) update(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.begun.IsZero() {
		p.begun, p.from = now, done
	}
	switch {
	case p.mode == "none" || now.Sub(p.start) < showAfter:
	case p.mode == "bar":
		p.draw(done, total, now)
	case p.mode == "plain" && (now.Sub(p.last) >= plainEvery):
		p.last = now
		p.bars.print(p.w, fmt.Sprintf("%s: %s of %s%s", p.title, p.count(done), p.count(total), p.pace(done, total, now)))
	case p.mode == "json" && (now.Sub(p.last) >= jsonEvery || done == total):
		p.last = now
		doc := map[string]any{"progress": p.title, "done": done, "total": total}
		if speed := p.speed(done, now); speed > 0 && p.bytes {
			doc["bytes_per_second"], doc["seconds_left"] = int64(speed), int64(float64(total-done)/speed)
		}
		line, err := json.Marshal(doc)
		if err == nil {
			p.bars.print(p.w, string(line))
		}
	}
}

// speed is what is done in a second; 0 if that is not known yet.
func (p *progress) speed(done int64, now time.Time) float64 {
	if elapsed := now.Sub(p.begun).Seconds(); elapsed > 0.2 {
		return float64(done-p.from) / elapsed
	}
	return 0
}

// pace is speed and time left, for people.
func (p *progress) pace(done, total int64, now time.Time) string {
	speed := p.speed(done, now)
	if speed <= 0 {
		return ""
	}
	left := time.Duration(float64(total-done) / speed * float64(time.Second)).Round(time.Second)
	if !p.bytes {
		return fmt.Sprintf(", %.3g/s, %v left", speed, left)
	}
	return fmt.Sprintf(", %s/s, %v left", size(int64(speed)), left)
}

func (p *progress) count(n int64) string {
	if p.bytes {
		return size(n)
	}
	return fmt.Sprint(n)
}

func (p *progress) draw(done, total int64, now time.Time) {
	p.rate.Store(p.pace(done, total, now))
	if p.bar == nil {
		counters := decor.CountersNoUnit("%d/%d", decor.WCSyncSpace)
		if p.bytes {
			counters = decor.CountersKiloByte("% .1f/% .1f", decor.WCSyncSpace)
		}
		p.bar = p.bars.add(p.w).AddBar(total, mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(p.title, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(counters, decor.Any(func(decor.Statistics) string { return p.rate.Load().(string) })))
	}
	p.bar.SetCurrent(done)
}

// finish takes the bar away.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		return
	}
	p.bar.Abort(true)
	p.bar = nil
	p.mode = "none"
	p.bars.done()
}

// bars are the bars that are shown together.
type bars struct {
	mu        sync.Mutex
	container *mpb.Progress
	n         int
}

func (b *bars) add(w io.Writer) *mpb.Progress {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n++; b.n == 1 {
		b.container = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
	}
	return b.container
}

func (b *bars) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n--; b.n == 0 {
		b.container.Wait()
		b.container = nil
	}
}

// print writes a line above the bars, or to w if there are none. Lines of several jobs do not mix.
func (b *bars) print(w io.Writer, line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.container != nil {
		w = b.container
	}
	fmt.Fprintln(w, line)
}
