//go:build !linux

package cpu

// adviseHuge does nothing: other systems choose their pages themselves.
func adviseHuge([]byte) {}
