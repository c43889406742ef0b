package watch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
)

// TestOrderOfRequests: those without a number come first, by their time, and a number never
// equals a time.
func TestOrderOfRequests(t *testing.T) {
	at := func(ms int64) Message { return Message{ID: fmt.Sprint("of ", ms), Time: time.UnixMilli(ms)} }
	numbered := func(n int64) events.Request { return events.Request{Action: events.ActionUnsubscribe, Order: n} }
	subscribe, unsubscribe := events.Request{Action: events.ActionSubscribe}, events.Request{Action: events.ActionUnsubscribe}
	const today, year2200 = 1_795_000_000_000, 7_258_118_400_000
	inOrder := []Order{
		Unordered, orderOf(subscribe, Message{}), orderOf(subscribe, at(0)),
		orderOf(unsubscribe, at(today)), orderOf(subscribe, at(today)), orderOf(unsubscribe, at(today+1)), orderOf(subscribe, at(year2200)),
		orderOf(numbered(1), at(today)), orderOf(numbered(2), at(0)), orderOf(numbered(events.MaxOrder), at(0)),
	}
	if !slices.IsSorted(inOrder) || len(slices.Compact(slices.Clone(inOrder))) != len(inOrder) {
		t.Errorf("orders are %d", inOrder)
	}
	if a, b := orderOf(subscribe, at(today)), orderOf(subscribe, Message{ID: "another", Time: time.UnixMilli(today)}); a == b {
		t.Errorf("two messages of one millisecond are both %d", a)
	}
	if a, b := orderOf(subscribe, at(today)), orderOf(subscribe, at(today)); a != b {
		t.Errorf("one message is %d and %d", a, b)
	}
}
