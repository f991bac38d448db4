package backend

import (
	"context"
	"time"
)

// Layer is what one step of a run took.
type Layer struct {
	Name   string // of the node, or the first of several
	Kind   string // linear, conv 1x1, conv 3x3, upsampled conv 3x3, attention, other
	Method string // how it was computed
	Time   time.Duration
	FLOPs  int64 // of the plain graph, as Node.FLOPs counts
	Done   int64 // multiplications and additions of the matrix products that were done for it
	Bytes  int64 // of weights, and of maps that it reads and writes
}

// Profiled is a Program that can tell what its layers take. Profile runs like Run and
// returns the steps in order, each once a sample that it was run for.
type Profiled interface {
	Program
	Profile(ctx context.Context, in Inputs) ([]Layer, error)
}
