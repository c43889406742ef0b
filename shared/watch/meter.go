package watch

import (
	"context"
	"sync"
)

// Meter counts what one request has cost in DynamoDB, in capacity units. Safe for concurrent
// use.
type Meter struct {
	mu            sync.Mutex
	reads, writes float64
}

// meterKey is under which a context has its meter.
type meterKey struct{}

// Metered gives a context whose calls of the stores a new meter counts.
func Metered(ctx context.Context) (context.Context, *Meter) {
	m := &Meter{}
	return context.WithValue(ctx, meterKey{}, m), m
}

// Unmetered gives a context whose calls of the stores no meter counts: they are not for the client
// that made the request.
func Unmetered(ctx context.Context) context.Context {
	return context.WithValue(ctx, meterKey{}, (*Meter)(nil))
}

// MeterOf gives the meter of a context; nil if it has none. The stores tell it what each
// call has consumed, as DynamoDB reports it.
func MeterOf(ctx context.Context) *Meter {
	m, _ := ctx.Value(meterKey{}).(*Meter)
	return m
}

// Spend counts read and write units. A nil meter counts nothing.
func (m *Meter) Spend(reads, writes float64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads += reads
	m.writes += writes
}

// spent is what was counted so far, in units of an [Allowance].
func (m *Meter) spent() float64 {
	reads, writes := m.Units()
	return reads + writePrice*writes
}

// Units gives the read and the write units so far.
func (m *Meter) Units() (reads, writes float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads, m.writes
}
