//go:build (amd64 || arm64) && !nogpu

package device

import (
	"github.com/gogpu/gputypes"
	_ "github.com/gogpu/wgpu/hal/metal" // registers itself
)

var variants = []gputypes.Backend{gputypes.BackendMetal}

// MayHaveHardware reports whether drivers are worth loading.
func MayHaveHardware() bool { return true }

// Install is what a machine without a usable GPU lacks.
const Install = "this Mac offers no Metal device"
