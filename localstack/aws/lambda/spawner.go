package lambda

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner starts processes from one thread that lives as long as the service:
// on Linux the parent death signal is sent when the thread that started a
// process ends, not when its program does (see prctl(2), PR_SET_PDEATHSIG).
type spawner struct {
	requests chan spawn
	done     chan struct{}
	once     sync.Once
}

type spawn struct {
	cmd    *exec.Cmd
	result chan error
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan spawn), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *spawner) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	for {
		select {
		case r := <-s.requests:
			r.result <- r.cmd.Start()
		case <-s.done:
			return
		}
	}
}

// start starts a command; ErrClosed after close.
func (s *spawner) start(cmd *exec.Cmd) error {
	r := spawn{cmd, make(chan error, 1)}
	select {
	case s.requests <- r:
		return <-r.result
	case <-s.done:
		return ErrClosed
	}
}

func (s *spawner) close() { s.once.Do(func() { close(s.done) }) }
