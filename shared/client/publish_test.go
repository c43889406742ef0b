package client_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// TestARepeatedPublishIsTheSameOne: it has the key and the order that it had, so that it makes no
// second change and does not count more than what was published after it.
func TestARepeatedPublishIsTheSameOne(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		var answering atomic.Bool
		s.set(func() {
			s.alter = func(answer *[]byte, in string) {
				if !answering.Load() && strings.Contains(in, `"first"`) {
					*answer = nil
				}
			}
		})
		c := s.dial(t, client.Options{AnswerTime: 5 * time.Second})
		done := make(chan error, 1)
		go func() {
			_, err := c.Publish(t.Context(), topic, events.Item{ID: "i", Data: []byte(`{"n":"first"}`)})
			done <- err
		}()
		settle(time.Second)
		if _, err := c.Publish(t.Context(), topic, events.Item{ID: "i", Data: []byte(`{"n":"second"}`)}); err != nil {
			t.Fatal(err)
		}
		settle(3 * time.Second)
		s.cut() // over another connection it is the same, too
		settle(7 * time.Second)
		answering.Store(true)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		var first, second []events.Request
		s.set(func() {
			for _, a := range s.received {
				request, err := events.ParseRequest([]byte(a.frame))
				switch {
				case err != nil:
					t.Error(err)
				case strings.Contains(a.frame, "first"):
					first = append(first, request)
				case strings.Contains(a.frame, "second"):
					second = append(second, request)
				}
			}
		})
		if len(first) < 2 || len(second) != 1 {
			t.Fatalf("sent are %+v and %+v", first, second)
		}
		for _, r := range first {
			if r.Key != first[0].Key || len(r.Key) < 20 || r.Order != first[0].Order || r.Order >= second[0].Order || r.Key == second[0].Key {
				t.Errorf("sent are %+v and %+v", first, second)
			}
		}
	})
}

// TestPublishOptions go to the service, and the mark comes back.
func TestPublishOptions(t *testing.T) {
	bubble(t, func(t *testing.T, s *service) {
		c := s.dial(t, client.Options{})
		at := time.Now().Add(time.Hour)
		for _, o := range []client.PublishOptions{{}, {Key: "k", ExpiresAt: at}, {Key: "k", ExpiresAt: at, NeverExpires: true}} {
			p, err := c.PublishWith(t.Context(), topic, events.Item{Data: []byte(`{}`)}, o)
			if err != nil || p.ID == "" || len(p.Mark) != 16 {
				t.Errorf("published is %+v, %v", p, err)
			}
		}
		var expires []int64
		var keys []string
		s.set(func() {
			for _, p := range s.published {
				if p.ExpiresAt == nil {
					expires = append(expires, -1)
					continue
				}
				expires = append(expires, *p.ExpiresAt)
			}
			for _, a := range s.received {
				request, _ := events.ParseRequest([]byte(a.frame))
				keys = append(keys, request.Key)
			}
		})
		if len(expires) != 3 || expires[0] != -1 || expires[1] != at.Unix() || expires[2] != 0 || keys[0] == "" || keys[1] != "k" {
			t.Errorf("items expire at %v, keys are %q", expires, keys)
		}
		late := time.Now().Add(-time.Second)
		if _, err := c.PublishWith(t.Context(), topic, events.Item{Data: []byte(`{}`)}, client.PublishOptions{ExpiresAt: late}); err == nil || !strings.Contains(err.Error(), "expiresAt") {
			t.Errorf("an item that has expired: %v", err)
		}
	})
}
