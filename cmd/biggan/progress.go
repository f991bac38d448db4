package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
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

// progress shows on stderr how far a long job is. Its methods are safe for concurrent use.
type progress struct {
	mode, title string
	bytes       bool // counts bytes, not things
	w           io.Writer
	start       time.Time

	mu   sync.Mutex
	last time.Time
	bars *mpb.Progress
	bar  *mpb.Bar
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
	return &progress{mode: mode, title: title, bytes: bytes, w: a.stderr, start: now, last: now}
}

// update tells how much of the total is done.
func (p *progress) update(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	switch {
	case p.mode == "none" || now.Sub(p.start) < showAfter:
	case p.mode == "bar":
		p.draw(done, total)
	case p.mode == "plain" && (now.Sub(p.last) >= plainEvery):
		p.last = now
		fmt.Fprintf(p.w, "%s: %s of %s%s\n", p.title, p.count(done), p.count(total), p.pace(now, done, total))
	case p.mode == "json" && (now.Sub(p.last) >= jsonEvery || done == total):
		p.last = now
		line, err := json.Marshal(map[string]any{"progress": p.title, "done": done, "total": total})
		if err == nil {
			fmt.Fprintf(p.w, "%s\n", line)
		}
	}
}

func (p *progress) count(n int64) string {
	if p.bytes {
		return size(n)
	}
	return fmt.Sprint(n)
}

// pace is how much is done a second, and when it will be all.
func (p *progress) pace(now time.Time, done, total int64) string {
	rate := float64(done) / now.Sub(p.start).Seconds()
	if done <= 0 || rate <= 0 {
		return ""
	}
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	if p.bytes {
		return fmt.Sprintf(", %s/s, %v left", size(int64(rate)), left)
	}
	return fmt.Sprintf(", %.3g/s, %v left", rate, left)
}

func (p *progress) draw(done, total int64) {
	if p.bar == nil {
		p.bars = mpb.New(mpb.WithOutput(p.w), mpb.WithWidth(40))
		counters := decor.CountersNoUnit("%d/%d", decor.WCSyncSpace)
		if p.bytes {
			counters = decor.CountersKiloByte("% .1f/% .1f", decor.WCSyncSpace)
		}
		p.bar = p.bars.AddBar(total, mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(p.title)), mpb.AppendDecorators(counters, decor.AverageSpeed(nil, " %.1f/s"), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_GO)))
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
	p.bars.Wait()
}
