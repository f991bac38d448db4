package biggan

import (
	"context"
	"sync"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
)

// TestCompilesOnce asks for pictures from many sides at once: one program, the same pictures.
func TestCompilesOnce(t *testing.T) {
	ctx := context.Background()
	m, err := Open(ctx, "letters")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := m.Generate(ctx, Request{Classes: []string{"A"}, Truncation: 0.5, Backend: "cpu"}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if used, err := m.Prepare("cpu", backend.Options{}); err != nil || used != "cpu" || len(m.programs) != 1 {
		t.Errorf("backend %q, %v, %d programs", used, err, len(m.programs))
	}
	if _, err := m.Prepare("cpu", backend.Options{Threads: 1}); err != nil || len(m.programs) != 2 {
		t.Errorf("%v, %d programs", err, len(m.programs))
	}
	if _, err := m.Prepare("abacus", backend.Options{}); err == nil || len(m.programs) != 2 {
		t.Errorf("an unknown backend: %v, %d programs", err, len(m.programs))
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}
