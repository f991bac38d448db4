//go:build (amd64 || arm64) && !nogpu

package device

import (
	"github.com/gogpu/gputypes"
	_ "github.com/gogpu/wgpu/hal/dx12"   // registers itself
	_ "github.com/gogpu/wgpu/hal/vulkan" // registers itself
)

var variants = []gputypes.Backend{gputypes.BackendVulkan, gputypes.BackendDX12}

// MayHaveHardware reports whether drivers are worth loading.
func MayHaveHardware() bool { return true }

// Install is what a machine without a usable GPU lacks.
const Install = "install the GPU vendor's current driver, which brings Vulkan and Direct3D 12"
