package main

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// memoryWatch samples the memory of the process and keeps the peak.
type memoryWatch struct {
	once sync.Once
	done chan struct{}
	peak chan int64
	last int64
}

// watchMemory starts sampling.
func watchMemory() *memoryWatch {
	w := &memoryWatch{done: make(chan struct{}), peak: make(chan int64)}
	go func() {
		peak := anonymousMemory()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-w.done:
				w.peak <- max(peak, anonymousMemory())
				return
			case <-tick.C:
				peak = max(peak, anonymousMemory())
			}
		}
	}()
	return w
}

// stop ends sampling and gives the peak in bytes.
func (w *memoryWatch) stop() int64 {
	w.once.Do(func() {
		close(w.done)
		w.last = <-w.peak
	})
	return w.last
}

// anonymousMemory is resident memory that no file backs; where the system does not tell,
// what Go has asked of it.
func anonymousMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		if _, rest, ok := bytes.Cut(status, []byte("RssAnon:")); ok {
			line, _, _ := bytes.Cut(rest, []byte("kB"))
			if kb, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64); err == nil {
				return kb << 10
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
