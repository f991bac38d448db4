package main

import (
	"fmt"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/zoo"
)

// sourceJSON is a place where a checkpoint is published.
type sourceJSON struct {
	Name   string           `json:"name"`
	Format string           `json:"format"`
	Files  []sourceFileJSON `json:"files,omitempty"`
	ByHand string           `json:"by_hand,omitempty"` // what to do where no program can fetch it
	Note   string           `json:"note,omitempty"`
}

type sourceFileJSON struct {
	File   string `json:"file"`
	URL    string `json:"url"`
	Bytes  int64  `json:"bytes,omitempty"`  // where published
	SHA256 string `json:"sha256,omitempty"` // where published
}

// sourcesOf lists the sources of a model with their pins.
func sourcesOf(m zoo.Model) ([]sourceJSON, error) {
	var all []sourceJSON
	for _, source := range m.Sources {
		doc := sourceJSON{Name: source.Name, Format: source.Format, ByHand: source.ByHand, Note: source.Note}
		for _, f := range source.Files {
			pin, err := checksums.Pin(m.Name, f.Name)
			if err != nil {
				return nil, err
			}
			doc.Files = append(doc.Files, sourceFileJSON{f.Name, f.URL, f.Bytes, pin.String()})
		}
		all = append(all, doc)
	}
	return all, nil
}

// remote describes a model that is not here.
func (d *infoJSON) remote(known zoo.Model) error {
	d.Kind, d.Notes = "known", []string{"not on this machine"}
	config, err := known.ConfigJSON()
	if err != nil {
		return err
	}
	g, err := known.Graph()
	if err != nil {
		return err
	}
	d.Config = config
	d.network(known.Architecture, g)
	return nil
}

// zooRows are the lines about where a model came from and where it can be had.
func (d *infoJSON) zooRows(row func(key string, value any, show bool)) {
	if p := d.Provenance; p != nil {
		for _, f := range p.Files {
			row("pulled", fmt.Sprintf("%s from %s, %s, sha256 %s (%s)", f.Name, f.URL, p.Pulled.Format("2006-01-02"), f.SHA256, f.Trust), true)
		}
	}
	for _, source := range d.Sources {
		row("published", fmt.Sprintf("%s: %s", source.Name, source.Note), true)
		row("", "by hand: "+source.ByHand, source.ByHand != "")
		for _, f := range source.Files {
			row("", f.URL, true)
			bytes, digest := "size not published", "sha256 not published"
			if f.Bytes > 0 {
				bytes = fmt.Sprintf("%d bytes", f.Bytes)
			}
			if f.SHA256 != "" {
				digest = "sha256 " + f.SHA256
			}
			row("", fmt.Sprintf("%s, %s, as %s", bytes, digest, f.File), true)
		}
	}
}
