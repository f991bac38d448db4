package kernel

import (
	"runtime"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// Processor is the name of this processor, or of its architecture where it tells none.
func Processor() string {
	if name := strings.TrimSpace(cpuid.CPU.BrandName); name != "" {
		return name
	}
	return runtime.GOARCH
}
