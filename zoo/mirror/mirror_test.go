package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newMirror serves a folder with a model, secrets beside it, and links that lead out.
func newMirror(t *testing.T) (*httptest.Server, string) {
	t.Helper()
	top := t.TempDir()
	folder := filepath.Join(top, "store")
	for name, content := range map[string]string{
		"secret.json": "secret", "store/secret.json": "secret", "store/biggan-128/G.pth": "0123456789", "store/biggan-128/provenance.json": "secret",
		"store/biggan-128/lock.sha256": "secret", "store/biggan-128/.part-1": "secret", "store/biggan-128/notes.txt": "secret", "store/.hidden/x.bin": "secret",
		"store/biggan-128/deep/x.bin": "secret",
	} {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"biggan-128/link.bin": "../../secret.json", "biggan-512": top} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Log(err)
		}
	}
	m, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(m)
	t.Cleanup(func() { s.Close(); m.Close() })
	return s, folder
}

func get(t *testing.T, method, address string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestServe(t *testing.T) {
	s, folder := newMirror(t)
	sum := sha256.Sum256([]byte("0123456789"))
	digest := hex.EncodeToString(sum[:])
	r, body := get(t, "GET", s.URL+"/SHA256SUMS", nil)
	if r.StatusCode != 200 || body != digest+"  biggan-128/G.pth\n" {
		t.Errorf("%s: %q", r.Status, body)
	}
	r, body = get(t, "GET", s.URL+"/biggan-128/G.pth", http.Header{"Range": {"bytes=2-4"}, "If-Range": {`"` + digest + `"`}})
	if r.StatusCode != 206 || body != "234" || r.Header.Get("Content-Range") != "bytes 2-4/10" || r.Header.Get("ETag") != `"`+digest+`"` || !strings.HasPrefix(r.Header.Get("Repr-Digest"), "sha-256=:") {
		t.Errorf("%s, %v: %q", r.Status, r.Header, body)
	}
	if r, body = get(t, "GET", s.URL+"/biggan-128/G.pth", http.Header{"Range": {"bytes=2-4"}, "If-Range": {`"other"`}}); r.StatusCode != 200 || len(body) != 10 {
		t.Errorf("another ETag: %s: %q", r.Status, body)
	}
	if r, _ = get(t, "GET", s.URL+"/biggan-128/G.pth", http.Header{"Range": {"bytes=20-"}}); r.StatusCode != 416 {
		t.Error(r.Status)
	}
	if r, body = get(t, "HEAD", s.URL+"/biggan-128/G.pth", nil); r.StatusCode != 200 || body != "" || r.ContentLength != 10 {
		t.Errorf("%s: %q", r.Status, body)
	}
	if err := os.WriteFile(filepath.Join(folder, "biggan-128", "G.pth"), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r, _ := get(t, "GET", s.URL+"/biggan-128/G.pth", nil); strings.Contains(r.Header.Get("ETag"), digest) {
		t.Error("a changed file keeps its ETag")
	}
}

// TestNothingElse: no listing, no file beside models, no way out.
func TestNothingElse(t *testing.T) {
	s, _ := newMirror(t)
	for _, path := range []string{
		"/", "/biggan-128", "/biggan-128/", "/secret.json", "/biggan-128/provenance.json", "/biggan-128/lock.sha256", "/biggan-128/.part-1",
		"/biggan-128/notes.txt", "/biggan-128/link.bin", "/biggan-512/secret.json", "/.hidden/x.bin", "/biggan-128/deep/x.bin", "/biggan-128/../secret.json",
		"/..%2fsecret.json", "/biggan-128/..%2f..%2fsecret.json", "/biggan-128%2f..%2f..%2fsecret.json", "/%2e%2e/secret.json", "//secret.json", "/biggan-128/G.pth%00.json",
		"/biggan-128/none.bin", "/biggan-128/deep", "/SHA256SUMS/", "/biggan-128/G.pth/",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			if r, body := get(t, method, s.URL+path, nil); r.StatusCode != 404 || strings.Contains(body, "secret") {
				t.Errorf("%s %s: %s %q", method, path, r.Status, body)
			}
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if r, _ := get(t, method, s.URL+"/biggan-128/G.pth", nil); r.StatusCode != 405 {
			t.Errorf("%s: %s", method, r.Status)
		}
	}
}

// TestSlowClients: connections that send nothing hold nobody up, and end.
func TestSlowClients(t *testing.T) {
	s, folder := newMirror(t)
	s.Close()
	m, err := Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	server := m.Server()
	server.ReadHeaderTimeout = 200 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Shutdown(context.Background())
	var slow []net.Conn
	for range 200 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /SHA256SUMS HTTP/1.1\r\nHost: x\r\n")
		slow = append(slow, c)
	}
	if r, _ := get(t, "GET", "http://"+l.Addr().String()+"/SHA256SUMS", nil); r.StatusCode != 200 {
		t.Error(r.Status)
	}
	for _, c := range slow {
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadAll(c); err != nil {
			t.Fatalf("a slow connection stays: %v", err)
		}
	}
}
