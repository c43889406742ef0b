package lambda_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda"
)

func TestCreateRefuses(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f    lambda.Function
		want error
	}{
		"no name":        {lambda.Function{Binary: self}, lambda.ErrInvalid},
		"no file":        {lambda.Function{Name: "g", Binary: "/does/not/exist"}, lambda.ErrInvalid},
		"a directory":    {lambda.Function{Name: "g", Binary: filepath.Dir(self)}, lambda.ErrInvalid},
		"not executable": {lambda.Function{Name: "g", Binary: text}, lambda.ErrInvalid},
		"too long":       {lambda.Function{Name: "g", Binary: self, Timeout: 901 * time.Second}, lambda.ErrInvalid},
		"taken":          {lambda.Function{Name: "f", Binary: self}, lambda.ErrConflict},
	} {
		if err := s.Create(c.f); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := s.Update("g", self); !errors.Is(err, lambda.ErrNotFound) {
		t.Errorf("update of an unknown function: %v", err)
	}
	if err := s.Update("f", text); !errors.Is(err, lambda.ErrInvalid) {
		t.Errorf("update to no program: %v", err)
	}
}

func TestUpdate(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 2}, lambda.Function{})
	g := newGate(t)
	running := started(t, s, g, 1)
	eventually(t, "a process is started for it", func() bool { return len(s.Processes("f")) == 1 })
	idle := invoke[int](t, s, request{Do: "pid"}) // waits behind the other
	both := s.Processes("f")
	old := both[0] + both[len(both)-1] - idle
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update("f", self); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the idle process is gone", func() bool { return !runs(idle) })
	if pid := invoke[int](t, s, request{Do: "pid"}); pid == old || pid == idle {
		t.Errorf("process %d has the old code", pid)
	}
	g.open(t)
	if pid := <-running; pid != old {
		t.Errorf("what ran was finished by %d, want %d", pid, old)
	}
	eventually(t, "the old process is gone", func() bool { return !runs(old) })
}

func TestCloseLeavesNothing(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	s := newService(t, lambda.Options{}, lambda.Function{})
	create(t, s, lambda.Function{Name: "stubborn", Environment: map[string]string{roleVariable: "stubborn"}})
	if _, _, err := s.Invoke(t.Context(), "stubborn", encode(t, request{Do: "pid"})); err != nil {
		t.Fatal(err)
	}
	g := newGate(t)
	running := make(chan error, 1)
	go func() {
		_, _, err := s.Invoke(context.Background(), "f", encode(t, request{Do: "await", Text: string(g)}))
		running <- err
	}()
	eventually(t, "both run", func() bool { return len(s.Processes("")) == 2 })
	pids := s.Processes("")
	began := time.Now()
	s.Close()
	if took := time.Since(began); took > time.Second { // 500 ms and what a busy machine adds
		t.Errorf("Close took %v", took)
	}
	for _, pid := range pids {
		eventually(t, "the killed process is gone", func() bool { return !runs(pid) })
	}
	if err := <-running; !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("what ran ended with %v", err)
	}
	if _, _, err := s.Invoke(t.Context(), "f", nil); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	s.Close() // again, to no effect
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// D: an invocation beyond the reserved executions is throttled at once, and none runs with 0.
func TestReservedExecutions(t *testing.T) {
	reserved := 2
	s := newService(t, lambda.Options{}, lambda.Function{Reserved: &reserved})
	g := newGate(t)
	pids := started(t, s, g, reserved)
	eventually(t, "two invocations run", func() bool { return len(s.Processes("f")) == 2 })
	if _, _, err := s.Invoke(t.Context(), "f", encode(t, request{Do: "pid"})); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("a third gives %v, want ErrThrottled", err)
	}
	if _, _, err := s.InvokeStream(t.Context(), "f", encode(t, request{Do: "pid"})); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("a stream gives %v, want ErrThrottled", err)
	}
	g.open(t)
	<-pids
	invoke[int](t, s, request{Do: "pid"})
	if u := s.Usage().Functions["f"]; u.Throttles != 2 {
		t.Errorf("used %+v, want two throttles", u)
	}
	none := 0
	create(t, s, lambda.Function{Name: "off", Reserved: &none})
	if _, _, err := s.Invoke(t.Context(), "off", nil); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("with 0 reserved an invocation gives %v, want ErrThrottled", err)
	}
}
