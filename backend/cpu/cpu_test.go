package cpu_test

import (
	"testing"

	"github.com/biggan-zoo/biggan/backend/backendtest"
	"github.com/biggan-zoo/biggan/backend/cpu"
	"github.com/biggan-zoo/biggan/backend/reference"
)

func TestConformance(t *testing.T) { backendtest.Run(t, cpu.Compile, reference.Compile, 2e-5) }
