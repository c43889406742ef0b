package client_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// perSecond gives how many of some times lie in the second from the first of them on, in the
// one after, and so on.
func perSecond(times []time.Time) (counts []int) {
	for _, t := range times {
		second := int(t.Sub(times[0]) / time.Second)
		for len(counts) <= second {
			counts = append(counts, 0)
		}
		counts[second]++
	}
	return counts
}

// refusing has every message of the actions be refused, which takes a moment.
func (s *service) refusing(t *testing.T, refusal func(r events.Request) []byte, actions ...string) {
	s.set(func() {
		s.alter = func(answer *[]byte, in string) {
			time.Sleep(time.Millisecond)
			r, err := events.ParseRequest([]byte(in))
			if err != nil {
				t.Error(err)
			}
			if slices.Contains(actions, r.Action) {
				*answer = refusal(r)
			}
		}
	})
}

// tooMany refuses a request as one of too many.
func tooMany(r events.Request) []byte {
	body, _ := events.Encode(&events.Error{ID: r.ID, Code: events.CodeTooManyRequests}) // it has no raw JSON
	return body
}

// throttled is API Gateway's own refusal, which does not say of what.
func throttled(events.Request) []byte {
	return []byte(`{"message": "Too Many Requests", "connectionId":"c", "requestId":"r"}`)
}

// watchMany watches a hundred topics.
func watchMany(t *testing.T, c *client.Client) (all []*watcher) {
	for n := range events.MaxSubscriptions {
		all = append(all, follow(t, c, events.Topic(fmt.Sprint("t/", n)), client.WatchOptions{}, nil))
	}
	return all
}

// TestManyWatchesThatAreRefused do not ask again faster than one would, and all are there
// soon after the service lets them.
func TestManyWatchesThatAreRefused(t *testing.T) {
	for name, refusal := range map[string]func(events.Request) []byte{"too many requests": tooMany, "API Gateway's own error": throttled} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				s.refusing(t, refusal, events.ActionSubscribe)
				c := s.dial(t, client.Options{})
				all := watchMany(t, c)
				settle(10 * time.Minute)
				asked := s.sentAt(t, events.ActionSubscribe)
				counts := perSecond(asked)
				if first := counts[0]; first > 105 || slices.Max(counts[1:]) > 5 || len(asked)-first > 150 || len(asked)-first < 20 {
					t.Errorf("asked %v times in each second", counts)
				}
				s.refusing(t, refusal)
				settle(40 * time.Second)
				for n := range all {
					s.put(events.Topic(fmt.Sprint("t/", n)), "i", `{}`)
				}
				settle(0)
				for _, w := range all {
					w.saw(t, 1, 1)
				}
				if then := perSecond(s.sentAt(t, events.ActionSubscribe))[len(counts):]; slices.Max(then) > 80 {
					t.Errorf("asked %v times in each second when it was let again", then)
				}
			})
		})
	}
}

// TestManyWatchesThatAreRefusedOnce, all together, are one refusal and one short pause.
func TestManyWatchesThatAreRefusedOnce(t *testing.T) {
	for name, refusal := range map[string]func(events.Request) []byte{"too many requests": tooMany, "API Gateway's own error": throttled} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *service) {
				s.refusing(t, refusal, events.ActionSubscribe)
				all := watchMany(t, s.dial(t, client.Options{}))
				settle(time.Millisecond)
				s.refusing(t, refusal)
				settle(10 * time.Second)
				for n := range all {
					s.put(events.Topic(fmt.Sprint("t/", n)), "i", `{}`)
				}
				settle(0)
				for _, w := range all {
					w.saw(t, 1, 1)
				}
			})
		})
	}
}

// TestRefusalsOutliveTheConnection: another connection is of the same subject.
func TestRefusalsOutliveTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.refusing(t, tooMany, events.ActionSubscribe)
		watchMany(t, s.dial(t, client.Options{}))
		settle(2 * time.Minute)
		before := len(s.sent(t, events.ActionSubscribe))
		for range 10 {
			s.cut()
			settle(time.Minute)
		}
		if again := len(s.sent(t, events.ActionSubscribe)) - before; again > 150 {
			t.Errorf("asked %d times in 10 minutes", again)
		}
	})
}

// TestPublishIsNotKeptWaiting by a hundred watches that are refused.
func TestPublishIsNotKeptWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		s.refusing(t, tooMany, events.ActionSubscribe)
		c := s.dial(t, client.Options{})
		watchMany(t, c)
		settle(5 * time.Minute)
		for n := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 31*time.Second)
			if _, err := c.Publish(ctx, topic, events.Item{ID: fmt.Sprint(n)}); err != nil {
				t.Error(err)
			}
			cancel()
		}
	})
}
