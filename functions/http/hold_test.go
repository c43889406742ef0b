package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

// TestStreamEndsInTime, and the client comes again by itself.
func TestStreamEndsInTime(t *testing.T) {
	s := newService(t)
	s.streamTime = time.Second
	s.put("a", "i", `{}`)
	r := s.open("/topics/a")
	defer time.AfterFunc(20*time.Second, r.end).Stop() // or the test would go on as long as the stream
	for {
		e, ok := r.next()
		if !ok {
			break
		}
		if e.name != "subscribed" {
			t.Errorf("event %+v", e)
		}
	}
	if err := r.lines.Err(); err != nil {
		t.Errorf("the stream is cut: %v", err)
	}
	if _, err := s.store.Hold(t.Context(), s.viewer.Key, time.Now().Add(time.Minute), watch.HoldLimits{Subject: 1, Total: 80}); err != nil {
		t.Errorf("the hold is left: %v", err)
	}
}

// TestStreamsEndNotTogether, though they were opened together: all would come again at once.
func TestStreamsEndNotTogether(t *testing.T) {
	inFakeTime(t, func(t *testing.T, s *service, _ string) {
		ends := map[time.Duration]bool{}
		for range 8 {
			began := time.Now()
			s.ask(http.MethodGet, "/topics/a", "Accept", streamType)
			took := time.Since(began)
			if took < s.streamTime || took > 2*s.streamTime {
				t.Errorf("a stream is held for %v, want at least %v and at most twice that", took, s.streamTime)
			}
			ends[took.Truncate(time.Second)] = true
		}
		if len(ends) < 4 {
			t.Errorf("8 streams are held for only %d different times", len(ends))
		}
	})
}

// TestTooManyStreamsComeAgain: any status but 200 would end an EventSource for good.
func TestTooManyStreamsComeAgain(t *testing.T) {
	s := newService(t)
	s.feed.HoldLimits.Subject = 1
	s.put("a", "i", `{}`)
	first := s.open("/topics/a")
	first.next()
	second := s.open("/topics/a")
	if e, ok := second.next(); ok || second.response.StatusCode != 200 {
		t.Errorf("a second stream is answered %d and %+v", second.response.StatusCode, e)
	}
	problem, a := get[events.Problem](s, 429, "/topics/a?wait=5&after="+cursorOf(s, "a"))
	if problem.Code != events.CodeTooManyHolds || a.header.Get("Retry-After") == "" {
		t.Errorf("a poll is answered %s %v", a.body, a.header)
	}
	get[events.TopicItems](s, 200, "/topics/a") // needs no hold
}

// TestSpentSubjectComesAgain: a subject that has spent its allowance is told to come again, with
// 200 for streams and 429 for the rest. Others do not notice.
func TestSpentSubjectComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no allowance comes anew, however long this takes
		s := newServiceOn(t, dynamotest.StartInside(t))
		s.streamTime = time.Second
		s.feed.Allowance = watch.NewAllowance(s.store, 12*1000)
		s.put("a", "i", `{}`)
		at := cursorOf(s, "a")
		big := `{"id":"j","data":{"x":"` + strings.Repeat("x", 100_000) + `"}}`
		for n := 0; s.post("/topics/b", big).status != 429; n++ {
			if n == 20 {
				t.Fatal("the allowance has no end")
			}
		}
		retries := map[string]bool{}
		for range 8 {
			stream := s.ask(http.MethodGet, "/topics/a", "Accept", streamType)
			var retry int
			if n, _ := fmt.Sscanf(stream.body, "retry: %d\n", &retry); n != 1 || stream.status != 200 || retry < 5_000 || strings.Contains(stream.body, "id:") {
				t.Fatalf("a stream is answered %d %q", stream.status, stream.body)
			}
			retries[stream.body] = true
		}
		if len(retries) < 4 {
			t.Errorf("8 streams are told only %d different times", len(retries))
		}
		for _, target := range []string{"/topics/a?wait=5&after=" + at, "/topics/a"} {
			problem, a := get[events.Problem](s, 429, target)
			if problem.Code != events.CodeTooManyRequests || a.header.Get("Retry-After") == "" {
				t.Errorf("%s is answered %s %v", target, a.body, a.header)
			}
		}
		s.viewer.Key.Subject = "ben"
		get[events.TopicItems](s, 200, "/topics/a")
		if stream := s.ask(http.MethodGet, "/topics/a", "Accept", streamType); stream.status != 200 || !strings.Contains(stream.body, "event: snapshot") && !strings.Contains(stream.body, "event: subscribed") {
			t.Errorf("another's stream is answered %d %q", stream.status, stream.body)
		}
	})
}

