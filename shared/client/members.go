package client

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Member is somebody who is present in a topic.
type Member struct {
	ID string // the subject, as [events.SubjectSegment] writes it
	events.Member
}

// Members is who is present in a topic, by the events of a watch of its presence topic:
//
//	var members client.Members
//	for event, err := range c.Watch(ctx, events.Topic("rooms/1").Presence(), client.WatchOptions{Snapshot: true}) {
//		…
//		members.Apply(event)
//		fmt.Println(members.Count(), members.Present())
//	}
//
// Members end by themselves when their time is over, so ask again at [Members.Ends]. The zero Members
// is ready for use. Not safe for concurrent use.
//
// The clock of the machine may be wrong: what the service says shows how far, at least.
type Members struct {
	items map[string]Member
	count *events.MemberCount
	ready bool
	clock clock
}

// Apply takes in an event. The watch must have neither Delta nor Fields.
func (m *Members) Apply(event Event) {
	now := time.Now()
	if page := event.Page; page != nil {
		if page.First {
			*m = Members{clock: m.clock}
		}
		for _, item := range page.Items {
			m.put(item.ID, item.Data, now, true)
		}
		m.ready = m.ready || page.Last
	}
	change := event.Change
	switch {
	case change == nil:
	case change.Op == events.Removed:
		m.clock.after(time.Time(change.Time), now)
		m.remove(change.ID)
	default:
		m.clock.after(time.Time(change.Time), now)
		m.put(change.ID, change.Data, now, false)
	}
}

func (m *Members) remove(id string) {
	if id == events.MembersCount {
		m.count = nil
	}
	delete(m.items, id)
}

// put keeps an item. One of a snapshot was not over when it was read.
func (m *Members) put(id string, data []byte, now time.Time, current bool) {
	member := Member{ID: id}
	until := &member.Until
	into := any(&member.Member)
	var count events.MemberCount
	if id == events.MembersCount {
		until, into = &count.Until, &count
	}
	if json.Unmarshal(data, into) != nil {
		return // it is of another version
	}
	if current {
		m.clock.before(time.Time(*until), now)
		m.clock.after(time.Time(*until).Add(-events.PresenceLease), now)
	}
	if id == events.MembersCount {
		m.count = &count
		return
	}
	if m.items == nil {
		m.items = map[string]Member{}
	}
	m.items[id] = member
}

// Ready reports whether the members have come once.
func (m *Members) Ready() bool { return m.ready }

// Count is how many members there are. Those of a topic with many are counted every few seconds.
func (m *Members) Count() int {
	if m.counted() {
		return m.count.Count
	}
	return len(m.Present())
}

// counted reports whether the topic has so many members that they are counted.
func (m *Members) counted() bool {
	return m.count != nil && time.Time(m.count.Until).After(m.clock.now(time.Now()))
}

// Present gives the members in the order in which they came. It is empty for a topic with more than
// about [events.MaxMembers].
func (m *Members) Present() []Member {
	if m.counted() {
		return nil
	}
	now := m.clock.now(time.Now())
	var present []Member
	for _, member := range m.items {
		if time.Time(member.Until).After(now) {
			present = append(present, member)
		}
	}
	slices.SortFunc(present, func(a, b Member) int {
		return cmp.Or(time.Time(a.Since).Compare(time.Time(b.Since)), cmp.Compare(a.ID, b.ID))
	})
	return present
}

// Ends is when, by the clock of the machine, the members change next without an event; zero for never.
func (m *Members) Ends() (at time.Time) {
	now := time.Now()
	sooner := func(until events.Time) {
		left := time.Time(until).Sub(m.clock.now(now))
		if ends := now.Add(left); left > 0 && (at.IsZero() || ends.Before(at)) {
			at = ends
		}
	}
	if m.count != nil {
		sooner(m.count.Until)
	}
	for _, member := range m.items {
		sooner(member.Until)
	}
	return at
}

// clock is what is known of how far the machine's clock is ahead of the service's. It is taken for right
// unless the service has said what cannot be then. After a lease, what it says next counts alone, because the
// clock may have been set.
type clock struct{ least, most bound }

// bound is how far the clock was ahead at some instant, by the clock itself.
type bound struct {
	ahead time.Duration
	at    time.Time
}

// holds reports whether the bound counts beside what is said now.
func (b bound) holds(now time.Time) bool {
	return !b.at.IsZero() && now.Round(0).Sub(b.at).Abs() < events.PresenceLease
}

// after takes in that an instant has passed at the service, now by the machine's clock.
func (c *clock) after(passed, now time.Time) {
	if ahead := now.Sub(passed); !passed.IsZero() && (!c.most.holds(now) || ahead < c.most.ahead) {
		c.most = bound{ahead, now.Round(0)}
	}
}

// before takes in that an instant has not passed.
func (c *clock) before(ahead, now time.Time) {
	if least := now.Sub(ahead); !c.least.holds(now) || least > c.least.ahead {
		c.least = bound{least, now.Round(0)}
	}
}

// now gives the time at the service. Of a clock that is wrong, most is the better guess: it is off by no
// more than the time that a change has taken to come.
func (c *clock) now(now time.Time) time.Time {
	if wrong := c.most.ahead < 0 || c.least.ahead > 0; !wrong {
		return now
	}
	return now.Add(-c.most.ahead)
}
