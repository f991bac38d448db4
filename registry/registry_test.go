package registry

import (
	"errors"
	"strings"
	"testing"
)

func TestModelsBuild(t *testing.T) {
	for _, m := range Models {
		g, err := m.Graph()
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
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
	if b, err := FindBackend("auto"); err != nil || b.Name != Backends[0].Name {
		t.Errorf("auto is %q, %v", b.Name, err)
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