// TestStreamsThatTroubleEnds come again later than those whose time is over, and not together. What may
// pass is no error to an EventSource.
func TestStreamsThatTroubleEnds(t *testing.T) {
	inFakeTime(t, func(t *testing.T, s *service, _ string) {
		s.feed.Stands = troubled{s.store}
		retries := map[int]bool{}
		for range 8 {
			a := s.ask(http.MethodGet, "/topics/a", "Accept", streamType)
			begins, ends, _ := strings.Cut(a.body, "event: subscribed\n")
			_, ends, _ = strings.Cut(ends, "\n\n")
			var retry int
			if n, _ := fmt.Sscanf(ends, "retry: %d\n\n", &retry); n != 1 || begins != "retry: 1000\n\n" || retry < 5_000 || retry > 10_000 || strings.Contains(ends, "event:") {
				t.Fatalf("a stream is answered %d %q", a.status, a.body)
			}
			retries[retry] = true
		}
		if len(retries) < 4 {
			t.Errorf("8 streams are told only %d different times", len(retries))
		}
	})
}

// troubled cannot be looked at.
type troubled struct{ watch.Stands }

func (troubled) Glance(context.Context, []events.Topic) (map[events.Topic]events.Cursor, error) {
	return nil, watch.ErrUnavailable
}

// TestExpiredTokenIsNotHeldWith: it is taken for a minute longer, but only to be answered at once.
func TestExpiredTokenIsNotHeldWith(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	at := cursorOf(s, "a")
	s.viewer.Expires = time.Now().Add(-time.Second)
	get[events.TopicItems](s, 200, "/topics/a")
	for _, header := range []string{"application/json", "text/event-stream"} {
		problem, a := get[events.Problem](s, 401, "/topics/a?wait=9&after="+at, "Accept", header)
		if problem.Code != events.CodeTokenExpired {
			t.Errorf("with %s the answer is %s", header, a.body)
		}
	}
}

// TestHoldsEndInTime: before the token expires, and before Lambda would kill the function, which
// would cut the answer and leave the hold. A client is told in order that nothing has come.
func TestHoldsEndInTime(t *testing.T) {
	inFakeTime(t, func(t *testing.T, s *service, at string) {
		s.streamTime = 14 * time.Minute
		for what, c := range map[string]struct{ token, function, most time.Duration }{
			"the token":    {token: 10 * time.Second, function: 15 * time.Minute, most: 9 * time.Second},
			"the function": {token: time.Hour, function: 7 * time.Second, most: 6 * time.Second},
		} {
			for accept, status := range map[string]int{"application/json": 204, streamType: 200} {
				began := time.Now()
				s.viewer.Expires = began.Add(c.token)
				ctx, cancel := context.WithTimeout(t.Context(), c.function)
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/topics/a?wait=25&after="+at, nil)
				r.Header.Set("Accept", accept)
				w := httptest.NewRecorder()
				s.ServeHTTP(w, r)
				cancel()
				if took := time.Since(began); w.Code != status || took != c.most || strings.Contains(w.Body.String(), "error") {
					t.Errorf("what %s bounds is answered %d %q after %v, want %d after %v", what, w.Code, w.Body, took, status, c.most)
				}
			}
		}
		if holds, err := s.store.Hold(t.Context(), s.viewer.Key, time.Now().Add(time.Minute), watch.HoldLimits{Subject: 1, Total: 80}); err != nil {
			t.Errorf("a hold is left: %v, %v", holds, err)
		}
	})
}

// TestSpentAllowanceLeavesNoHold: the hold of an ended request is released, even if its subject has
// spent its allowance meanwhile.
func TestSpentAllowanceLeavesNoHold(t *testing.T) {
	s := newService(t)
	s.streamTime = time.Second
	s.feed.Allowance = watch.NewAllowance(s.store, 12*1000)
	var released atomic.Int32
	s.feed.Holds = releases{s.store, &released}
	s.put("a", "i", `{}`)
	r := s.open("/topics/a")
	r.next()
	for range 30 {
		s.post("/topics/a", `{"id":"j","data":{"x":"`+strings.Repeat("x", 40_000)+`"}}`)
	}
	for {
		if _, ok := r.next(); !ok {
			break
		}
	}
	eventually(t, func() bool { return released.Load() == 1 })
}

// releases counts how many holds are released.
type releases struct {
	watch.Holds
	n *atomic.Int32
}

func (r releases) Release(ctx context.Context, h watch.Hold) error {
	r.n.Add(1)
	return r.Holds.Release(ctx, h)
}
