package lambda_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/aws/lambda"
	"github.com/watchroute/watchroute/localstack/aws/lambda/mapping"
)

// TestStartedMayKillWhatRuns kills one invocation in its middle and none after it.
func TestStartedMayKillWhatRuns(t *testing.T) {
	started := make(chan lambda.Running, 1)
	s := newService(t, lambda.Options{Started: func(r lambda.Running) { started <- r }}, lambda.Function{})
	pid := invoke[int](t, s, request{Do: "pid"})
	if r := <-started; r.Kill() || r.Runs() {
		t.Error("an invocation was killed that had ended")
	}
	touched := filepath.Join(t.TempDir(), "touched")
	result := make(chan failed, 1)
	go func() {
		output, _, _ := s.Invoke(context.Background(), "f", encode(t, request{Do: "touch", Text: touched}))
		result <- decode[failed](t, output)
	}()
	killed := <-started
	eventually(t, "the function is at work", func() bool {
		_, err := os.Stat(touched)
		return err == nil
	})
	if now := s.Processes("f"); len(now) != 1 || now[0] != pid {
		t.Errorf("processes %v, want %d alone: it was killed after its work", now, pid)
	}
	if !killed.Kill() {
		t.Error("an invocation that runs was not killed")
	}
	if got := <-result; !strings.HasSuffix(got.ErrorMessage, "Error: Runtime exited with error: signal: killed") {
		t.Errorf("the crash is %+v", got)
	}
	if killed.Kill() {
		t.Error("an invocation was killed twice")
	}
}

// TestAbandonedInvocationGoesOn: its caller is told that it timed out, and its process
// works on beside the one that gets the next invocation.
func TestAbandonedInvocationGoesOn(t *testing.T) {
	running := make(chan lambda.Running, 4)
	s := newService(t, lambda.Options{Started: func(r lambda.Running) { running <- r }}, lambda.Function{})
	gate := newGate(t)
	result := make(chan failed, 1)
	go func() {
		output, _, _ := s.Invoke(context.Background(), "f", encode(t, request{Do: "await", Text: string(gate)}))
		result <- decode[failed](t, output)
	}()
	abandoned := <-running
	if payload := string(abandoned.Payload()); !strings.Contains(payload, "await") {
		t.Errorf("what runs was given %s", payload)
	}
	for range 2 {
		if !abandoned.Abandon() {
			t.Error("an invocation that runs was not abandoned")
		}
	}
	if got := <-result; got.ErrorType != "Sandbox.Timedout" {
		t.Errorf("its caller is told %+v", got)
	}
	if !abandoned.Runs() {
		t.Error("it does not go on")
	}
	pids := s.Processes("f")
	if next := invoke[int](t, s, request{Do: "pid"}); slices.Contains(pids, next) {
		t.Errorf("the next invocation went to the process %d, which is at work", next)
	}
	gate.open(t)
	eventually(t, "the abandoned one has ended", func() bool { return !abandoned.Runs() })
	if abandoned.Abandon() || abandoned.Kill() {
		t.Error("an invocation was abandoned that had ended")
	}
	meeting := t.TempDir()
	if both := invokeAll(t, s, request{Do: "meet", Text: meeting, N: 2}, 2); !slices.Contains(both, pids[0]) {
		t.Errorf("processes %v serve, and not %d, which was abandoned", both, pids[0])
	}
	if got := s.Usage().Functions["f"]; got.Invocations != 4 || got.Errors != 1 || got.Timeouts != 1 {
		t.Errorf("usage %+v, want 4 invocations, one of which timed out", got)
	}
}

// TestProcessIsKnownByItsCredentials: what a process runs is found by the access key that
// its calls are signed with.
func TestProcessIsKnownByItsCredentials(t *testing.T) {
	s := newService(t, lambda.Options{}, lambda.Function{})
	key := func() string {
		for _, pair := range invoke[[]string](t, s, request{Do: "environment"}) {
			if value, ok := strings.CutPrefix(pair, "AWS_ACCESS_KEY_ID="); ok {
				return value
			}
		}
		return ""
	}()
	eventually(t, "it has ended", func() bool { _, ok := s.Running(key); return !ok })
	gate := newGate(t)
	done := started(t, s, gate, 1)
	eventually(t, "it runs", func() bool {
		r, ok := s.Running(key)
		return ok && strings.Contains(string(r.Payload()), string(gate))
	})
	if _, ok := s.Running("ASIALOCALSTACK999999"); ok {
		t.Error("another process runs something")
	}
	gate.open(t)
	<-done
}

func TestWrapDeliveryStandsAroundMappings(t *testing.T) {
	delivered := make(chan int, 1)
	s := newService(t, lambda.Options{WrapDelivery: func(_ string, _ mapping.Delivery) mapping.Delivery {
		return func(_ context.Context, records []stream.Record) (mapping.Answer, error) {
			delivered <- len(records)
			return mapping.Answer{}, nil
		}
	}}, lambda.Function{})
	registry, events := newStream(1)
	put(events, "a", 1)
	if err := s.Map(lambda.Mapping{StreamARN: events.ARN(), Function: "f", MaxRetries: -1, StartingPosition: "TRIM_HORIZON"}, registry); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-delivered:
		if got != 1 {
			t.Errorf("%d records were delivered, want 1", got)
		}
	case <-time.After(patience):
		t.Error("the mapping delivers past the wrapper")
	}
}

func TestWrapQueueStandsAroundMappings(t *testing.T) {
	delivered := make(chan int, 1)
	s := newService(t, lambda.Options{WrapQueue: func(_ context.Context, d mapping.QueueDelivery) (mapping.Answer, error) {
		delivered <- len(d.Batch)
		return mapping.Answer{}, nil
	}}, lambda.Function{})
	queues := newQueue(t, 30)
	if err := queues.Send(t.Context(), queueARN, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := s.MapQueue(lambda.QueueMapping{QueueARN: queueARN, Function: "f"}, queues); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-delivered:
		if got != 1 {
			t.Errorf("%d messages were delivered, want 1", got)
		}
	case <-time.After(patience):
		t.Error("the mapping delivers past the wrapper")
	}
}
