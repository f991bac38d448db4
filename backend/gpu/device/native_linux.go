//go:build (amd64 || arm64) && !nogpu

package device

import (
	"path/filepath"

	"github.com/gogpu/gputypes"
	_ "github.com/gogpu/wgpu/hal/vulkan" // registers itself
)

var kinds = []kind{{gputypes.BackendVulkan, vulkanDrivers}}

// MayHaveHardware looks for the device nodes of a GPU, which costs nothing: loading drivers to learn that
// there is none costs tens of milliseconds.
func MayHaveHardware() bool {
	for _, pattern := range []string{"/dev/dri/renderD*", "/dev/nvidia[0-9]*", "/dev/dxg"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

// Install is what a machine without a usable GPU lacks.
const Install = "install the vendor's Vulkan driver (NVIDIA's own, or mesa-vulkan-drivers for AMD and Intel) and libvulkan1"
