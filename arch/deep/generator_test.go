package deep

import "testing"

func TestParameterCounts(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   int64
	}{
		"biggan-deep-128": {Deep128, 50_388_609},
		"biggan-deep-256": {Deep256, 55_880_833},
		"biggan-deep-512": {Deep512, 56_163_905},
	} {
		g, err := Generator(name, c.config)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.ParamCount(); got != c.want {
			t.Errorf("%s has %d parameters, want %d", name, got, c.want)
		}
	}
}
