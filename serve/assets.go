package serve

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
)

//go:embed page openapi.json
var assets embed.FS

// pagePrefix is the path of the page's files.
const pagePrefix = "/page/"

// assetKinds are the files that are served, by extension. The system's table may differ.
var assetKinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".json": "application/json",
}

// page serves the page and its files.
func page(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("file")
	if name == "" {
		name = "index.html"
	}
	return asset(w, r, "page/"+name)
}

func openapi(w http.ResponseWriter, r *http.Request) error { return asset(w, r, "openapi.json") }

// asset serves an embedded file; a browser asks each time and is told if nothing changed.
func asset(w http.ResponseWriter, r *http.Request, name string) error {
	data, err := assets.ReadFile(name)
	if err != nil {
		return &failure{status: http.StatusNotFound, Message: fmt.Sprintf("there is no %s", r.URL.Path)}
	}
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", assetKinds[path.Ext(name)])
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data) // a client that left is seen by its context
	return nil
}
