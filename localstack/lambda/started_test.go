package lambda_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/dynamodb/stream"
	"github.com/watchroute/watchroute/localstack/lambda"
	"github.com/watchroute/watchroute/localstack/lambda/mapping"
)

// TestStartedMayKillWhatRuns kills one invocation in its middle and none after it.
func TestStartedMayKillWhatRuns(t *testing.T) {
	kills := make(chan func() bool, 1)
	s := newService(t, lambda.Options{Started: func(kill func() bool) { kills <- kill }}, lambda.Function{})
	pid := invoke[int](t, s, request{Do: "pid"})
	if kill := <-kills; kill() {
		t.Error("an invocation was killed that had ended")
	}
	touched := filepath.Join(t.TempDir(), "touched")
	result := make(chan failed, 1)
	go func() {
		output, _, _ := s.Invoke(context.Background(), "f", encode(t, request{Do: "touch", Text: touched}))
		result <- decode[failed](t, output)
	}()
	kill := <-kills
	eventually(t, "the function is at work", func() bool {
		_, err := os.Stat(touched)
		return err == nil
	})
	if now := s.Processes("f"); len(now) != 1 || now[0] != pid {
		t.Errorf("processes %v, want %d alone: it was killed after its work", now, pid)
	}
	if !kill() {
		t.Error("an invocation that runs was not killed")
	}
	if got := <-result; !strings.HasSuffix(got.ErrorMessage, "Error: Runtime exited with error: signal: killed") {
		t.Errorf("the crash is %+v", got)
	}
	if kill() {
		t.Error("an invocation was killed twice")
	}
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
