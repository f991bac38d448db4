package backend

import (
	"testing"

	"github.com/biggan-zoo/biggan/graph"
)

func TestBlend(t *testing.T) {
	deep := graph.StatsGrid{Rows: 51, First: 0, Last: 1}
	original := graph.StatsGrid{Rows: 50, First: 0.02, Last: 1}
	for _, c := range []struct {
		grid       graph.StatsGrid
		truncation float64
		mode       StatsMode
		row0, row1 int
	}{
		{deep, 0, StatsLinear, 0, 0},
		{deep, 0.02, StatsLinear, 1, 1},
		{deep, 0.14, StatsLinear, 7, 7},
		{deep, 0.58, StatsLinear, 29, 29},
		{deep, 0.3, StatsLinear, 15, 15},
		{deep, 1, StatsLinear, 50, 50},
		{deep, 1.5, StatsLinear, 50, 50},
		{deep, 0.437, StatsLinear, 21, 22},
		{original, 0.001, StatsLinear, 0, 0},
		{original, 0.02, StatsLinear, 0, 0},
		{original, 0.4, StatsLinear, 19, 19},
		{original, 1, StatsLinear, 49, 49},
		{deep, 0.5, StatsHF, 25, 25},
		{deep, 1, StatsHF, 50, 50},
		{graph.StatsGrid{}, 0.437, StatsLinear, 0, 0},
	} {
		b := Blend(c.grid, c.truncation, c.mode)
		if b.Row0 != c.row0 || b.Row1 != c.row1 {
			t.Errorf("%v at %v: rows %d, %d, want %d, %d", c.grid, c.truncation, b.Row0, b.Row1, c.row0, c.row1)
		}
		if sum := b.W0 + b.W1; sum != 1 {
			t.Errorf("%v at %v: weights sum to %v", c.grid, c.truncation, sum)
		}
	}
}

// TestBlendHF checks Hugging Face's arithmetic: reversed between rows, and a neighbouring
// row where 0.02 has no exact float.
func TestBlendHF(t *testing.T) {
	grid := graph.StatsGrid{Rows: 51, Last: 1}
	b := Blend(grid, 0.437, StatsHF)
	if b.Row0 != 21 || b.W0 < 0.8499 || b.W0 > 0.8501 {
		t.Errorf("0.437: %+v, want row 21 weighted by the fraction 0.85", b)
	}
	for _, c := range []struct {
		truncation float64
		row        int
	}{{0.14, 8}, {0.28, 15}, {0.56, 29}, {0.58, 28}, {0.94, 46}} {
		b := Blend(grid, c.truncation, StatsHF)
		heavy := b.Row0
		if b.W1 > b.W0 {
			heavy = b.Row1
		}
		if heavy != c.row {
			t.Errorf("%v: %+v leans on row %d, want %d", c.truncation, b, heavy, c.row)
		}
	}
}
