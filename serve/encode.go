package serve

import (
	"fmt"
	"net/http"
	"strconv"
)

const defaultFPS = 10.0

// encodings are the forms of an answer; the first is that of a client that takes anything.
var encodings = []struct {
	kind   string
	encode func(d *drawn) ([]byte, error)
}{
	{"image/png", func(d *drawn) ([]byte, error) { return d.recipe.Encode(d.sheet, ".png", true) }},
	{"application/json", (*drawn).json},
	{"image/gif", func(d *drawn) ([]byte, error) { return d.recipe.Encode(d.sheet, ".gif", true) }},
	{"image/apng", func(d *drawn) ([]byte, error) { return d.recipe.Encode(d.sheet, ".apng", true) }},
}

func kinds() []string {
	var all []string
	for _, e := range encodings {
		all = append(all, e.kind)
	}
	return all
}

func encode(kind string, d *drawn) ([]byte, error) {
	for _, e := range encodings {
		if e.kind == kind {
			return e.encode(d)
		}
	}
	return nil, fmt.Errorf("serve: no encoding for %s", kind)
}

// send writes an answer that is ready.
func send(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Vary", "Accept")
	_, _ = w.Write(body) // a client that left is seen by its context
}

// picturesJSON is the document of all pictures, a PNG each.
type picturesJSON struct {
	Model      string        `json:"model"`
	SHA256     string        `json:"sha256"` // of the model's file
	Backend    string        `json:"backend"`
	Truncation float64       `json:"truncation"`
	MS         float64       `json:"ms"`      // of the drawing
	Columns    int           `json:"columns"` // of the sheet
	Pictures   []pictureJSON `json:"pictures"`
}

func (d *drawn) json() ([]byte, error) {
	for i := range d.each {
		r, ok := d.single(i)
		png, err := r.Encode(d.one(i), ".png", ok)
		if err != nil {
			return nil, err
		}
		d.each[i].PNG = png
	}
	r := d.recipe
	return marshal(picturesJSON{
		Model: r.Model, SHA256: r.SHA256, Backend: r.Backend, Truncation: r.Truncation, MS: float64(d.took.Microseconds()) / 1000,
		Columns: d.columns(), Pictures: d.each,
	}), nil
}
