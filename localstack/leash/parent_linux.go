package leash

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// EndWithParent has the kernel ask this process to end (SIGTERM) when its parent does, such as a make that
// is killed.
func EndWithParent() error {
	before := os.Getppid()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the parent: %w", err)
	}
	if os.Getppid() != before { // it ended meanwhile
		return syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}
	return nil
}
