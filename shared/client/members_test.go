package client_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// memberData is the data of a member whose lease has so much left, by the service's clock.
func memberData(service time.Time, left time.Duration) string {
	since, _ := events.Time(service).MarshalText()
	until, _ := events.Time(service.Add(left)).MarshalText()
	return fmt.Sprintf(`{"name":"N","since":"%s","until":"%s","count":137}`, since, until)
}

// page is an event of a snapshot, with items by pairs of id and data.
func page(items ...string) client.Event {
	p := &client.Page{First: true, Last: true}
	for i := 0; i < len(items); i += 2 {
		p.Items = append(p.Items, events.Item{ID: items[i], Data: []byte(items[i+1])})
	}
	return client.Event{Page: p}
}

func change(op events.Op, id string, at time.Time, data string) client.Event {
	return client.Event{Change: &events.Change{Op: op, ID: id, Time: events.Time(at), Data: []byte(data)}}
}

func presentIn(m *client.Members) string {
	var ids []string
	for _, member := range m.Present() {
		ids = append(ids, member.ID)
	}
	return strings.Join(ids, " ")
}

// TestMembersEndByThemselves, whether the machine's clock is right, or hours off.
func TestMembersEndByThemselves(t *testing.T) {
	for _, ahead := range []time.Duration{0, 3 * time.Second, -3 * time.Second, 20 * time.Minute, -20 * time.Minute, 5 * time.Hour, -5 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := func() time.Time { return time.Now().Add(-ahead) }
				var m client.Members
				if m.Ready() || m.Count() != 0 || !m.Ends().IsZero() {
					t.Error("members of nothing")
				}
				m.Apply(page("ada", memberData(service(), 5*time.Minute), "ben", memberData(service(), 10*time.Minute)))
				if got := presentIn(&m); got != "ada ben" || !m.Ready() {
					t.Fatalf("present are %q", got)
				}
				time.Sleep(time.Minute)
				m.Apply(change(events.Added, "cleo", service(), memberData(service(), 10*time.Minute)))
				m.Apply(change(events.Modified, "ben", service().Add(-time.Minute), memberData(service().Add(-time.Minute), 10*time.Minute))) // an old one
				if got := presentIn(&m); got != "ada ben cleo" || m.Count() != 3 {
					t.Fatalf("present are %q", got)
				}
				if left := time.Until(m.Ends()); left < 3*time.Minute || left > 5*time.Minute {
					t.Errorf("the first ends in %v", left)
				}
				time.Sleep(time.Until(m.Ends()) + 6*time.Second)
				if got := presentIn(&m); got != "ben cleo" {
					t.Errorf("after the first has ended, present are %q", got)
				}
				m.Apply(change(events.Removed, "cleo", service(), memberData(service(), time.Minute)))
				if got := presentIn(&m); got != "ben" {
					t.Errorf("after cleo has left, present are %q", got)
				}
				time.Sleep(10 * time.Minute)
				if got := presentIn(&m); got != "" || !m.Ends().IsZero() {
					t.Errorf("after all have ended, present are %q", got)
				}
			})
		})
	}
}

// TestMembersAreRightAfterTheClockWasSet: what was known of the clock before is forgotten.
func TestMembersAreRightAfterTheClockWasSet(t *testing.T) {
	for _, ahead := range []time.Duration{20 * time.Minute, -20 * time.Minute} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m client.Members
				before := time.Now().Add(-ahead) // at the service
				m.Apply(page("ada", memberData(before, 10*time.Minute)))
				m.Apply(change(events.Modified, "ada", before, memberData(before, 10*time.Minute)))
				time.Sleep(20 * time.Minute) // the clock is set forth or back, and is right from now on
				m.Apply(change(events.Modified, "ada", time.Now(), memberData(time.Now(), 10*time.Minute)))
				if got := presentIn(&m); got != "ada" {
					t.Errorf("present are %q", got)
				}
				time.Sleep(10 * time.Minute)
				if got := presentIn(&m); got != "" {
					t.Errorf("after the lease, present are %q", got)
				}
			})
		})
	}
}

// TestMembersAreCounted as long as the count holds.
func TestMembersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m client.Members
		m.Apply(page(events.MembersCount, memberData(time.Now(), 10*time.Minute), "ada", memberData(time.Now(), 9*time.Minute)))
		if got := presentIn(&m); got != "" || m.Count() != 137 {
			t.Errorf("present are %q of %d", got, m.Count())
		}
		m.Apply(change(events.Added, "ben", time.Now(), memberData(time.Now(), 10*time.Minute)))
		m.Apply(change(events.Removed, events.MembersCount, time.Now(), `{}`))
		if got := presentIn(&m); got != "ada ben" || m.Count() != 2 {
			t.Errorf("present are %q of %d", got, m.Count())
		}
		m.Apply(change(events.Added, events.MembersCount, time.Now(), memberData(time.Now(), 10*time.Minute)))
		time.Sleep(10 * time.Minute)
		if m.Count() != 0 || len(m.Present()) != 0 {
			t.Errorf("a count that nobody renews leaves %d", m.Count())
		}
	})
}

// TestPresenceThatCannotBe is refused without a request.
func TestPresenceThatCannotBe(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		for topic, name := range map[events.Topic]string{"rooms/*": "Ada", "rooms/1": "", "rooms/2": strings.Repeat("x", events.MaxMemberNameBytes+1)} {
			for _, err := range c.Watch(t.Context(), topic, client.WatchOptions{Presence: &events.PresenceRequest{Name: name}}) {
				if refused := (*events.Error)(nil); !errors.As(err, &refused) || refused.Code != events.CodeBadRequest {
					t.Errorf("%q in %s ends in %v", name, topic, err)
				}
			}
		}
	})
}
