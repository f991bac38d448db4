package zoo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/zoo/fetch"
)

// ManifestName is the list of digests at the top of a mirror: MODEL/FILE, as sha256sum
// writes it.
const ManifestName = "SHA256SUMS"

// Direct, among mirrors, stands for the sources that the registry knows.
const Direct = "direct"

// ParseMirrors reads addresses between commas; the result has nil for Direct. Empty text is
// Direct alone.
func ParseMirrors(text string) ([]*url.URL, error) {
	var all []*url.URL
	for field := range strings.SplitSeq(text, ",") {
		field = strings.TrimSpace(field)
		if field == Direct || field == "" {
			all = append(all, nil)
			continue
		}
		u, err := url.Parse(field)
		if err != nil {
			return nil, errors.New("zoo: a mirror that is no URL") // which may hold a password: not repeated
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("zoo: mirror %q: want http://HOST[:PORT][/PATH], https://... or %s", u.Redacted(), Direct)
		}
		all = append(all, u)
	}
	return all, nil
}

// mirrored lists what a mirror has of a model, the best first: files with a published
// digest, then the converted model, then other checkpoints.
func mirrored(ctx context.Context, c *fetch.Client, base *url.URL, m Model) ([]Source, error) {
	data, err := c.Small(ctx, base.JoinPath(ManifestName), maxRecord)
	if err != nil {
		return nil, err
	}
	entries, err := checksums.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %s/%s: %w", ErrRefused, base.Host, ManifestName, err)
	}
	digests := map[string]checksums.Digest{}
	for _, e := range entries {
		if e.Model == m.Name {
			digests[e.File] = e.Digest
		}
	}
	if len(digests) == 0 {
		return nil, fmt.Errorf("%w: %s has no %s", ErrNetwork, base.Host, m.Name)
	}
	return choose(base, m, digests)
}

// choose makes sources of a mirror's files.
func choose(base *url.URL, m Model, digests map[string]checksums.Digest) ([]Source, error) {
	var pinned, converted, others []Source
	used := map[string]bool{}
	add := func(to *[]Source, format string, files ...SourceFile) {
		for i := range files {
			files[i].URL = base.JoinPath(m.Name, files[i].Name).String()
			used[files[i].Name] = true
		}
		*to = append(*to, Source{Name: "mirror", Format: format, Files: files, digests: digests, mirror: hostOf(base)})
	}
	if name := m.Name + ".safetensors"; digests[name].Known() {
		add(&converted, "biggan", SourceFile{Name: name})
	}
	for _, known := range m.Sources {
		var files []SourceFile
		for _, f := range known.Files {
			if digests[f.Name].Known() {
				files = append(files, f)
			}
		}
		if len(files) == 0 || files[0].Name != known.Files[0].Name {
			continue
		}
		pin, err := checksums.Pin(m.Name, files[0].Name)
		if err != nil {
			return nil, err
		}
		if pin.Known() {
			add(&pinned, known.Format, files...)
		} else {
			add(&others, known.Format, files...)
		}
	}
	for _, name := range sortedNames(digests) {
		if used[name] || !isCheckpoint(name) {
			continue
		}
		files := []SourceFile{{Name: name}}
		if digests["config.json"].Known() {
			files = append(files, SourceFile{Name: "config.json"})
		}
		add(&others, "auto", files...)
	}
	all := slices.Concat(pinned, converted, others)
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: %s lists no checkpoint of %s, only %s", ErrRefused, base.Host, m.Name, strings.Join(sortedNames(digests), ", "))
	}
	return all, nil
}

func sortedNames(digests map[string]checksums.Digest) []string {
	var names []string
	for name := range digests {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func isCheckpoint(name string) bool {
	return slices.ContainsFunc([]string{".bin", ".pth", ".pt", ".tar.gz", ".tgz"}, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// hostOf is the host:port that a URL is dialled at.
func hostOf(u *url.URL) string { return fetch.HostPort(u) }
