package watch_test

import (
	"context"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// memoryMember is the item of a member, of which there is one in a memoryStore.
type memoryMember struct {
	by    map[watch.Order]bool // the subscriptions by which it is present
	until time.Time
	wrote int // how often the item was written
}

func (s *memoryStore) Join(ctx context.Context, sub watch.Subscription, how watch.Joining) error {
	s.step()
	watch.MeterOf(ctx).Spend(0, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.member.by == nil {
		s.member.by = map[watch.Order]bool{}
	}
	if s.member.by[sub.Order] && !how.Renewal.IsZero() && s.member.until.After(how.Renewal) {
		return nil
	}
	if how.Replaces != watch.Unordered {
		delete(s.member.by, how.Replaces)
	}
	s.member.by[sub.Order] = true
	s.member.until = sub.Lease
	s.member.wrote++
	return nil
}

// depart ends the presence by a subscription.
func (s *memoryStore) depart(at watch.Order) {
	s.step()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.member.by, at)
}

func (s *memoryStore) PresentUntil(_ context.Context, sub watch.Subscription) (time.Time, error) {
	s.step()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.member.by[sub.Order] || !s.member.until.After(time.Now()) {
		return time.Time{}, nil
	}
	return s.member.until, nil
}

func (s *memoryStore) Members(context.Context, events.Topic, int) (int, error) { return 1, nil }

func (s *memoryStore) Census(context.Context, events.Topic) (watch.Census, error) {
	return watch.Census{}, nil
}

func (s *memoryStore) BeginCensus(context.Context, events.Topic, watch.Census, watch.Census) (bool, error) {
	return false, nil
}

func (s *memoryStore) Present(context.Context, events.Topic, time.Time) (members, subscriptions int, err error) {
	return 0, 0, nil
}

func (s *memoryStore) PutCount(context.Context, events.Topic, int, time.Time, time.Time) error {
	return nil
}

func (s *memoryStore) DropCount(context.Context, events.Topic) error { return nil }

func (s *memoryStore) Attend(context.Context, watch.Subscription) error { return nil }
