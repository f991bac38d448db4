package reference_test

import (
	"testing"

	"github.com/biggan-zoo/biggan/backend/backendtest"
	"github.com/biggan-zoo/biggan/backend/reference"
)

func TestConformance(t *testing.T) {
	backendtest.Run(t, reference.Compile, reference.Compile, 0)
}
