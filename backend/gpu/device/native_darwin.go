//go:build (amd64 || arm64) && !nogpu

package device

import (
	"syscall"

	"github.com/gogpu/gputypes"
	_ "github.com/gogpu/wgpu/hal/metal" // registers itself
)

var kinds = []kind{{gputypes.BackendMetal, metalDrivers}}

// MayHaveHardware reports whether drivers are worth loading.
func MayHaveHardware() bool { return true }

// Install is what a machine without a usable GPU lacks.
const Install = "this Mac offers no Metal device"

// metalDrivers is the version of macOS, of which the drivers are a part.
func metalDrivers() (map[hardware]string, error) {
	version, err := syscall.Sysctl("kern.osproductversion")
	if err != nil {
		return nil, err
	}
	build, err := syscall.Sysctl("kern.osversion")
	if err != nil {
		return nil, err
	}
	return map[hardware]string{{}: "macOS " + version + ", build " + build}, nil
}
