package convert

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/biggan-zoo/biggan/convert/tfhub"
	"github.com/biggan-zoo/biggan/weights"
)

// emaSuffix marks the moving average of a weight, beside the raw one.
var emaSuffix = regexp.MustCompile(`/ema_[a-z0-9.]+$`)

// tfModule is a TF Hub module as a checkpoint: variables under their names without the
// suffix of the moving average, and the tables of statistics that the graph holds.
type tfModule struct {
	module  *tfhub.Module
	infos   []weights.Info
	origin  map[string]string       // variable behind a name
	tables  map[string]statsTable   // that take the place of statistics
	dropped []Dropped               // the copies that were not chosen
	byName  map[string]weights.Info // of infos
}

// newTFModule chooses between moving averages and raw weights.
func newTFModule(m *tfhub.Module, raw bool) *tfModule {
	t := &tfModule{module: m, origin: map[string]string{}, byName: map[string]weights.Info{}, tables: map[string]statsTable{}}
	averaged := map[string]bool{}
	for _, info := range m.Tensors() {
		if emaSuffix.MatchString(info.Name) {
			averaged[emaSuffix.ReplaceAllString(info.Name, "")] = true
		}
	}
	for _, info := range m.Tensors() {
		name := emaSuffix.ReplaceAllString(info.Name, "")
		isAverage := name != info.Name
		switch {
		case isAverage && raw:
			t.dropped = append(t.dropped, Dropped{info.Name, "moving average; raw weights were asked for"})
		case !isAverage && averaged[name] && !raw:
			t.dropped = append(t.dropped, Dropped{info.Name, "raw weight; its moving average is used"})
		default:
			t.origin[name] = info.Name
			info.Name = name
			t.infos = append(t.infos, info)
			t.byName[name] = info
		}
	}
	for _, name := range m.Skipped {
		t.dropped = append(t.dropped, Dropped{name, "no tensor of numbers"})
	}
	return t
}

// Tensors lists variables, with the shapes of the tables that replace statistics.
func (t *tfModule) Tensors() []weights.Info { return t.infos }

// Bytes is a table, or a variable of a module in a folder.
func (t *tfModule) Bytes(name string) ([]byte, error) {
	if table, ok := t.tables[name]; ok {
		return t.table(name, table, &scratch{})
	}
	return t.module.Bytes(t.origin[name])
}

func (t *tfModule) random() bool { return t.module.IsFolder() }

// Each yields variables in the order of the module, then the tables.
func (t *tfModule) Each(ctx context.Context, want func(name string) bool, f func(info weights.Info, data []byte) error) error {
	wanted := func(variable string) bool {
		name := emaSuffix.ReplaceAllString(variable, "")
		return t.origin[name] == variable && t.tables[name].node == "" && want(name)
	}
	err := t.module.Each(ctx, wanted, func(info weights.Info, data []byte) error {
		return f(t.byName[emaSuffix.ReplaceAllString(info.Name, "")], data)
	})
	if err != nil {
		return err
	}
	var reused scratch
	for _, info := range t.infos {
		table, ok := t.tables[info.Name]
		if !ok || !want(info.Name) {
			continue
		}
		data, err := t.table(info.Name, table, &reused)
		if err != nil {
			return err
		}
		if err := f(info, data); err != nil {
			return err
		}
	}
	return nil
}

// Bounds of the tables: rows of each, values of all.
const (
	maxRows        = 1 << 12
	maxTableValues = 1 << 26
)

// replace puts tables in the place of the statistics that they refine.
func (t *tfModule) replace(tables map[string]statsTable) error {
	total := 0
	for _, table := range tables {
		if table.shape[0] > maxRows {
			return fmt.Errorf("a table of %d rows, want at most %d", table.shape[0], maxRows)
		}
		if total += table.shape[0] * table.shape[1]; total > maxTableValues {
			return fmt.Errorf("tables of more than %d values", maxTableValues)
		}
	}
	t.tables = tables
	for i, info := range t.infos {
		if table, ok := tables[info.Name]; ok {
			t.infos[i].Shape, t.infos[i].DType = table.shape, weights.F32
			t.byName[info.Name] = t.infos[i]
		}
	}
	return nil
}

// scratch is what a table is decoded in.
type scratch struct {
	values []float32
	data   writer
}

// table is the content of a table of statistics, valid until s is used again.
func (t *tfModule) table(name string, from statsTable, s *scratch) ([]byte, error) {
	values, err := t.module.Graph.AppendFloats(s.values[:0], from.node)
	if err == nil && len(values) != from.shape[0]*from.shape[1] {
		err = fmt.Errorf("%d values, want %v", len(values), from.shape)
	}
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			err = fmt.Errorf("constant %.100q: value %d is %v", from.node, i, v)
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("convert: %w: the table of %s: %v", weights.ErrFormat, name, err)
	}
	s.values, s.data = values, slices.Grow(s.data[:0], 4*len(values))
	err = weights.Encode(&s.data, weights.F32, values)
	return s.data, err
}

func (t *tfModule) has(name string) bool {
	_, ok := t.byName[name]
	return ok
}

// dim is an axis of a variable, counted from the end if negative; 0 if there is none.
func (t *tfModule) dim(name string, axis int) int {
	shape := t.byName[name].Shape
	if axis < 0 {
		axis += len(shape)
	}
	if axis < 0 || axis >= len(shape) {
		return 0
	}
	return shape[axis]
}
