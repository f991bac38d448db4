package biggan_test

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/biggan-zoo/biggan"
	"github.com/biggan-zoo/biggan/zoo"
)

// TestOpenNames: the network is used only if asked for, and a name is never a path.
func TestOpenNames(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.NotFound(w, r)
	}))
	defer server.Close()
	t.Setenv(zoo.StoreVariable, filepath.Join(t.TempDir(), "models"))
	t.Setenv(zoo.MirrorVariable, server.URL)
	t.Chdir(t.TempDir())
	letters, _ := zoo.Embedded("letters")
	if err := os.WriteFile("biggan-128", letters, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := biggan.Open(t.Context(), "biggan-128")
	if !errors.Is(err, biggan.ErrNotFound) || !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "./biggan-128") || requests.Load() > 0 {
		t.Errorf("%v, %d requests", err, requests.Load())
	}
	m, err := biggan.Open(t.Context(), "./biggan-128")
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if _, err := biggan.Open(t.Context(), "biggan-128", biggan.WithPull()); !errors.Is(err, zoo.ErrNetwork) || requests.Load() == 0 {
		t.Errorf("with pull: %v, %d requests", err, requests.Load())
	}
	t.Setenv(zoo.OfflineVariable, "true")
	before := requests.Load()
	if _, err := biggan.Open(t.Context(), "biggan-128", biggan.WithPull()); !errors.Is(err, zoo.ErrOffline) || requests.Load() > before {
		t.Errorf("offline: %v, %d requests", err, requests.Load()-before)
	}
}
