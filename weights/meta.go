package weights

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// FormatVersion is the version of the unified format that this package writes.
const FormatVersion = 1

const prefix = "biggan."

// SourceSHA256 is the metadata key of Meta.SourceSHA256.
const SourceSHA256 = prefix + "source_sha256"

// Meta is the typed form of a model's metadata.
type Meta struct {
	FormatVersion int             `json:"format_version"`
	Architecture  string          `json:"architecture"` // registry name
	Config        json.RawMessage `json:"config"`       // JSON object
	Model         string          `json:"model,omitempty"`
	SourceFile    string          `json:"source_file,omitempty"` // base name
	SourceSHA256  string          `json:"source_sha256,omitempty"`
	SourceFormat  string          `json:"source_format,omitempty"`
	Converter     string          `json:"converter,omitempty"`
	StatsGrid     string          `json:"stats_grid,omitempty"` // for people
	LicenseNote   string          `json:"license_note,omitempty"`
	Labels        []string        `json:"labels,omitempty"` // class names in order
}

// fields pairs each text field with its key.
func (m *Meta) fields() map[string]*string {
	return map[string]*string{
		"architecture": &m.Architecture, "model": &m.Model, "source_file": &m.SourceFile,
		strings.TrimPrefix(SourceSHA256, prefix): &m.SourceSHA256, "source_format": &m.SourceFormat, "converter": &m.Converter,
		"stats_grid": &m.StatsGrid, "license_note": &m.LicenseNote,
	}
}

// Map is the metadata as a file holds it. Empty fields are left out.
func (m Meta) Map() map[string]string {
	out := map[string]string{
		"format":                  "pt", // what safetensors' own loaders look for
		prefix + "format_version": strconv.Itoa(FormatVersion),
		prefix + "config":         string(m.Config),
	}
	for key, value := range m.fields() {
		if *value != "" {
			out[prefix+key] = *value
		}
	}
	if m.Labels != nil {
		out[prefix+"labels"] = string(marshal(m.Labels))
	}
	return out
}

// ParseMeta reads a file's metadata. A file that is not in the unified format, or of a
// newer version, is ErrFormat.
func ParseMeta(metadata map[string]string) (Meta, error) {
	var m Meta
	version, ok := metadata[prefix+"format_version"]
	if !ok {
		return m, fmt.Errorf("weights: %w: a safetensors file, but not a converted model (no %sformat_version)", ErrFormat, prefix)
	}
	var err error
	if m.FormatVersion, err = strconv.Atoi(version); err != nil || m.FormatVersion != FormatVersion {
		return m, fmt.Errorf("weights: %w: format version %q, want %d", ErrFormat, version, FormatVersion)
	}
	for key, value := range m.fields() {
		*value = metadata[prefix+key]
	}
	m.Config = json.RawMessage(metadata[prefix+"config"])
	if !json.Valid(m.Config) {
		return m, fmt.Errorf("weights: %w: the config in the metadata is no JSON", ErrFormat)
	}
	if labels, ok := metadata[prefix+"labels"]; ok {
		if err := json.Unmarshal([]byte(labels), &m.Labels); err != nil {
			return m, fmt.Errorf("weights: %w: labels: %v", ErrFormat, err)
		}
	}
	return m, nil
}
