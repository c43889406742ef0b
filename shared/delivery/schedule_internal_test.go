package delivery

import (
	"net/http"
	"testing"
	"time"
)

// TestPausesAreThoseOfStandardWebhooks, each with up to a fifth more. A destination that has too much to
// do is left alone for a minute at least, and for as long as it says, up to a day.
func TestPausesAreThoseOfStandardWebhooks(t *testing.T) {
	between := func(what string, failures int, f Failure, least, most time.Duration) {
		t.Helper()
		for range 100 {
			if wait, ok := pause(failures, &f); !ok || wait < least || wait > most {
				t.Fatalf("%s: the pause is %s, %t, want %s to %s", what, wait, ok, least, most)
			}
		}
	}
	for i, want := range []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	} {
		between("a failure", i+1, Failure{Status: http.StatusInternalServerError}, want, want*6/5)
	}
	for _, status := range []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout} {
		between(http.StatusText(status), 1, Failure{Status: status}, time.Minute, time.Minute*6/5)
	}
	between("one that says how long", 1, Failure{RetryAfter: time.Hour}, time.Hour, time.Hour)
	between("one that says too long", 1, Failure{RetryAfter: 100 * time.Hour}, 24*time.Hour, 24*time.Hour)
	if _, ok := pause(10, &Failure{}); ok {
		t.Error("there is an eleventh attempt")
	}
}
