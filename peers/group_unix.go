//go:build unix

package peers

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the process lead a group, which is killed as a whole when the command is.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
