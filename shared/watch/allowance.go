package watch

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Purses keep how much each subject has spent.
type Purses interface {
	// Draw takes units out of what a subject may spend in a period, which is limit.
	// ErrTooManyRequests means that it has been spent.
	Draw(ctx context.Context, key Key, period time.Time, units, limit int) error
}

// drawnUnits is how much a process lets a subject spend before it draws. Each draw costs a
// write, so small amounts are added up first. With n processes a subject may spend n times
// this beyond its limit.
const drawnUnits = 1_000

// What a million units cost on demand in us-east-1, in dollars, for tables of the class
// Standard. Both were twice as much before November 2024.
//
// Source: https://aws.amazon.com/dynamodb/pricing/on-demand/
const (
	ReadPrice  = 0.125
	WritePrice = 0.625
)

// writePrice is what a write unit costs in read units.
const writePrice = WritePrice / ReadPrice

// AllowancePeriod is the part of a minute in which a subject may spend as large a part of its
// allowance. A partition of DynamoDB gives 3,000 read units a second, which fan-out needs as
// well. Were all of a minute spent at once on one topic, its changes would wait for most of
// the minute.
const AllowancePeriod = 5 * time.Second

// Allowance bounds what all requests of one subject together may cost in a minute, over all
// its connections and all processes. The unit is a read unit of DynamoDB; a write unit counts
// as five. Anonymous clients have an allowance for each connection. [Deployer] has no bound. Safe for
// concurrent use.
type Allowance struct {
	purses Purses
	limit  int
	now    func() time.Time

	mu    sync.Mutex
	owed  map[Key]float64   // spent and not drawn yet
	empty map[Key]time.Time // whose purse is empty until when
}

// NewAllowance makes an allowance of so many units a minute.
func NewAllowance(purses Purses, unitsPerMinute int) *Allowance {
	limit := max(1, unitsPerMinute/int(time.Minute/AllowancePeriod))
	return &Allowance{purses: purses, limit: limit, now: time.Now, owed: map[Key]float64{}, empty: map[Key]time.Time{}}
}

// spendersKept bounds the subjects that one process remembers. When there are more, it
// forgets all of them.
const spendersKept = 10_000

// check gives ErrTooManyRequests if this process knows that the subject has spent the
// period's allowance. It costs nothing.
func (a *Allowance) check(key Key) error {
	if a == nil || key.Subject == Deployer {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now().Before(a.empty[spender(key)]) {
		return ErrTooManyRequests
	}
	return nil
}

// charge notes what was spent, and draws it when it is enough. ErrTooManyRequests means that
// the subject has spent what it may in this period. After any other error the units are still
// owed, though they may have been drawn.
func (a *Allowance) charge(ctx context.Context, key Key, units float64) error {
	if a == nil || key.Subject == Deployer {
		return nil
	}
	key = spender(key)
	due := a.owe(key, units)
	if due == 0 {
		return nil
	}
	period := a.now().Truncate(AllowancePeriod)
	err := a.purses.Draw(ctx, key, period, due, a.limit)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(err, ErrTooManyRequests):
		a.empty[key] = period.Add(AllowancePeriod)
	case err != nil:
		a.owed[key] += float64(due)
	}
	return err
}

// owe adds to what a subject owes, and takes off what is to be drawn now.
func (a *Allowance) owe(key Key, units float64) (due int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.owed)+len(a.empty) > spendersKept {
		clear(a.owed)
		clear(a.empty)
	}
	a.owed[key] += units
	if a.owed[key] < drawnUnits {
		return 0
	}
	due = int(a.owed[key])
	a.owed[key] -= float64(due)
	return due
}

// spender is the key that pays: the subject's, or an anonymous client's connection.
func spender(key Key) Key {
	if key.Subject == Anonymous {
		return key
	}
	return Key{Subject: key.Subject}
}
