package biggan

import "testing"

func TestParameterCounts(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   int64
	}{
		"biggan-128": {BigGAN128, 70_433_988},
		"biggan-256": {BigGAN256, 82_097_604},
		"biggan-512": {BigGAN512, 82_296_804},
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
