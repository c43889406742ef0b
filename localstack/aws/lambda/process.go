package lambda

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// fetchWait bounds how long the end of a dead process's connection is waited
	// for; the kernel closes it before the exit is reported, so it is there.
	fetchWait = 100 * time.Millisecond
	// drainWait bounds how long a dead process's streams are read to their ends, should
	// their readers be slow.
	drainWait = time.Second
	// outputWait bounds how long a dead process's output is read, should a child
	// of it hold the pipe.
	outputWait = 100 * time.Millisecond
	// termGrace is what Close gives processes to end after SIGTERM, killGrace
	// what it waits for them to be gone after SIGKILL.
	termGrace = 100 * time.Millisecond
	killGrace = 350 * time.Millisecond
)

// process is one execution environment, or as many as it has lanes.
type process struct {
	pool       *pool
	generation int
	function   Function  // as it was at the start
	accessKey  string    // tells its calls of AWS APIs from those of other processes
	began      time.Time // when it was asked for
	lanes      []*lane
	stopOnce   sync.Once
	stop       chan struct{} // closed: to be killed
	exited     chan struct{} // closed: gone

	// Guarded by the pool's mutex.
	started bool      // has asked for work
	ended   bool      // is gone, or told to go
	busy    int       // lanes that work
	used    time.Time // when it asked for work last
	pid     int       // 0 before it runs and after
	failed  []byte    // why it could not start, in its own words
}

func newProcess(p *pool) *process {
	proc := &process{
		pool: p, generation: p.generation, function: p.function, accessKey: p.service.newAccessKey(), began: time.Now(),
		stop: make(chan struct{}), exited: make(chan struct{}),
	}
	for range max(1, p.function.PerProcess) {
		proc.lanes = append(proc.lanes, &lane{proc: proc, work: make(chan *invocation, 1)})
	}
	return proc
}

// exit is how a process ended.
type exit struct {
	errorType string
	text      string
	unfetched []*lane // which never read the payload they had been given
}

// failure is what the caller of invocation id gets.
func (e exit) failure(id string) []byte { return failure(e.errorType, e.message(id)) }

func (e exit) message(id string) string { return "RequestId: " + id + " Error: " + e.text }

// run lives as long as the process.
func (proc *process) run() {
	e := proc.execute()
	proc.pool.exit(proc, e)
	close(proc.exited)
}

// execute serves the process its Runtime API from its start to its end.
func (proc *process) execute() exit {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return exit{errorType: "Runtime.InvalidEntrypoint", text: err.Error()}
	}
	server := &http.Server{Handler: proc.runtimeAPI(l.Addr().String()), ConnContext: withLink, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(linkListener{l}) }() // ends with server.Close
	defer server.Close()

	s := proc.pool.service
	output := &output{log: s.log, name: proc.function.Name}
	defer output.flush()
	cmd := proc.command(l.Addr().String(), output)
	if err := s.spawner.start(cmd); err != nil {
		return exit{errorType: "Runtime.InvalidEntrypoint", text: err.Error()}
	}
	proc.setPID(cmd.Process.Pid)
	proc.pool.setPriority(cmd.Process.Pid)
	gone := make(chan struct{})
	go proc.killer(cmd.Process.Pid, gone)
	err = cmd.Wait()
	close(gone)
	proc.setPID(0)
	proc.drain()
	return exit{errorType: "Runtime.ExitError", text: exitText(cmd, err), unfetched: proc.unfetched()}
}

// command is the process to start, in a process group of its own.
func (proc *process) command(api string, output *output) *exec.Cmd {
	s := proc.pool.service
	cmd := exec.Command(proc.function.Binary)
	cmd.Dir = filepath.Dir(proc.function.Binary)
	cmd.Env = environment(proc.function, s.options, api, proc.accessKey)
	cmd.SysProcAttr = processAttributes()
	cmd.WaitDelay = outputWait
	if s.log.out != nil {
		cmd.Stdout, cmd.Stderr = output, output
	}
	return cmd
}

// exitText words an exit as Lambda does.
func exitText(cmd *exec.Cmd, err error) string {
	if cmd.ProcessState == nil {
		return fmt.Sprintf("Runtime exited with error: %v", err)
	}
	if cmd.ProcessState.Success() {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + cmd.ProcessState.String()
}

func (proc *process) setPID(pid int) {
	proc.pool.mu.Lock()
	defer proc.pool.mu.Unlock()
	proc.pid = pid
}

// kill makes the process end, now or as soon as it runs. Idempotent.
func (proc *process) kill() { proc.stopOnce.Do(func() { close(proc.stop) }) }

func (proc *process) killer(pid int, gone <-chan struct{}) {
	select {
	case <-proc.stop:
		signalGroup(pid, syscall.SIGKILL)
	case <-gone:
	}
}

// unfetched gives the lanes that had work when their process died, and had not read the
// payload that was sent. The kernel resets a connection that is closed with unread
// data, and ends one properly that was read to the end.
func (proc *process) unfetched() []*lane {
	given := map[*lane]*link{}
	proc.pool.mu.Lock()
	for _, l := range proc.lanes {
		if l.state == running && l.link != nil && !l.current.answering() {
			given[l] = l.link
		}
	}
	proc.pool.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), fetchWait)
	defer cancel()
	var unread []*lane
	for l, via := range given {
		select {
		case <-via.ended:
			if via.reset {
				unread = append(unread, l)
			}
		case <-ctx.Done():
		}
	}
	return unread
}

// signalGroup signals a process and its children; those that are gone already
// are no error.
func signalGroup(pid int, signal syscall.Signal) {
	if err := syscall.Kill(-pid, signal); errors.Is(err, syscall.EPERM) {
		_ = syscall.Kill(pid, signal) // darwin: the leader is a zombie, or has not set its group yet
	}
}

// endAll ends processes with SIGTERM and those that do not heed it with SIGKILL.
func endAll(all []*process) {
	for _, proc := range all {
		proc.pool.mu.Lock()
		pid := proc.pid
		proc.pool.mu.Unlock()
		if pid > 0 {
			signalGroup(pid, syscall.SIGTERM)
		} else {
			proc.kill()
		}
	}
	awaitAll(all, termGrace)
	for _, proc := range all {
		proc.kill()
	}
	awaitAll(all, killGrace)
}

// awaitAll waits until all are gone, at most for d.
func awaitAll(all []*process, d time.Duration) {
	limit := time.After(d)
	for _, proc := range all {
		select {
		case <-proc.exited:
		case <-limit:
			return
		}
	}
}
