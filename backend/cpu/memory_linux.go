package cpu

import "syscall"

// adviseHuge asks for huge pages. If the kernel refuses, nothing but speed is lost.
func adviseHuge(b []byte) { _ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) }
