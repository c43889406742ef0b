package recent_test

import (
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/recent"
)

func TestValuesAreForgottenAfterTheInterval(t *testing.T) {
	var m recent.Memory[string, int]
	begin := time.Now()
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	if _, ok := m.Get("a", begin); ok {
		t.Error("an empty memory knows a key")
	}
	m.Put("a", 1, begin)
	m.Put("b", 2, at(time.Minute))
	if v, ok := m.Get("a", at(recent.Interval-1)); v != 1 || !ok {
		t.Errorf("before the end it gave %d, %v", v, ok)
	}
	if _, ok := m.Get("a", at(recent.Interval)); ok {
		t.Error("the first value is still known")
	}
	if v, ok := m.Get("b", at(recent.Interval)); v != 2 || !ok {
		t.Errorf("the second value is %d, %v", v, ok)
	}
	m.Put("a", 3, at(recent.Interval))
	if v, ok := m.Get("a", at(2*recent.Interval-1)); v != 3 || !ok {
		t.Errorf("the new value is %d, %v", v, ok)
	}
}
