package gpu

import (
	"fmt"

	"github.com/biggan-zoo/biggan/weights"
)

// finite refuses weights that are no finite numbers: a GPU's maximum of NaN and 0 may be 0, so that a broken file
// would become a wrong picture instead of an error.
type finite struct{ weights.Source }

func (f finite) Float32s(dst []float32, name string) error {
	if err := f.Source.Float32s(dst, name); err != nil {
		return err
	}
	return check(dst, name)
}

func (f finite) Float64s(dst []float64, name string) error {
	if err := f.Source.Float64s(dst, name); err != nil {
		return err
	}
	return check(dst, name)
}

func check[F float32 | float64](values []F, name string) error {
	for i, v := range values {
		if v-v != 0 {
			return fmt.Errorf("%w: gpu: %s holds %v as value %d, want a finite number", weights.ErrFormat, name, v, i)
		}
	}
	return nil
}
