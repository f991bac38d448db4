//go:build linux || darwin

package zoo

import "syscall"

// freeBytes is the space that a folder's file system has left for this user.
func freeBytes(folder string) (n int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
