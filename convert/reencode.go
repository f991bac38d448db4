package convert

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/biggan-zoo/biggan/weights"
)

// reencode writes one of our own files again with another dtype of its weights.
func reencode(ctx context.Context, src, dst string, o Options) (*Report, error) {
	return nil, fmt.Errorf("convert: %s: %w: re-encoding is not built", filepath.Base(src), weights.ErrFormat)
}
