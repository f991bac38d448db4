package cpu

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestPanicReachesCaller: a panic on any thread is one on the caller's, where it can be recovered.
func TestPanicReachesCaller(t *testing.T) {
	for threads := 1; threads <= 4; threads++ {
		e := &env{program: &program{threads: threads}, ctx: context.Background()}
		var got any
		func() {
			defer func() { got = recover() }()
			_ = e.parallel(100, func(_, i int) {
				if i == 57 {
					panic("out of range")
				}
			})
		}()
		if text := fmt.Sprint(got); !strings.HasPrefix(text, "out of range") || !strings.Contains(text, "parallel_test.go") {
			t.Errorf("%d threads: %v", threads, got)
		}
	}
}
