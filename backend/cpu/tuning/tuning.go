// Package tuning keeps which method computes a convolution best on a processor: the tables that
// `biggan bench --tune` measures and backend.Options.Methods takes. It knows no methods.
package tuning

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/backend"
)

// Key is what a table was measured with. A table is of no account for another.
type Key struct {
	Kernels   string            `json:"kernels"`   // the instruction set
	Processor string            `json:"processor"` // its name
	Threads   int               `json:"threads"`
	Precision backend.Precision `json:"precision"`
}

// file is a table as it is written.
type file struct {
	Version int `json:"version"` // of the kernels
	Key
	Methods map[string]string `json:"methods"` // by shape
}

// Version changes with the speed of the kernels.
const Version = 1

// The bounds of a table: bytes, entries, and bytes of a shape or a method.
const (
	maxSize    = 1 << 20
	maxMethods = 4096
	maxWord    = 128
)

// ErrTable means that a file is no table, or one of another version or key.
var ErrTable = errors.New("no tuning for this processor")

// Path is where the table of a key lies: in the user's folder for caches.
func Path(k Key) (string, error) {
	folder, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %q", k.Kernels, k.Processor, k.Threads, k.Precision))
	return filepath.Join(folder, "biggan", "cpu-"+hex.EncodeToString(sum[:8])+".json"), nil
}

// Load reads the table of a key; nil if there is none. Errors wrap ErrTable, or are of the disk.
func Load(path string, k Key) (methods map[string]string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if methods, err = Parse(data, k); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return methods, nil
}

// Parse reads a table for a key. Errors wrap ErrTable.
func Parse(data []byte, k Key) (methods map[string]string, err error) {
	refuse := func(format string, args ...any) (map[string]string, error) {
		return nil, fmt.Errorf("%w: %s", ErrTable, fmt.Sprintf(format, args...))
	}
	if len(data) > maxSize {
		return refuse("more than %d bytes", maxSize)
	}
	var t file
	if err := json.Unmarshal(data, &t); err != nil {
		return refuse("%v", err)
	}
	if t.Version != Version {
		return refuse("version %d, want %d", t.Version, Version)
	}
	if t.Key != k {
		return refuse("of %.200q, want %q", fmt.Sprint(t.Key), fmt.Sprint(k))
	}
	if len(t.Methods) > maxMethods {
		return refuse("%d shapes, want at most %d", len(t.Methods), maxMethods)
	}
	for shape, method := range t.Methods {
		if len(shape) > maxWord || len(method) > maxWord || shape == "" || method == "" {
			return refuse("method %.40q of shape %.40q", method, shape)
		}
	}
	return t.Methods, nil
}

// Check finds out whether Save could write a table, and makes its folder.
func Check(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Check(path, true)
}

// Save adds methods to the table of a key, those of the same shapes replaced. A file there that
// is no table is replaced as a whole.
func Save(path string, k Key, methods map[string]string) error {
	all, err := Load(path, k)
	if err != nil && !errors.Is(err, ErrTable) {
		return err
	}
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, methods)
	if len(all) > maxMethods {
		all = methods // the others are of models long gone
	}
	data, err := json.MarshalIndent(file{Version, k, all}, "", "  ") // sorts the shapes
	if err != nil {
		return err
	}
	if err := Check(path); err != nil {
		return err
	}
	return atomicfile.Write(path, append(data, '\n'), true)
}
