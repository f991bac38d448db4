package registry

import (
	"errors"
	"strings"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/weights"
)

func TestModelsBuild(t *testing.T) {
	for _, m := range Models {
		g, err := m.Graph()
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		if x, ok := g.Input("x"); ok { // a discriminator
			if x.Shape[1] != m.Resolution || g.ParamCount() != 87_982_370 {
				t.Errorf("%s takes %v and has %d parameters", m.Name, x.Shape, g.ParamCount())
			}
			continue
		}
		if out := g.Outputs[0].Node.Shape; out[0] != 3 || out[1] != m.Resolution {
			t.Errorf("%s makes %v, want 3 channels of %d pixels", m.Name, out, m.Resolution)
		}
	}
}

func TestUnknownName(t *testing.T) {
	_, err := FindModel("biggan-deep-265")
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), `did you mean "biggan-deep-256"?`) || !strings.Contains(err.Error(), "letters") {
		t.Errorf("error %v", err)
	}
	if _, err := FindBackend("zzzzzz"); !errors.Is(err, ErrUnknown) || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("error %v", err)
	}
}

// TestAuto: what no fast backend can do is said, not handed to the slow oracle.
func TestAuto(t *testing.T) {
	g, err := Models[0].Graph()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"auto", "", "gpu"} {
		if _, _, err := Compile(name, g, weights.Memory{}, backend.Options{Precision: "f8"}); !errors.Is(err, backend.ErrUnavailable) {
			t.Errorf("%q in f8: %v", name, err)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"cpi", "cpu"}, {"CPU", "cpu"}, {"referense", "reference"}, {"", ""}, {"qqqqqqqqq", ""},
	} {
		if got := Nearest(c.name, []string{"cpu", "reference"}); got != c.want {
			t.Errorf("Nearest(%q) = %q, want %q", c.name, got, c.want)
		}
	}
}
