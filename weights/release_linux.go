package weights

import (
	"os"
	"syscall"
	"unsafe"
)

// release drops whole pages of a read-only mapping; the next reader faults them in again. If
// the kernel refuses, they stay.
func release(mapped []byte) {
	page := os.Getpagesize()
	past := int(uintptr(unsafe.Pointer(unsafe.SliceData(mapped))) % uintptr(page))
	from, to := (page-past)%page, len(mapped)
	if from >= to {
		return
	}
	to -= (to - from) % page
	if from < to {
		_ = syscall.Madvise(mapped[from:to], syscall.MADV_DONTNEED)
	}
}
