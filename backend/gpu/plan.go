package gpu

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/x448/float16"
	"golang.org/x/sync/errgroup"

	"github.com/biggan-zoo/biggan/backend/gpu/device"
)

// slot is a buffer that tensors share which are never needed at the same time.
type slot struct {
	values int // of a sample
	slack  int
}

// planSlots gives every tensor a slot, the largest first, each the first slot that is free while it
// lives. A shader never reads and writes one slot, which not every kind of GPU allows.
func planSlots(tensors []*tensor) (slots []slot, slotOf []int) {
	order := slices.Clone(tensors)
	slices.SortStableFunc(order, func(a, b *tensor) int { return cmp.Compare(b.size, a.size) })
	slotOf = make([]int, len(tensors))
	var members [][]*tensor
	for _, t := range order {
		at := slices.IndexFunc(members, func(others []*tensor) bool {
			return !slices.ContainsFunc(others, func(o *tensor) bool { return o.first <= t.last && t.first <= o.last })
		})
		if at < 0 {
			at = len(members)
			members = append(members, nil)
			slots = append(slots, slot{values: fours(t.size)})
		}
		members[at] = append(members[at], t)
		slots[at].slack = max(slots[at].slack, t.slack)
		slotOf[t.id] = at
	}
	return slots, slotOf
}

// bytes is the size of a slot for a batch.
func (s slot) bytes(batch int) int64 { return 4 * int64(s.values*batch+s.slack) }

// bytes is the size of a constant on the device.
func (c *constant) bytes(half bool) int64 {
	if half && c.half {
		return int64(c.size) / 2
	}
	return int64(c.size)
}

// placeConstants gives every constant a place in arenas of at most limit bytes, and returns their sizes.
func placeConstants(constants []*constant, half bool, alignment, limit int64) (arenas []int64, err error) {
	for _, c := range constants {
		size := c.bytes(half)
		if size > limit {
			return nil, fmt.Errorf("%w: a weight of %d bytes, a buffer may have %d", device.ErrMemory, size, limit)
		}
		last := len(arenas) - 1
		if last < 0 || arenas[last]+size > limit {
			arenas = append(arenas, 0)
			last++
		}
		c.arena, c.offset = last, arenas[last]
		arenas[last] = (arenas[last] + size + alignment - 1) / alignment * alignment
	}
	for i := range arenas {
		arenas[i] = min(arenas[i], limit)
	}
	return arenas, nil
}

// stagingSize is how much is uploaded at a time.
const stagingSize = 16 << 20

// uploader collects data in a staging buffer and sends it when that is full.
type uploader struct {
	g       *accelerator
	staging *device.Buffer
	used    int64
	copies  []func(r *device.Recorder)
}

// upload packs the constants, several at a time, and copies them to their arenas.
func upload(g *accelerator, constants []*constant, arenas []*device.Buffer, half bool) error {
	total := int64(0)
	for _, c := range constants {
		total += c.bytes(half)
	}
	staging, err := g.NewBuffer(device.Upload, min(total, stagingSize))
	if err != nil {
		return err
	}
	defer staging.Release()
	u := &uploader{g: g, staging: staging}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, c := range constants {
		group.Go(func() error {
			data, err := c.encode(half)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			return u.add(arenas[c.arena], c.offset, data)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return u.flush()
}

// add puts data in line for a place of a buffer.
func (u *uploader) add(to *device.Buffer, offset int64, data []byte) error {
	for len(data) > 0 {
		if u.used == u.staging.Size {
			if err := u.flush(); err != nil {
				return err
			}
		}
		from := u.used
		n := int64(copy(u.staging.Bytes()[from:], data))
		at := offset
		u.copies = append(u.copies, func(r *device.Recorder) { r.Copy(to, at, u.staging, from, n) })
		u.used += n
		data, offset = data[n:], offset+n
	}
	return nil
}

// flush sends what is in line.
func (u *uploader) flush() error {
	if len(u.copies) == 0 {
		return nil
	}
	err := u.g.Run(context.Background(), func(r *device.Recorder) {
		for _, c := range u.copies {
			c(r)
		}
	})
	u.used, u.copies = 0, nil
	return err
}

// encode gives a constant's bytes on the device: float32, or pairs of float16.
func (c *constant) encode(half bool) ([]byte, error) {
	data := make([]byte, 0, c.bytes(half))
	if c.pack == nil {
		for _, w := range c.words {
			data = binary.LittleEndian.AppendUint32(data, w)
		}
		return data, nil
	}
	values, err := c.pack()
	if err != nil {
		return nil, err
	}
	for _, v := range values {
		if half && c.half {
			h := float16.Fromfloat32(v)
			if h.IsInf(0) && !math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("gpu: the weight %v is beyond float16: use --precision f32", v)
			}
			data = binary.LittleEndian.AppendUint16(data, h.Bits())
			continue
		}
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data, nil
}
