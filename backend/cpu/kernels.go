package cpu

import (
	"fmt"
	"os"

	"github.com/biggan-zoo/biggan/backend"
	"github.com/biggan-zoo/biggan/backend/cpu/kernel"
)

// Variable is the environment variable that forces a set of kernels.
const Variable = "BIGGAN_CPU"

// Kernels gives the set that programs use: the fastest here, or the one that Variable names.
// It fails with backend.ErrUnavailable if the processor lacks that one; CheckVariable finds
// names that are none.
func Kernels() (*kernel.Set, error) {
	s, _, err := kernel.Find(os.Getenv(Variable))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", backend.ErrUnavailable, Variable, err)
	}
	return s, nil
}

// CheckVariable reports a value of Variable that names no set of kernels.
func CheckVariable() error {
	if _, known, err := kernel.Find(os.Getenv(Variable)); !known {
		return fmt.Errorf("%s: %v", Variable, err)
	}
	return nil
}
