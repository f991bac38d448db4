package backend

import (
	"fmt"
	"math"

	"github.com/biggan-zoo/biggan/graph"
)

// StatsMode says how to go between two rows of a statistics table.
type StatsMode uint8

const (
	// StatsLinear interpolates linearly; a truncation within 1e-6 of a row takes that row.
	StatsLinear StatsMode = iota
	// StatsHF reproduces Hugging Face's arithmetic: coef, start = modf(t / step), then
	// row[start]·coef + row[start+1]·(1-coef): reversed, for parity only.
	StatsHF
)

// ParseStatsMode reads "linear" or "hf".
func ParseStatsMode(s string) (StatsMode, error) {
	switch s {
	case "linear":
		return StatsLinear, nil
	case "hf":
		return StatsHF, nil
	}
	return 0, fmt.Errorf("unknown statistics mode %q, want linear or hf", s)
}

// StatsBlend is a weighted sum of two rows of a statistics table.
type StatsBlend struct {
	Row0, Row1 int
	W0, W1     float64
}

// Blend finds the rows for a truncation, clamped to the grid.
func Blend(grid graph.StatsGrid, truncation float64, mode StatsMode) StatsBlend {
	last := grid.Rows - 1
	if last < 1 {
		return StatsBlend{W0: 1}
	}
	t := min(max(truncation, grid.First), grid.Last)
	step := (grid.Last - grid.First) / float64(last)
	if mode == StatsHF && grid.First == 0 {
		whole, coef := math.Modf(t / (1 / float64(last)))
		row := min(int(whole), last)
		if coef == 0 || row == last {
			return StatsBlend{Row0: row, Row1: row, W0: 1}
		}
		return StatsBlend{Row0: row, Row1: row + 1, W0: coef, W1: 1 - coef}
	}
	r := (t - grid.First) / step
	row := int(math.Round(r))
	if math.Abs(r-float64(row)) < 1e-6 {
		return StatsBlend{Row0: row, Row1: row, W0: 1}
	}
	row = int(math.Floor(r))
	frac := r - float64(row)
	return StatsBlend{Row0: row, Row1: row + 1, W0: 1 - frac, W1: frac}
}
