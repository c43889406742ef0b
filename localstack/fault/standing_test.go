package fault_test

import (
	"fmt"
	"testing"

	"github.com/watchroute/watchroute/localstack/fault"
)

// update updates a standing as package dynamo does, as a process.
func (s *table) update(t *testing.T, process, destination, expression, condition string) {
	s.call(t, process, "UpdateItem", fmt.Sprintf(
		`{"TableName":"Destinations","Key":{"destination":{"S":%q},"topic":{"S":"a"}},"UpdateExpression":%q,"ConditionExpression":%q}`,
		destination, expression, condition))
}

func (s *table) begin(t *testing.T, process, destination string) {
	s.update(t, process, destination, "REMOVE #waiting ADD #generation :one", "attribute_exists(#after)")
}

func (s *table) mark(t *testing.T, process, destination string) {
	s.update(t, process, destination, "SET #waiting = :message", "attribute_not_exists(#waiting) OR #waiting = :message")
}

func (s *table) moveOn(t *testing.T, process, destination string) {
	s.update(t, process, destination, "SET #after = :after", "#generation = :generation AND attribute_not_exists(#waiting)")
}

func woken(destination string) *invocation {
	return &invocation{payload: fmt.Sprintf(`{"Records":[{"messageId":"1","body":"{\"destination\":\"%s\",\"topic\":\"a\"}"}]}`, destination)}
}

// TestOverlapsOfDeliveries: each counts only if it is the same standing, and only while it happens.
func TestOverlapsOfDeliveries(t *testing.T) {
	s := newTable(fault.Plan{fault.Reappear: 1e-12, fault.Slow: 1e-12})
	check := func(when string, same, overtaken, meanwhile int64) {
		t.Helper()
		got := s.f.Overlaps()
		if got[fault.SameStanding] != same || got[fault.OvertakenDelivery] != overtaken || got[fault.WokenMeanwhile] != meanwhile || len(got) != 3 {
			t.Errorf("%s: overlaps %v, want %d, %d and %d", when, got, same, overtaken, meanwhile)
		}
	}
	first := woken("d")
	s.f.Started(first)
	s.begin(t, "1", "d")
	s.f.Started(woken("other"))
	s.begin(t, "2", "other")
	s.moveOn(t, "1", "d")
	s.moveOn(t, "2", "other")
	s.mark(t, "1", "d") // for the rest, by the delivery itself
	s.mark(t, "fanout", "third")
	check("two standings side by side", 0, 0, 0)
	s.mark(t, "fanout", "d")
	check("a wake", 0, 0, 1)
	s.f.Started(woken("d"))
	s.begin(t, "3", "d")
	check("a second delivery", 1, 0, 1)
	s.moveOn(t, "1", "d")
	s.moveOn(t, "3", "d")
	check("the first goes on", 1, 1, 1)
}

// TestAWakeAfterADeliveryIsNoOverlap, although its process may be kept.
func TestAWakeAfterADeliveryIsNoOverlap(t *testing.T) {
	s := newTable(fault.Plan{fault.Slow: 1e-12})
	i := woken("d")
	s.f.Started(i)
	s.begin(t, "1", "d")
	i.ended = true
	s.mark(t, "fanout", "d")
	if got := s.f.Overlaps(); got[fault.WokenMeanwhile] != 0 {
		t.Errorf("overlaps %v", got)
	}
}
