//go:build (linux || windows) && (amd64 || arm64) && !nogpu

package device

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"runtime"
	"unsafe"

	"github.com/gogpu/wgpu/hal/vulkan/vk"
)

// vulkan12 is version 1.2 of Vulkan, since which a driver describes itself in words.
const vulkan12 = 1<<22 | 2<<12

// driverProperties is VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES.
const driverProperties vk.StructureType = 1000196000

// vulkanDrivers asks Vulkan what the library asks it and keeps to itself: by which driver each device works. It does so
// by an instance of its own, for the library shows neither its instance nor its devices.
func vulkanDrivers() (map[hardware]string, error) {
	if err := vk.Init(); err != nil {
		return nil, err
	}
	c := vk.NewCommands()
	if err := c.LoadGlobal(); err != nil {
		return nil, err
	}
	instance, err := vulkanInstance(c)
	if err != nil {
		return nil, err
	}
	defer c.DestroyInstance(instance, nil)
	var n uint32
	if c.EnumeratePhysicalDevices(instance, &n, nil); n == 0 {
		return nil, nil
	}
	devices := make([]vk.PhysicalDevice, n)
	if result := c.EnumeratePhysicalDevices(instance, &n, &devices[0]); result != vk.Success {
		return nil, fmt.Errorf("gpu: vkEnumeratePhysicalDevices: %d", result)
	}
	all := map[hardware]string{}
	for _, d := range devices[:n] {
		h, version := vulkanDriver(c, d)
		all[h] = version
	}
	return all, nil
}

// vulkanInstance makes an instance and loads its functions, for which the library wants the extension for surfaces.
func vulkanInstance(c *vk.Commands) (vk.Instance, error) {
	app := &vk.ApplicationInfo{SType: vk.StructureTypeApplicationInfo, ApiVersion: vulkan12}
	name := []byte("VK_KHR_surface\x00")
	names := []*byte{&name[0]}
	info := &vk.InstanceCreateInfo{
		SType: vk.StructureTypeInstanceCreateInfo, PApplicationInfo: app,
		EnabledExtensionCount: 1, PpEnabledExtensionNames: uintptr(unsafe.Pointer(&names[0])),
	}
	var instance vk.Instance
	result := c.CreateInstance(info, nil, &instance)
	runtime.KeepAlive(names)
	if result != vk.Success {
		return 0, fmt.Errorf("gpu: vkCreateInstance: %d", result)
	}
	if err := c.LoadInstance(instance); err != nil {
		c.DestroyInstance(instance, nil)
		return 0, err
	}
	return instance, nil
}

// vulkanDriver describes the driver of a device: its name and version in its own words, or the number of its version;
// and the identity of its build, which changes with what it compiles.
func vulkanDriver(c *vk.Commands, device vk.PhysicalDevice) (hardware, string) {
	var p vk.PhysicalDeviceProperties
	c.GetPhysicalDeviceProperties(device, &p)
	words := fmt.Sprintf("driver %#x", p.DriverVersion)
	if p.ApiVersion >= vulkan12 && c.HasPhysicalDeviceFeatures2() {
		own := &vk.PhysicalDeviceDriverProperties{SType: driverProperties}
		all := &vk.PhysicalDeviceProperties2{SType: vk.StructureTypePhysicalDeviceProperties2, PNext: (*uintptr)(unsafe.Pointer(own))}
		c.GetPhysicalDeviceProperties2(device, all)
		runtime.KeepAlive(own)
		if info := text(own.DriverInfo[:]); info != "" {
			words = text(own.DriverName[:]) + " " + info
		}
	}
	return hardware{p.VendorID, p.DeviceID}, fmt.Sprintf("%s, build %08x", words, crc32.ChecksumIEEE(p.PipelineCacheUUID[:]))
}

// text is a string that ends with NUL.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}
