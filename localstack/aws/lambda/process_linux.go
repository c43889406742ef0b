package lambda

import "syscall"

// processAttributes give the process a group of its own, so that Ctrl-C reaches
// the stack alone, and let the kernel kill it should the stack die.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
