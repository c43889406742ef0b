package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// memoryPurses are Purses in memory.
type memoryPurses struct {
	mu     sync.Mutex
	spent  map[string]int // by subject, connection and minute
	draws  []int          // the units of each that was not refused
	broken error          // what all draws answer
}

func (p *memoryPurses) Draw(_ context.Context, key watch.Key, minute time.Time, units, limit int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return p.broken
	}
	name := fmt.Sprint(key.Subject, " ", key.ID, " ", minute.Unix())
	if p.spent[name] >= limit {
		return watch.ErrTooManyRequests
	}
	if p.spent == nil {
		p.spent = map[string]int{}
	}
	p.spent[name] += units
	p.draws = append(p.draws, units)
	return nil
}

// priced is a store in which each read of items costs some read units.
type priced struct {
	*memoryStore
	units float64
}

func (p priced) Page(ctx context.Context, topic events.Topic, after string, limit int) ([]watch.Row, string, error) {
	watch.MeterOf(ctx).Spend(p.units, 0)
	return p.memoryStore.Page(ctx, topic, after, limit)
}

// spender is a client whose snapshots cost units of an allowance.
func spender(t *testing.T, allowance *watch.Allowance, key watch.Key, units float64) *client {
	t.Helper()
	c := newClient(t, `{"topics":["a"],"actions":["read"]}`)
	c.connection.Key = key
	c.answerer.Store, c.answerer.Allowance = priced{c.memoryStore, units}, allowance
	return c
}

// of is a connection of a subject.
func of(subject, id string) watch.Key {
	return watch.Key{Subject: subject, ID: watch.ConnectionID(id)}
}

const (
	takeSnapshot = `{"action":"snapshot","topic":"a"}`
	refusedAll   = "error too_many_requests"
)

// answered is how many of up to n snapshots are answered before one is refused.
func (c *client) answered(t *testing.T, n int) int {
	t.Helper()
	for i := range n {
		if c.ask(t, takeSnapshot) == refusedAll {
			return i
		}
	}
	return n
}

// TestSpentAllowanceIsRefusedWithoutARead: whoever has spent the period's units is refused over
// all connections, before anything is read, and answered again in the next period. Others
// are answered all along.
func TestSpentAllowanceIsRefusedWithoutARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allowance := watch.NewAllowance(&memoryPurses{}, 12*10_000)
		one, two := spender(t, allowance, of("s", "c1"), 2_500), spender(t, allowance, of("s", "c2"), 2_500)
		other := spender(t, allowance, of("other", "c3"), 2_500)
		if got := one.answered(t, 9); got != 5 { // four within it, and the one that finds it spent
			t.Errorf("%d snapshots of 2,500 units are answered with an allowance of 10,000, want 5", got)
		}
		for _, c := range []*client{one, two} {
			c.asked = nil
			if c.expect(t, takeSnapshot, refusedAll); len(c.asked) > 0 {
				t.Errorf("connection %s: %q was read for a refusal", c.connection.ID, c.asked)
			}
			c.expect(t, `{"action":"ping"}`, "pong map[]") // which costs nothing
		}
		if got := other.answered(t, 3); got != 3 {
			t.Errorf("another subject has %d of 3 snapshots", got)
		}
		time.Sleep(watch.AllowancePeriod)
		if got := two.answered(t, 2); got != 2 {
			t.Errorf("in the next period %d of 2 snapshots are answered", got)
		}
	})
}

// TestAllowanceHoldsInEveryProcess: another process with the same purses learns that one is
// empty when it draws for the first time, which is after 1,000 units.
func TestAllowanceHoldsInEveryProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		purses := &memoryPurses{}
		here := spender(t, watch.NewAllowance(purses, 12*3_000), of("s", "c1"), 500)
		there := spender(t, watch.NewAllowance(purses, 12*3_000), of("s", "c1"), 500)
		if got := here.answered(t, 99); got != 8 { // 1,000 more than the allowance
			t.Errorf("here %d snapshots of 500 units are answered with an allowance of 3,000, want 8", got)
		}
		if got := there.answered(t, 99); got != 2 {
			t.Errorf("there %d snapshots are answered after that, want 2", got)
		}
		there.asked = nil
		if there.expect(t, takeSnapshot, refusedAll); len(there.asked) > 0 {
			t.Errorf("%q was read for a refusal", there.asked)
		}
		time.Sleep(watch.AllowancePeriod)
		if got := there.answered(t, 3); got != 3 {
			t.Errorf("in the next period %d of 3 snapshots are answered there", got)
		}
	})
}

