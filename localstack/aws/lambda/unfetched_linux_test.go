package lambda

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestUnfetchedPayloadGoesToAnother stops the idle process, so that the payload
// surely lies unread in its socket when it dies.
func TestUnfetchedPayloadGoesToAnother(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{MaxProcesses: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Create(Function{Name: "f", Binary: self, Timeout: time.Minute, Environment: map[string]string{"LAMBDA_TEST_ROLE": "handler"}})
	if err != nil {
		t.Fatal(err)
	}
	p, payload := s.pools["f"], []byte(`{"Do":"pid"}`)
	for round := range 3 {
		out := s.invoke(t.Context(), "1", "f", payload)
		if out.failed || out.err != nil {
			t.Fatalf("%s, %v", out.payload, out.err)
		}
		proc := only(t, p, func(proc *process) bool { return proc.lanes[0].state == idle })
		pid := proc.pid
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool { return stopped(pid) })
		answer := make(chan outcome, 1)
		go func() { answer <- s.invoke(t.Context(), "2", "f", payload) }()
		only(t, p, func(proc *process) bool { return proc.lanes[0].state == running && proc.lanes[0].link.sent.Load() })
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if out := <-answer; out.failed || out.err != nil || string(out.payload) == fmt.Sprint(pid) {
			t.Errorf("round %d: %s, %v", round, out.payload, out.err)
		}
	}
	if u := s.Usage().Functions["f"]; u.ColdStarts != 4 || u.Errors != 0 || u.Invocations != 6 {
		t.Errorf("usage is %+v", u)
	}
}

// only waits until the pool's one process is as wanted.
func only(t *testing.T, p *pool, wanted func(*process) bool) (found *process) {
	t.Helper()
	until(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for proc := range p.processes {
			if found = proc; len(p.processes) == 1 && wanted(proc) {
				return true
			}
		}
		return false
	})
	return found
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

// stopped tells whether all of a process's threads have stopped.
func stopped(pid int) bool {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, thread := range threads {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, thread.Name()))
		if err != nil || !strings.Contains(string(status), ") T ") {
			return false
		}
	}
	return err == nil
}
