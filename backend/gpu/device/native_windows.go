//go:build (amd64 || arm64) && !nogpu

package device

import (
	"fmt"

	"github.com/gogpu/gputypes"
	_ "github.com/gogpu/wgpu/hal/dx12" // registers itself
	"github.com/gogpu/wgpu/hal/dx12/dxgi"
	_ "github.com/gogpu/wgpu/hal/vulkan" // registers itself
)

var kinds = []kind{{gputypes.BackendVulkan, vulkanDrivers}, {gputypes.BackendDX12, direct3DDrivers}}

// MayHaveHardware reports whether drivers are worth loading.
func MayHaveHardware() bool { return true }

// Install is what a machine without a usable GPU lacks.
const Install = "install the GPU vendor's current driver, which brings Vulkan and Direct3D 12"

// direct3DDrivers asks DXGI for the version of each adapter's driver, four numbers of 16 bits.
func direct3DDrivers() (map[hardware]string, error) {
	lib, err := dxgi.LoadDXGI()
	if err != nil {
		return nil, err
	}
	factory, err := lib.CreateFactory1()
	if err != nil {
		return nil, fmt.Errorf("gpu: DXGI: %w", err)
	}
	defer factory.Release()
	all := map[hardware]string{}
	for i := uint32(0); ; i++ {
		adapter, err := factory.EnumAdapters1(i)
		if err != nil {
			return all, nil // the last is passed
		}
		desc, err := adapter.GetDesc1()
		if err == nil {
			var v int64
			if v, err = adapter.CheckInterfaceSupport(&dxgi.IID_IDXGIDevice); err == nil {
				all[hardware{desc.VendorID, desc.DeviceID}] = fmt.Sprintf("driver %d.%d.%d.%d", v>>48&0xffff, v>>32&0xffff, v>>16&0xffff, v&0xffff)
			}
		}
		adapter.Release()
	}
}
