// Package leash is the only place that runs other programs so that nothing of them stays behind, whatever
// they start and however this program ends: by itself, by Ctrl-C or by kill -9.
//
// supervise.py, beside this file, says how. It needs Linux, and Python 3.9 or later.
package leash

import (
	"context"
	_ "embed" // for the supervisor
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

//go:embed supervise.py
var supervisor string

// Grace is how long a program has to end when it is asked to, before it and all that it started are killed.
// The supervisor gives them five seconds.
const Grace = 15 * time.Second

// Command is a command on a leash of a Python. When ctx ends, the program is asked to end (SIGTERM) with all
// that it started, and they are killed if they do not. Ctrl-C does not reach them. The standard input
// is the leash's.
func Command(ctx context.Context, python string, command ...string) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, python, append([]string{"-c", supervisor}, command...)...)
	if _, err := cmd.StdinPipe(); err != nil { // closed when this process ends
		return nil, fmt.Errorf("make a leash: %w", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = Grace
	return cmd, nil
}
