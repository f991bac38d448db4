package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/contact"
	"github.com/biggan-zoo/biggan/convert"
	"github.com/biggan-zoo/biggan/convert/tfhub"
	"github.com/biggan-zoo/biggan/convert/torch"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/recipe"
	"github.com/biggan-zoo/biggan/render"
	"github.com/biggan-zoo/biggan/weights"
	"github.com/biggan-zoo/biggan/zoo"
)

type infoJSON struct {
	Name         string          `json:"name"`
	Kind         string          `json:"kind"` // model, checkpoint, safetensors, picture, known
	Bytes        int64           `json:"bytes,omitempty"`
	SHA256       string          `json:"sha256,omitempty"`
	Architecture string          `json:"architecture,omitempty"`
	Resolution   int             `json:"resolution,omitempty"`
	Parameters   int64           `json:"parameters,omitempty"`
	Config       json.RawMessage `json:"config,omitempty"`
	Meta         *weights.Meta   `json:"meta,omitempty"`     // of a model
	Metadata     any             `json:"metadata,omitempty"` // of a safetensors file, a picture
	Container    string          `json:"container,omitempty"`
	TensorCount  int             `json:"tensor_count,omitempty"`
	Tensors      []weights.Info  `json:"tensors,omitempty"` // with --tensors
	Nodes        []nodeJSON      `json:"nodes,omitempty"`   // with --nodes
	Notes        []string        `json:"notes,omitempty"`

	// Of a model of the registry.
	Licence    string          `json:"licence,omitempty"` // what is known about it
	Sources    []sourceJSON    `json:"sources,omitempty"` // where its checkpoint is published, in the order in which pull tries them
	Provenance *zoo.Provenance `json:"provenance,omitempty"`

	graph *graph.Graph
}

type nodeJSON struct {
	Name  string `json:"name"`
	Op    string `json:"op"`
	Shape []int  `json:"shape"`
	FLOPs int64  `json:"flops"` // of one sample
}

