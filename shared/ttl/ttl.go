// Package ttl is the only place that knows when DynamoDB's time to live takes an item for
// expired. DynamoDB deletes such an item within a few days. Until then reads still give it, so
// whoever reads a table has to ask this package.
//
// Sources: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html,
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html
// and https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html
package ttl

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// maxYears is how many years ago an item may have expired. DynamoDB takes an older time for a
// mistake, such as 0 for "never", and keeps the item.
const maxYears = 5

// Expired reports whether an item has expired at an instant. number is its time to live: the
// digits of a DynamoDB Number. Any other attribute type has none; give the empty text for it,
// which never expires.
func Expired(number string, now time.Time) bool {
	at, ok := Seconds(number)
	first, last := Window(now)
	return ok && first <= at && at <= last
}

// Window gives the first and the last second, both included, of the times to live that have
// expired at an instant. An item expires as its second begins.
func Window(now time.Time) (first, last int64) {
	return now.AddDate(-maxYears, 0, 0).Unix(), now.Unix()
}

// Seconds reads a time to live, a number as DynamoDB gives it, as seconds since 1970. A
// fraction of a second is left out. ok is false for what is no number, and for numbers that
// are too far from any time.
func Seconds(number string) (at int64, ok bool) {
	if strings.ContainsAny(number, "eE") {
		f, err := strconv.ParseFloat(number, 64)
		return int64(f), err == nil && math.Abs(f) < 1<<62
	}
	whole, fraction, _ := strings.Cut(number, ".")
	if strings.Trim(fraction, "0123456789") != "" {
		return 0, false
	}
	at, err := strconv.ParseInt(whole, 10, 64)
	return at, err == nil
}
