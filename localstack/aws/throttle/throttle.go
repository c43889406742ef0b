// Package throttle is the only place that knows how services count requests and messages: with
// token buckets, by default with the account's limits of API Gateway.
package throttle

import (
	"cmp"
	"sync"
	"time"
)

// The account's defaults per Region, shared by every kind of API and by callbacks to
// connections.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	accountRate  = 10_000 // requests a second
	accountBurst = 5_000
)

// Limit is how much is let through: Rate requests a second, at most Burst at once. A field
// that is 0 takes the account's default; a negative Rate is no limit.
type Limit struct {
	Burst int
	Rate  float64
}

// Bucket counts against a limit. Safe for concurrent use; a nil bucket lets everything through.
type Bucket struct {
	rate, burst float64

	mu     sync.Mutex
	tokens float64
	filled time.Time
}

// New makes a full bucket, nil for no limit.
func New(l Limit) *Bucket {
	if l.Rate < 0 {
		return nil
	}
	burst := float64(cmp.Or(l.Burst, accountBurst))
	return &Bucket{rate: cmp.Or(l.Rate, accountRate), burst: burst, tokens: burst, filled: time.Now()}
}

// Take takes one token, or reports that there is none.
func (b *Bucket) Take() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.filled).Seconds()*b.rate)
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
