package lambda_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/lambda"
)

func TestEventRunsWithoutACaller(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	file := filepath.Join(t.TempDir(), "touched")
	if err := s.InvokeEvent("arn:aws:lambda:us-east-1:000000000000:function:f", encode(t, request{Do: "touch", Text: file})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the function has made the file", func() bool { _, err := os.Stat(file); return err == nil })
	if err := s.InvokeEvent("g", nil); !errors.Is(err, lambda.ErrNotFound) {
		t.Errorf("unknown function: %v", err)
	}
	s.Close()
	if err := s.InvokeEvent("f", nil); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestFailedEventComesThreeTimes at most: once, and twice more after growing pauses.
func TestFailedEventComesThreeTimes(t *testing.T) {
	s := newService(t, lambda.Options{EventRetry: 20 * time.Millisecond}, lambda.Function{})
	began := time.Now()
	if err := s.InvokeEvent("f", encode(t, request{Do: "fail", Text: "no"})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three failures", func() bool { return s.Usage().Functions["f"].Errors == 3 })
	if took := time.Since(began); took < 60*time.Millisecond {
		t.Errorf("three attempts took %v, the pauses alone are 20 and 40 ms", took)
	}
	invoke[int](t, s, request{Do: "sleep", N: 200})
	if n := s.Usage().Functions["f"].Errors; n != 3 {
		t.Errorf("%d attempts failed", n)
	}
}

// TestThrottledEventWaits while what is reserved for the function is in use.
func TestThrottledEventWaits(t *testing.T) {
	one := 1
	s := newService(t, lambda.Options{}, lambda.Function{Reserved: &one})
	gate, file := newGate(t), filepath.Join(t.TempDir(), "touched")
	first := started(t, s, gate, 1)
	eventually(t, "the function runs", func() bool { return len(s.Processes("f")) == 1 })
	if err := s.InvokeEvent("f", encode(t, request{Do: "touch", Text: file})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the event is throttled", func() bool { return s.Usage().Functions["f"].Throttles > 0 })
	gate.open(t)
	if pid := <-first; pid < 0 {
		t.Error("the invocation before the event was throttled")
	}
	eventually(t, "the event has run", func() bool { _, err := os.Stat(file); return err == nil })
}

// TestCloseEndsWaitingEvents, whose next attempt would be a minute later.
func TestCloseEndsWaitingEvents(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	if err := s.InvokeEvent("f", encode(t, request{Do: "fail", Text: "no"})); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a failure", func() bool { return s.Usage().Functions["f"].Errors == 1 })
	began := time.Now()
	if s.Close(); time.Since(began) > 10*time.Second {
		t.Errorf("Close took %v", time.Since(began))
	}
}
