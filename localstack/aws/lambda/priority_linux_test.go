package lambda_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/watchroute/watchroute/localstack/aws/lambda"
)

// niceOf reads the nice value of a process.
func niceOf(t *testing.T, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from state, the third
	return string(fields[19-3])
}

// TestRequestNice: what a stream feeds does not yield.
func TestRequestNice(t *testing.T) {
	const nice = 19 // that of this process may be anything below
	s := newService(t, lambda.Options{RequestNice: nice}, lambda.Function{})
	if got := niceOf(t, invoke[int](t, s, request{Do: "pid"})); got != fmt.Sprint(nice) {
		t.Errorf("invoked by requests, its nice value is %s", got)
	}
	if err := s.MapQueue(lambda.QueueMapping{QueueARN: queueARN, Function: "f", BatchSize: 1}, newQueue(t, 60)); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	update := func() { // as a process keeps its value
		if err := s.Update("f", self); err != nil {
			t.Fatal(err)
		}
	}
	update()
	if got := niceOf(t, invoke[int](t, s, request{Do: "pid"})); got != fmt.Sprint(nice) {
		t.Errorf("fed by a queue, its nice value is %s", got)
	}
	registry, events := newStream(1)
	if err := s.Map(lambda.Mapping{StreamARN: events.ARN(), Function: "f", StartingPosition: "LATEST"}, registry); err != nil {
		t.Fatal(err)
	}
	update()
	if got, own := niceOf(t, invoke[int](t, s, request{Do: "pid"})), niceOf(t, os.Getpid()); got != own {
		t.Errorf("fed by a stream, its nice value is %s, not %s", got, own)
	}
}
