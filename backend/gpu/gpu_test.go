package gpu

import (
	"os"
	"strconv"
	"testing"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/backendtest"
	"github.com/biggan-zoo/biggan/backend/gpu/device"
	"github.com/biggan-zoo/biggan/backend/reference"
	"github.com/biggan-zoo/biggan/graph"
	"github.com/biggan-zoo/biggan/weights"
)

// adapter is the GPU of the tests: the one that BIGGAN_GPU names, else hardware. Where BIGGAN_CI is set any
// adapter will do, and one must be there: Mesa's lavapipe is. Elsewhere the test is skipped without one.
func adapter(t testing.TB) device.Adapter {
	t.Helper()
	name, ci := os.Getenv("BIGGAN_GPU"), os.Getenv("BIGGAN_CI") != ""
	if name == "" && ci {
		name = "0"
	}
	if name == "" && !device.MayHaveHardware() {
		t.Skip("no GPU: BIGGAN_GPU=0 runs this on a software adapter")
	}
	all, err := device.Adapters()
	if err != nil {
		t.Fatal(err)
	}
	a, err := device.Pick(all, name)
	if err != nil && (ci || name != "") {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return a
}

// on compiles for the adapter of the tests.
func on(t testing.TB) backend.Compile {
	a := adapter(t)
	return func(g *graph.Graph, w weights.Source, o backend.Options) (backend.Program, error) {
		o.Device = strconv.Itoa(a.Index)
		return Compile(g, w, o)
	}
}

func TestConformance(t *testing.T) {
	backendtest.Run(t, on(t), reference.Compile, 3e-5)
}
