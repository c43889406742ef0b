package fault_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/fault"
)

// TestStaleReads: an eventually consistent read of a function gets an answer of up to a second
// before. No other caller and no other operation does.
func TestStaleReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := 0
		read := func(context.Context, []byte) (any, error) { now++; return now, nil }
		service := &awsjson.Service{Operations: map[string]awsjson.Operation{"GetItem": read, "Query": read, "PutItem": read}}
		f := fault.New(fault.Plan{fault.StaleRead: 1}, 7)
		service = f.WrapService(service, calling)
		function := context.WithValue(t.Context(), callerKey{}, true)
		call := func(ctx context.Context, name, body string, want int) {
			t.Helper()
			if got, err := service.Call(ctx, name, []byte(body)); got != want || err != nil {
				t.Errorf("%s %s is answered %v, %v, want %d", name, body, got, err, want)
			}
		}
		call(function, "GetItem", `{"a":1}`, 1)
		time.Sleep(900 * time.Millisecond)
		call(function, "GetItem", `{"a":1}`, 1)
		call(function, "GetItem", `{"a":2}`, 2)
		call(function, "Query", `{"a":1}`, 3)
		call(function, "GetItem", `{"a":1,"ConsistentRead":true}`, 4)
		call(function, "GetItem", `{"a":1,"ConsistentRead":true}`, 5)
		call(t.Context(), "GetItem", `{"a":1}`, 6)
		call(function, "PutItem", `{"a":1}`, 7)
		call(function, "PutItem", `{"a":1}`, 8)
		time.Sleep(200 * time.Millisecond)
		call(function, "GetItem", `{"a":1}`, 9)
		if n := f.Counts()[fault.StaleRead]; n != 1 {
			t.Errorf("%d stale reads are counted, want 1", n)
		}
	})
}
