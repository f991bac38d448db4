package gpu

import (
	"errors"
	"fmt"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
)

// lanes is how many runs are in flight at most; more wait for their turn.
const lanes = 3

// maxChunk bounds the samples of a lane: more bring no speed.
const maxChunk = 32

// laneBytes is the device memory of a lane, and hostBytes what it keeps for results.
func (s *state) laneBytes(batch int) (onDevice, onHost int64) {
	onDevice = 8 * int64(s.l.normTotal*batch)
	for _, slot := range s.slots {
		onDevice += slot.bytes(batch)
	}
	for _, e := range s.l.exports {
		onHost += 4 * int64(e.t.size*batch)
	}
	return onDevice, onHost
}

// maxHost bounds the results of a lane on the host.
const maxHost = 512 << 20

// largest is the largest batch whose buffers the device allows.
func (s *state) largest() int {
	n := maxChunk
	fits := func(n int) bool {
		for _, slot := range s.slots {
			if slot.bytes(n) > s.g.Limits.Binding {
				return false
			}
		}
		_, host := s.laneBytes(n)
		return host <= maxHost
	}
	for n > 1 && !fits(n) {
		n--
	}
	return n
}

// acquire takes a lane for up to n samples: an idle one of that batch, or a new one. Where the device has
// no room it waits for other runs, then takes fewer samples at a time.
func (s *state) acquire(n int) (*lane, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		batch := min(n, s.chunk)
		for i, c := range s.idle {
			if c.batch == batch {
				s.idle = append(s.idle[:i], s.idle[i+1:]...)
				return c, nil
			}
		}
		if s.live >= lanes && !s.dropIdle() {
			s.freed.Wait()
			continue
		}
		c, err := s.newLane(batch)
		switch {
		case err == nil:
			s.live++
			_ = s.g.tuning.save(s.g.Adapter) // a cache
			return c, nil
		case !errors.Is(err, device.ErrMemory):
			return nil, err
		case s.dropIdle():
		case s.live > 0:
			s.freed.Wait()
		case batch > 1:
			s.chunk = batch / 2
		default:
			return nil, s.tooSmall(err)
		}
	}
}

// dropIdle frees one idle lane, if there is one.
func (s *state) dropIdle() bool {
	if len(s.idle) == 0 {
		return false
	}
	s.idle[0].release()
	s.idle = s.idle[1:]
	s.live--
	return true
}

func (s *state) giveBack(c *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, c)
	s.freed.Broadcast()
}

// release waits for the runs in flight and frees everything.
func (s *state) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.live > len(s.idle) {
		s.freed.Wait()
	}
	s.g.Drain()
	for s.dropIdle() {
	}
	for _, b := range s.arenas {
		b.Release()
	}
	s.arenas = nil
}

// tooSmall says how much a network needs and what would fit; other errors stay as they are.
func (s *state) tooSmall(err error) error {
	if !errors.Is(err, device.ErrMemory) {
		return err
	}
	var full, half int64
	for _, c := range s.l.constants {
		full += c.bytes(false)
		half += c.bytes(true)
	}
	perSample, _ := s.laneBytes(1)
	precision, other := "f32", fmt.Sprintf("; with --precision f16 it is %s", megabytes(half+perSample))
	if s.half {
		precision, full, other = "f16", half, ""
	}
	return fmt.Errorf("%w: %s has too little memory: %s needs %s in %s (%s of weights, %s for a batch of 1)%s: %w",
		backend.ErrUnavailable, s.g.Adapter.Name, s.l.graph.Name, megabytes(full+perSample), precision, megabytes(full), megabytes(perSample), other, err)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