func newInfo(a *app) *cobra.Command {
	var tensors, nodes bool
	cmd := &cobra.Command{
		Use:   "info MODEL|FILE",
		Short: "Show what a model, a checkpoint or a picture is",
		Long: `Show what a model, a source checkpoint (PyTorch, TF Hub, safetensors) or a PNG or GIF file of ours is:
architecture, config, tensors, provenance, digest. --tensors opens any source file, whatever it holds.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := a.inspect(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			doc.TensorCount = len(doc.Tensors)
			if !tensors {
				doc.Tensors = nil
			}
			if nodes && doc.graph == nil {
				return usage("--nodes: %s is no model", args[0])
			}
			if nodes {
				for _, n := range doc.graph.Nodes {
					doc.Nodes = append(doc.Nodes, nodeJSON{n.Name, n.Op.String(), n.Shape, n.FLOPs()})
				}
			}
			return a.print(doc, func(w io.Writer) error { return doc.text(w, nodes) })
		},
	}
	cmd.Flags().BoolVar(&tensors, "tensors", false, "list the tensors")
	cmd.Flags().BoolVar(&nodes, "nodes", false, "list the network's nodes, as --keep and verify name them")
	return cmd
}

// inspect finds out what a name or a file is.
func (a *app) inspect(ctx context.Context, name string) (*infoJSON, error) {
	if known, err := zoo.Find(name); err == nil {
		return a.inspectKnown(ctx, known)
	}
	stat, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) {
		_, err = biggan.Open(ctx, name) // says what there is
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	path := name
	if tfhub.IsModule(path) {
		doc := &infoJSON{Name: path}
		return doc, doc.module(path)
	}
	if stat.IsDir() {
		path = filepath.Join(name, "pytorch_model.bin")
	}
	head, err := weights.Head(path)
	if err != nil {
		return nil, err
	}
	doc := &infoJSON{Name: path}
	switch {
	case render.IsPNG(head), render.IsGIF(head):
		err = doc.picture(path)
	case weights.IsSafetensors(head):
		err = doc.safetensors(ctx, path)
	case tfhub.IsArchive(head):
		err = doc.module(path)
	default:
		err = doc.checkpoint(path)
	}
	if err != nil {
		return nil, err
	}
	return doc, doc.digest(path)
}

// inspectKnown describes a model of the registry, from its weights if they are here.
func (a *app) inspectKnown(ctx context.Context, known zoo.Model) (*infoJSON, error) {
	doc := &infoJSON{Name: known.Name, Licence: known.Licence}
	var err error
	if doc.Sources, err = sourcesOf(known); err != nil {
		return nil, err
	}
	m, err := a.open(ctx, known.Name)
	if errors.Is(err, biggan.ErrNotFound) {
		return doc, doc.remote(known)
	}
	if err != nil {
		return nil, err
	}
	defer m.Close()
	doc.model(m)
	if doc.SHA256, err = m.Digest(); err != nil || known.Embedded {
		return doc, err
	}
	store, err := a.openStore(false)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	doc.Provenance, err = store.Provenance(known.Name)
	return doc, err
}

func (d *infoJSON) network(architecture string, g *graph.Graph) {
	d.Architecture, d.Parameters, d.graph = architecture, g.ParamCount(), g
	if x, ok := g.Input("x"); ok {
		d.Resolution = x.Shape[1]
	} else {
		d.Resolution = g.Outputs[0].Node.Shape[1]
	}
}

func (d *infoJSON) model(m *biggan.Model) {
	d.Kind, d.Meta, d.Config = "model", &m.Meta, m.Meta.Config
	d.network(m.Meta.Architecture, m.Graph)
	d.Bytes = m.Weights().Size()
	d.listTensors(m.Weights())
}

func (d *infoJSON) listTensors(f *weights.File) {
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		d.Tensors = append(d.Tensors, info)
	}
}

// safetensors describes one of our models, or any other file of the format.
func (d *infoJSON) safetensors(ctx context.Context, path string) error {
	f, err := weights.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := weights.ParseMeta(f.Metadata()); err == nil {
		m, err := biggan.Open(ctx, path)
		if err != nil {
			return err
		}
		defer m.Close()
		d.model(m)
		return nil
	}
	d.Kind, d.Bytes = "safetensors", f.Size()
	if f.Metadata() != nil {
		d.Metadata = f.Metadata()
	}
	d.listTensors(f)
	return nil
}

// checkpoint describes a PyTorch file, and the network in it if it is one that we know.
func (d *infoJSON) checkpoint(path string) error {
	f, err := torch.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	d.Kind, d.Container, d.Tensors = "checkpoint", f.Container(), slices.Clone(f.Tensors())
	report, g, err := convert.Inspect(f, path)
	return d.recognised(report, g, err)
}

// module describes a TF Hub module.
func (d *infoJSON) module(path string) error {
	m, err := tfhub.Open(path)
	if err != nil {
		return err
	}
	defer m.Close()
	d.Kind, d.Container, d.Tensors = "checkpoint", "TF Hub module", m.Tensors()
	report, g, err := convert.InspectModule(m)
	return d.recognised(report, g, err)
}

// recognised adds what network a checkpoint holds, or that it holds none that is known.
func (d *infoJSON) recognised(report *convert.Report, g *graph.Graph, err error) error {
	slices.SortFunc(d.Tensors, func(a, b weights.Info) int { return strings.Compare(a.Name, b.Name) })
	if err != nil {
		d.Notes = append(d.Notes, err.Error())
		return nil
	}
	d.network(report.Architecture, g)
	d.Config = report.Config
	d.Notes = append(d.Notes, "names of "+report.SourceFormat)
	d.Notes = append(d.Notes, report.Notes...)
	return nil
}

// picture describes a PNG, APNG or GIF file.
func (d *infoJSON) picture(path string) error {
	info, _, err := readPicture(path)
	if err != nil {
		return err
	}
	d.Kind = "picture"
	d.Notes = append(d.Notes, fmt.Sprintf("%d x %d pixels", info.Width, info.Height))
	if info.Frames > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%d frames", info.Frames))
	}
	if said, ok := contact.Read(info.Texts); ok {
		d.Metadata = said
		d.Notes = append(d.Notes, fmt.Sprintf("contact sheet of %d pictures, page %d of %d", said.Pictures, said.Page, said.Pages))
		return nil
	}
	r, err := recipe.Read(info.Texts)
	if err != nil {
		d.Notes = append(d.Notes, err.Error())
		return nil
	}
	d.Metadata = r.Public()
	return nil
}

// digest hashes the file.
func (d *infoJSON) digest(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if d.Bytes, err = io.Copy(h, f); err != nil {
		return err
	}
	d.SHA256 = hex.EncodeToString(h.Sum(nil))
	return nil
}

func (d *infoJSON) text(w io.Writer, nodes bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(key string, value any, show bool) {
		if show {
			fmt.Fprintf(t, "%s\t%v\n", key, value)
		}
	}
	row("name", d.Name, true)
	row("kind", d.Kind, true)
	row("size", size(d.Bytes), d.Bytes > 0)
	row("sha256", d.SHA256, d.SHA256 != "")
	row("architecture", d.Architecture, d.Architecture != "")
	row("resolution", d.Resolution, d.Resolution > 0)
	row("parameters", d.Parameters, d.Parameters > 0)
	row("container", d.Container, d.Container != "")
	row("tensors", d.TensorCount, d.TensorCount > 0)
	row("config", string(d.Config), d.Config != nil)
	if m := d.Meta; m != nil {
		row("source", fmt.Sprintf("%s (%s)", m.SourceFile, m.SourceFormat), m.SourceFile != "")
		row("source sha256", m.SourceSHA256, m.SourceSHA256 != "")
		row("converter", m.Converter, m.Converter != "")
		row("statistics", m.StatsGrid, m.StatsGrid != "")
		row("licence", m.LicenseNote, m.LicenseNote != "" && d.Licence == "")
		row("classes", strings.Join(m.Labels, ", "), len(m.Labels) > 0)
	}
	if d.Metadata != nil {
		text, err := json.Marshal(d.Metadata)
		if err != nil {
			return err
		}
		row("metadata", string(text), true)
	}
	row("licence", d.Licence, d.Licence != "")
	d.zooRows(row)
	for _, note := range d.Notes {
		row("note", note, true)
	}
	for _, info := range d.Tensors {
		fmt.Fprintf(t, "%s\t%s %v\n", info.Name, info.DType, info.Shape)
	}
	if err := t.Flush(); err != nil || !nodes {
		return err
	}
	return d.graph.Summary(w)
}
