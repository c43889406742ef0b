//go:build unix && !linux

package lambda

import "syscall"

// processAttributes give the process a group of its own, so that Ctrl-C reaches
// the stack alone. Only Linux can tie its life to the stack's.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
