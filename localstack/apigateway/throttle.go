package apigateway

import (
	"sync"
	"time"
)

// The account's defaults per Region, shared by every kind of API and by
// callbacks to connections.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const (
	accountRate  = 10_000 // requests a second
	accountBurst = 5_000
)

// bucket is a token bucket; a nil bucket never runs dry.
type bucket struct {
	rate, burst float64

	mu     sync.Mutex
	tokens float64
	filled time.Time
}

func newBucket(t Throttle) *bucket {
	if t.Rate < 0 {
		return nil
	}
	orElse(&t.Rate, accountRate)
	orElse(&t.Burst, accountBurst)
	return &bucket{rate: t.Rate, burst: float64(t.Burst), tokens: float64(t.Burst), filled: time.Now()}
}

// take takes one token, or reports that there is none.
func (b *bucket) take() bool {
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
