package delivery

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// schedule has the pauses before the second attempt and those after it: 75 hours in all. The sweep
// comes once a minute, so an attempt may be up to a minute later.
//
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
var schedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// busy is the least pause after an answer that says that the destination has too much to do.
const busy = time.Minute

// maxRetryAfter bounds how long a destination may want to be left alone.
const maxRetryAfter = 24 * time.Hour

// pause gives the time until the next attempt after so many have failed in a row; ok is false if
// there is none. Up to a fifth more is chance, so that what failed together does not come together.
func pause(failures int, f *Failure) (wait time.Duration, ok bool) {
	if failures > len(schedule) {
		return 0, false
	}
	wait = schedule[failures-1]
	switch f.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		wait = max(wait, busy)
	}
	wait += rand.N(wait/5 + 1)
	return max(wait, min(f.RetryAfter, maxRetryAfter)), true
}
