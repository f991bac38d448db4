package convert

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// reencode writes a file of the unified format again with another dtype of its weights.
// What the file says of its origin stays.
func reencode(ctx context.Context, src, dst string, o Options) (*Report, error) {
	if err := o.takesNone("a converted model"); err != nil {
		return nil, err
	}
	file, err := weights.Open(src)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	meta, err := weights.ParseMeta(file.Metadata())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	g, err := o.Network(meta.Architecture, meta.Config)
	if err != nil {
		return nil, fmt.Errorf("convert: %s: %w: %v", src, weights.ErrFormat, err)
	}
	for _, field := range []struct {
		to   *string
		from string
	}{{&meta.Model, o.Model}, {&meta.LicenseNote, o.LicenseNote}} {
		if field.from != "" {
			*field.to = field.from
		}
	}
	if err := checkLabels(o.Labels, g); err != nil {
		return nil, err
	}
	if o.Labels != nil {
		meta.Labels = o.Labels
	}
	report := &Report{
		SourceFile: filepath.Base(src), SourceFormat: "biggan", SourceSHA256: meta.SourceSHA256, Architecture: meta.Architecture,
		Config: meta.Config, Dropped: []Dropped{}, Notes: []string{}, Sigma: map[string]float64{},
	}
	infos, err := reencoded(file, g, o.DType, report)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	return report, writeAgain(ctx, file, dst, infos, weights.CreateOptions{Metadata: meta.Map(), Tensors: infos, Overwrite: o.Overwrite}, o.Progress)
}

// reencoded lists the tensors of the new file and checks that the old one holds them.
func reencoded(file *weights.File, g *graph.Graph, dtype weights.DType, report *Report) ([]weights.Info, error) {
	var infos []weights.Info
	var problems []string
	rounded := map[weights.DType]int{}
	for _, p := range g.Params() {
		info, ok := file.Info(p.Name)
		switch {
		case !ok && p.Role.Optional():
			continue
		case !ok:
			problems = append(problems, fmt.Sprintf("missing %q %v", p.Name, p.Shape))
			continue
		case fmt.Sprint(info.Shape) != fmt.Sprint(p.Shape):
			problems = append(problems, fmt.Sprintf("%q is %v, want %v", p.Name, info.Shape, p.Shape))
		}
		if p.Role == graph.Weight && dtype != "" && dtype != info.DType {
			if info.DType != weights.F32 {
				rounded[info.DType]++
			}
			info.DType = dtype
		}
		infos = append(infos, info)
		report.Bytes += info.Bytes()
		report.Used++
	}
	for _, from := range slices.Sorted(maps.Keys(rounded)) {
		report.note(fmt.Sprintf("%d weights were rounded to %s already", rounded[from], from))
	}
	return infos, listed(problems)
}

func (r *Report) note(text string) { r.Notes = append(r.Notes, text) }

func writeAgain(ctx context.Context, file *weights.File, dst string, infos []weights.Info, o weights.CreateOptions, progress func(done, total int64)) error {
	out, err := weights.Create(dst, o)
	if err != nil {
		return err
	}
	defer out.Close()
	var done, total int64
	for _, info := range infos {
		total += info.Bytes()
	}
	for _, info := range infos {
		if err := ctx.Err(); err != nil {
			return err
		}
		old, _ := file.Info(info.Name)
		data, _ := file.Bytes(info.Name)
		if err := out.WriteTensor(info.Name, func(w io.Writer) error { return transcode(w, info.DType, old.DType, data) }); err != nil {
			return err
		}
		done += info.Bytes()
		if progress != nil {
			progress(done, total)
		}
	}
	return out.Commit()
}
