package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/s3" // beside those of beamx

	"github.com/biggan-zoo/biggan/atomicfile"
	"github.com/biggan-zoo/biggan/dataset"
)

// remote reports whether a path is that of a bucket.
func remote(path string) bool { return strings.Contains(path, "://") }

// storeFor is where a path's files go.
func storeFor(ctx context.Context, path string) dataset.Store {
	if remote(path) {
		return bucket{context.WithoutCancel(ctx)}
	}
	return dataset.Local{}
}

// bucket is a store of Beam's file systems, by the scheme of a path. An object stands under
// its name when it was written whole.
type bucket struct{ ctx context.Context }

// Folder implements dataset.Store: buckets have none.
func (bucket) Folder(string) error { return nil }

// Exists implements dataset.Store.
func (b bucket) Exists(path string) (bool, error) {
	store, err := filesystem.New(b.ctx, path)
	if err != nil {
		return false, err
	}
	defer store.Close()
	found, err := store.List(b.ctx, path)
	return len(found) > 0, err
}

// Read implements dataset.Store.
func (b bucket) Read(path string) ([]byte, error) {
	if there, err := b.Exists(path); err != nil || !there {
		if err == nil {
			err = fmt.Errorf("%s: %w", path, fs.ErrNotExist)
		}
		return nil, err
	}
	store, err := filesystem.New(b.ctx, path)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	r, err := store.OpenRead(b.ctx, path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// Write implements dataset.Store.
func (b bucket) Write(path string, data []byte, overwrite bool) error {
	if there, err := b.Exists(path); err != nil || there && !overwrite {
		if err == nil {
			err = fmt.Errorf("%s: %w", path, atomicfile.ErrExists)
		}
		return err
	}
	store, err := filesystem.New(b.ctx, path)
	if err != nil {
		return err
	}
	defer store.Close()
	w, err := store.OpenWrite(b.ctx, path)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err // without Close: no object
	}
	return w.Close()
}