// TestAnonymousClientsDoNotShareAnAllowance: what one spends is not missed by another, though
// all are one subject.
func TestAnonymousClientsDoNotShareAnAllowance(t *testing.T) {
	allowance := watch.NewAllowance(&memoryPurses{}, 1)
	one, two := spender(t, allowance, of(watch.Anonymous, "c1"), 5_000), spender(t, allowance, of(watch.Anonymous, "c2"), 5_000)
	if got := one.answered(t, 9); got != 2 {
		t.Errorf("%d snapshots of the one are answered, want 2", got)
	}
	if got := two.answered(t, 1); got != 1 {
		t.Error("the other is refused for it")
	}
}

// TestUnitsAreDrawnTogether: a write to the purse costs five units, so what requests cost adds
// up to 1,000 before it is drawn. What is over stays for the next draw.
func TestUnitsAreDrawnTogether(t *testing.T) {
	purses := &memoryPurses{}
	c := spender(t, watch.NewAllowance(purses, 12*1_000_000), of("s", "c1"), 400.2)
	if got := c.answered(t, 8); got != 8 {
		t.Fatalf("%d of 8 snapshots are answered", got)
	}
	if want := []int{1_200, 1_201}; !slices.Equal(purses.draws, want) { // three and three, of eight
		t.Errorf("drawn is %v, want %v", purses.draws, want)
	}
}

// TestAPurseThatCannotBeDrawnFromRefusesNobody who has been answered, and is not for ever.
func TestAPurseThatCannotBeDrawnFromRefusesNobody(t *testing.T) {
	c := spender(t, watch.NewAllowance(&memoryPurses{broken: errors.New("throttled")}, 1), of("s", "c1"), 2_000)
	if got := c.answered(t, 3); got != 3 {
		t.Errorf("%d of 3 snapshots are answered", got)
	}
}

// TestWhatCouldNotBeDrawnIsStillOwed: who has DynamoDB throttle its own rows must not be
// answered for nothing meanwhile.
func TestWhatCouldNotBeDrawnIsStillOwed(t *testing.T) {
	purses := &memoryPurses{broken: watch.ErrUnavailable}
	c := spender(t, watch.NewAllowance(purses, 12*10_000), of("s", "c1"), 2_000)
	c.answered(t, 3)
	purses.broken = nil
	c.answered(t, 1)
	if want := []int{8_000}; !slices.Equal(purses.draws, want) {
		t.Errorf("drawn is %v, want %v", purses.draws, want)
	}
}

// stuckPurses answer nothing.
type stuckPurses struct{}

func (stuckPurses) Draw(ctx context.Context, _ watch.Key, _ time.Time, _, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestAnAnswerDoesNotWaitForItsCharge: it is there, and must be sent before the function ends.
func TestAnAnswerDoesNotWaitForItsCharge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := spender(t, watch.NewAllowance(stuckPurses{}, 1), of("s", "c1"), 2_000)
		began := time.Now()
		if c.answered(t, 1) != 1 || time.Since(began) > time.Second {
			t.Errorf("answered after %v", time.Since(began))
		}
	})
}

// crowd is a store whose connections cost some read units to look through.
type crowd struct {
	*memoryWatchers
	units float64
}

func (c crowd) Connections(ctx context.Context, subject string) ([]watch.Connection, error) {
	watch.MeterOf(ctx).Spend(c.units, 0)
	return c.memoryWatchers.Connections(ctx, subject)
}

// TestConnectingIsPaidFor: an attempt at the limit reads the rows of all connections, and is
// refused only then, so who has a hundred could ask for as much as API Gateway lets through.
func TestConnectingIsPaidFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memoryWatchers{connections: connections("s", 3)}
		a := watch.Admission{Store: crowd{m, 800}, Prober: m, Limit: 3, Allowance: watch.NewAllowance(&memoryPurses{}, 12*4_000)}
		attempts := func(subject string) (n int, err error) {
			for n = range 100 {
				err = a.Admit(t.Context(), watch.Connection{Key: of(subject, "new")})
				if errors.Is(err, watch.ErrTooManyRequests) {
					break
				}
			}
			return n, err
		}
		n, err := attempts("s")
		if !errors.Is(err, watch.ErrTooManyRequests) || n != 7 { // 5,600 units: two attempts are drawn at a time
			t.Errorf("%d attempts of 800 units with an allowance of 4,000, want 7; then %v", n, err)
		}
		probed := len(m.probed)
		if err := a.Admit(t.Context(), watch.Connection{Key: of("s", "new")}); !errors.Is(err, watch.ErrTooManyRequests) || len(m.probed) > probed {
			t.Errorf("once it is spent: %v, after %d more looks", err, len(m.probed)-probed)
		}
		if err := a.Admit(t.Context(), watch.Connection{Key: of("other", "new")}); err != nil {
			t.Errorf("another subject: %v", err)
		}
		time.Sleep(watch.AllowancePeriod)
		if err := a.Admit(t.Context(), watch.Connection{Key: of("s", "new")}); !errors.Is(err, watch.ErrTooManyConnections) {
			t.Errorf("in the next period: %v", err)
		}
	})
}
