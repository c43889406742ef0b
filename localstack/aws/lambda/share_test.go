package lambda_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda"
)

// holds begins n streams that wait for the gate.
func holds(t *testing.T, s *lambda.Service, g gate, n int) []*lambda.Stream {
	t.Helper()
	var all []*lambda.Stream
	for range n {
		answer := begin(t, s, request{Do: "drip", Text: string(g)})
		expect(t, answer, prelude+"one,")
		all = append(all, answer)
	}
	return all
}

// One process serves many holds, and each of them is an execution.
func TestProcessesShareWhenNoMoreMayStart(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 2}, lambda.Function{PerProcess: 3})
	g := newGate(t)
	all := holds(t, s, g, 2)
	if n := len(s.Processes("f")); n != 2 {
		t.Errorf("%d processes have two holds, want one for each as long as they may start", n)
	}
	all = append(all, holds(t, s, g, 4)...)
	if n := len(s.Processes("f")); n != 2 {
		t.Errorf("%d processes have six holds, want 2", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if u := s.Usage().Functions["f"]; u.Peak != 6 || u.Waits != 0 {
		t.Errorf("used %+v, want a peak of 6 and no wait", u)
	}
	if _, _, err := s.Invoke(ctx, "f", encode(t, request{Do: "pid"})); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("a seventh invocation gives %v, want ErrThrottled", err)
	}
	if u := s.Usage().Functions["f"]; u.Peak != 7 || u.Waits != 1 {
		t.Errorf("used %+v, want a peak of 7 and a wait", u)
	}
	g.open(t)
	for _, answer := range all {
		if rest, err := io.ReadAll(answer); string(rest) != "two" || err != nil {
			t.Errorf("a hold ends with %q, %v", rest, err)
		}
	}
	if u := s.Usage().Functions["f"]; u.Invocations != 6 || u.Errors != 0 || u.ColdStarts != 2 {
		t.Errorf("used %+v, want 6 invocations in 2 processes", u)
	}
	invokeAll(t, s, request{Do: "pid"}, 20) // it still works
}

// A process that ends takes all that it holds with it, and what it had not fetched goes to
// another.
func TestAProcessEndsAllThatItHolds(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 1}, lambda.Function{PerProcess: 4})
	all := holds(t, s, newGate(t), 3)
	kill(t, s.Processes("f")[0])
	for _, answer := range all {
		if _, why := broken(t, answer); why.ErrorType != "Runtime.ExitError" {
			t.Errorf("a hold failed with %+v", why)
		}
	}
	if u := s.Usage().Functions["f"]; u.Invocations != 3 || u.Errors != 3 {
		t.Errorf("used %+v, want 3 errors", u)
	}
	invoke[int](t, s, request{Do: "pid"})
}

// The time of one execution ends the process, and with it the others.
func TestATimeoutEndsTheWholeProcess(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 1}, lambda.Function{PerProcess: 2, Timeout: 2 * time.Second})
	all := holds(t, s, newGate(t), 2)
	for i, answer := range all {
		if _, why := broken(t, answer); i == 0 && why.ErrorType != "Sandbox.Timedout" {
			t.Errorf("hold %d failed with %+v", i, why)
		}
	}
	eventually(t, "the process is gone", func() bool { return len(s.Processes("f")) == 0 })
}

// New code does not end what old code holds, and old code gets no more work.
func TestAnUpdateLeavesHoldsAlone(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 1}, lambda.Function{PerProcess: 4})
	g := newGate(t)
	answer := holds(t, s, g, 1)[0]
	old := s.Processes("f")[0]
	update(t, s)
	if pid := invoke[int](t, s, request{Do: "pid"}); pid == old {
		t.Error("the old code got new work")
	}
	g.open(t)
	if rest, err := io.ReadAll(answer); string(rest) != "two" || err != nil {
		t.Errorf("the hold ends with %q, %v", rest, err)
	}
	eventually(t, "the old process is gone", func() bool { return !runs(old) })
}

func TestReservedExecutionsAreCountedNotProcesses(t *testing.T) {
	reserved := 2
	s := newService(t, lambda.Options{MaxProcesses: 1}, lambda.Function{PerProcess: 4, Reserved: &reserved})
	holds(t, s, newGate(t), 2)
	if _, _, err := s.InvokeStream(t.Context(), "f", encode(t, request{})); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("a third hold gives %v, want ErrThrottled", err)
	}
}

// A process is kept while any part of it was used lately, and ends when none was.
func TestASharedProcessEndsWhenItIsIdle(t *testing.T) {
	s := newService(t, lambda.Options{MaxProcesses: 1, IdleProcess: 500 * time.Millisecond}, lambda.Function{PerProcess: 4})
	g := newGate(t)
	answer := holds(t, s, g, 1)[0]
	time.Sleep(time.Second) // the other lanes are idle for longer than that
	g.open(t)
	if rest, err := io.ReadAll(answer); string(rest) != "two" || err != nil {
		t.Errorf("the hold ends with %q, %v", rest, err)
	}
	eventually(t, "the process is gone", func() bool { return len(s.Processes("f")) == 0 })
}
