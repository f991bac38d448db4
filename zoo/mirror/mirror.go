// Package mirror serves a store, or a folder laid out like one, to others: MODEL/FILE and a
// list of digests. It serves nothing else of the machine and changes nothing.
package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/biggan-zoo/biggan/checksums"
	"github.com/biggan-zoo/biggan/zoo"
)

// suffixes are what a model or a source file ends with.
var suffixes = []string{".safetensors", ".bin", ".pth", ".pt", ".tar.gz", ".tgz", ".json"}

// private files of a store are nobody else's business.
var private = []string{"provenance.json", "lock.sha256"}

// Mirror is an http.Handler. It is safe for concurrent use.
type Mirror struct {
	root *os.Root

	mu     sync.Mutex
	hashed map[string]known // by MODEL/FILE
}

// known is a digest and the file that it was computed of.
type known struct {
	info   fs.FileInfo
	digest checksums.Digest
}

// Open prepares a folder to be served. Close it when done.
func Open(folder string) (*Mirror, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	return &Mirror{root: root, hashed: map[string]known{}}, nil
}

// Close releases the folder.
func (m *Mirror) Close() error { return m.root.Close() }

// List hashes what is new in the folder and lists all of it.
func (m *Mirror) List(ctx context.Context) ([]checksums.Entry, error) {
	models, err := fs.ReadDir(m.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	var entries []checksums.Entry
	for _, model := range models {
		if !model.IsDir() || checksums.CheckModel(model.Name()) != nil {
			continue
		}
		files, err := fs.ReadDir(m.root.FS(), model.Name())
		if err != nil {
			return nil, fmt.Errorf("mirror: %w", err)
		}
		for _, file := range files {
			if !served(file.Name()) || !file.Type().IsRegular() {
				continue
			}
			f, _, digest, err := m.open(ctx, model.Name()+"/"+file.Name())
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed meanwhile
			}
			if err != nil {
				return nil, err
			}
			f.Close()
			entries = append(entries, checksums.Entry{Digest: digest, Model: model.Name(), File: file.Name()})
		}
	}
	return entries, nil
}

// served reports whether a file may be one of a model.
func served(name string) bool {
	return checksums.CheckFile(name) == nil && !slices.Contains(private, name) &&
		slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
}

// open opens a file with its digest: a file that was hashed is known by size, time and inode.
func (m *Mirror) open(ctx context.Context, name string) (*os.File, fs.FileInfo, checksums.Digest, error) {
	f, err := m.root.Open(name)
	if err != nil { // also a link that leads out of the folder
		return nil, nil, checksums.Digest{}, fmt.Errorf("mirror: %s: %w (%v)", name, fs.ErrNotExist, err)
	}
	digest, info, err := m.digest(ctx, name, f)
	if err != nil {
		f.Close()
		return nil, nil, digest, err
	}
	return f, info, digest, nil
}

func (m *Mirror) digest(ctx context.Context, name string, f *os.File) (checksums.Digest, fs.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return checksums.Digest{}, nil, err
	}
	if !info.Mode().IsRegular() {
		return checksums.Digest{}, nil, fmt.Errorf("mirror: %s: %w", name, fs.ErrNotExist)
	}
	m.mu.Lock() // one file is hashed at a time, and once
	defer m.mu.Unlock()
	if k, ok := m.hashed[name]; ok && os.SameFile(k.info, info) && k.info.Size() == info.Size() && k.info.ModTime().Equal(info.ModTime()) {
		return k.digest, info, nil
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{io.NewSectionReader(interruptible{f, ctx}, 0, info.Size())}, make([]byte, 512<<10)); err != nil {
		return checksums.Digest{}, nil, fmt.Errorf("mirror: %s: %w", name, err)
	}
	digest, err := checksums.Of(h)
	if err != nil {
		return digest, nil, err
	}
	m.hashed[name] = known{info, digest}
	return digest, info, nil
}

// interruptible stops reading when its context ends.
type interruptible struct {
	io.ReaderAt
	ctx context.Context
}

func (i interruptible) ReadAt(p []byte, at int64) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.ReaderAt.ReadAt(p, at)
}

// ServeHTTP answers GET and HEAD of the list and of MODEL/FILE; everything else is not found.
func (m *Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "a mirror is read only", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == zoo.ManifestName {
		m.serveList(w, r)
		return
	}
	model, file, ok := strings.Cut(name, "/")
	if !ok || checksums.CheckModel(model) != nil || !served(file) {
		http.NotFound(w, r)
		return
	}
	f, info, digest, err := m.open(r.Context(), name)
	if err != nil {
		fail(w, r, err)
		return
	}
	defer f.Close()
	serve(w, r, path.Base(name), info.ModTime(), digest, f)
}

func (m *Mirror) serveList(w http.ResponseWriter, r *http.Request) {
	entries, err := m.List(r.Context())
	if err != nil {
		fail(w, r, err)
		return
	}
	var list bytes.Buffer
	if err := checksums.Write(&list, entries); err != nil {
		fail(w, r, err)
		return
	}
	h := sha256.New()
	h.Write(list.Bytes())
	digest, err := checksums.Of(h)
	if err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	serve(w, r, zoo.ManifestName, time.Time{}, digest, bytes.NewReader(list.Bytes()))
}

// serve answers with ranges, a strong ETag that is the digest, and the digest itself (RFC 9530).
func serve(w http.ResponseWriter, r *http.Request, name string, modified time.Time, digest checksums.Digest, content io.ReadSeeker) {
	sum, err := hex.DecodeString(digest.String())
	if err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("ETag", `"`+digest.String()+`"`)
	w.Header().Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	http.ServeContent(w, r, name, modified, content)
}

// fail tells no paths of this machine.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		http.NotFound(w, r)
		return
	}
	http.Error(w, "the mirror cannot read it", http.StatusInternalServerError)
}

// Server is an HTTP server of a mirror that slow clients do not hold up.
func (m *Mirror) Server() *http.Server {
	return &http.Server{Handler: m, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
}
