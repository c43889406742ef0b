package stack_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
)

// heldAtMost runs the HTTP function with so many reserved executions. As in the template, four
// fifths of them may hold. No request waits for a process, and API Gateway does not throttle, which
// would affect all requests.
func heldAtMost(t *testing.T, reserved int, streamTime string) *running {
	return start(t, func(o *stack.Options) {
		tokensOnly(o)
		o.MaxProcesses = 8 // of each function
		o.Template = edited(t, func(resources object) {
			properties(resources, "HttpStage")["MethodSettings"] = []any{}
			properties(resources, "Http")["ReservedConcurrentExecutions"] = reserved
			environment(resources, "Http")["MAX_HOLDS"] = strconv.Itoa(reserved * 4 / 5)
			environment(resources, "Http")["STREAM_TIME"] = streamTime
		})
	})
}

// held opens a stream, and gives it once it has told its place and is held. For a stream that is
// turned away it gives the retry.
func (s *running) held(t testing.TB, topic, token string) (response *http.Response, retry time.Duration) {
	t.Helper()
	begun := s.begin(t.Context(), t, "GET", "/topics/"+topic, token, "Accept", "text/event-stream")
	t.Cleanup(func() { _ = begun.Body.Close() })
	if begun.StatusCode != 200 || begun.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("a stream is answered %s %v", begun.Status, begun.Header)
	}
	lines := bufio.NewScanner(begun.Body)
	for lines.Scan() {
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "id":
			return begun, 0
		case "retry":
			ms, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			retry = time.Duration(ms) * time.Millisecond
		}
	}
	if lines.Err() != nil {
		t.Fatalf("a stream breaks off: %v", lines.Err())
	}
	return nil, retry
}

// turnedAway opens streams that must all be told to come again, at different later times.
func (s *running) turnedAway(t *testing.T, who, token string, n int) {
	t.Helper()
	delays := map[time.Duration]bool{}
	for range n {
		held, retry := s.held(t, "a", token)
		if held != nil || retry < 5*time.Second {
			t.Fatalf("a further stream of %s is held: %t, or told to come again after %v", who, held != nil, retry)
		}
		delays[retry] = true
	}
	if len(delays) < n/2 {
		t.Errorf("%d streams of %s are told %d different delays", n, who, len(delays))
	}
	at := read[events.TopicItems](t, s.request(t, "GET", "/topics/a", token), 200).Cursor
	poll := s.request(t, "GET", "/topics/a?wait=5&after="+at, token)
	if problem(t, "a further poll of "+who, poll, 429, events.CodeTooManyHolds); poll.header.Get("Retry-After") == "" {
		t.Errorf("a poll of %s is answered %v", who, poll.header)
	}
}

// TestHoldsLeaveRoomForOthers: mallory opens more streams than she may, and so do others until
// there is no room. Meanwhile no other request waits or is throttled.
func TestHoldsLeaveRoomForOthers(t *testing.T) {
	const reserved, most, ofSubject = 20, 16, 6
	s := heldAtMost(t, reserved, "1m")
	mallory, ben := s.token(t, "mallory", all, nil), s.token(t, "ben", all, nil)
	s.publishOver(t, "/topics/a", ben, `{"id":"i","data":{}}`)
	watcher := s.connectWith(t, ben)
	watcher.subscribe("b")

	for range ofSubject {
		if held, _ := s.held(t, "a", mallory); held == nil {
			t.Fatal("a stream that may be held is not")
		}
	}
	s.turnedAway(t, "mallory", mallory, 8)
	for n := ofSubject; n < most; n++ {
		if held, _ := s.held(t, "a", s.token(t, fmt.Sprint("u", n/3), all, nil)); held == nil {
			t.Fatalf("stream %d of %d is not held", n+1, most)
		}
	}
	s.turnedAway(t, "somebody without a stream", s.token(t, "dora", all, nil), 8)

	s.ResetUsage()
	done := make(chan struct{})
	var attack sync.WaitGroup
	attempts := make([]int, 2)
	for n := range attempts {
		attack.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if held, _ := s.held(t, "a", mallory); held != nil {
					t.Error("a stream beyond the bounds is held")
				}
				attempts[n]++
			}
		})
	}
	end := sync.OnceFunc(func() { close(done); attack.Wait() })
	defer end() // also if the test gives up
	for n := range 20 {
		read[events.TopicItems](t, s.request(t, "GET", "/topics/a", ben), 200)
		s.publishOver(t, "/topics/b", ben, fmt.Sprintf(`{"id":"i","data":{"n":%d}}`, n))
		watcher.changes(1)
		late := s.connectWith(t, ben)
		late.subscribe("a")
		late.send(`{"action":"publish","id":"p","topic":"b","item":{"id":"j","data":{}},"key":"` + fmt.Sprint(n) + `"}`)
		if published, ok := late.frame().(*events.Published); !ok {
			t.Fatalf("publish is answered %+v", published)
		}
		watcher.changes(1)
	}
	end()

	u := s.Usage()
	for name, f := range u.Lambda.Functions {
		if f.Throttles != 0 || f.Waits != 0 || f.Errors != 0 {
			t.Errorf("of %s %d invocations were throttled, %d waited and %d failed", name, f.Throttles, f.Waits, f.Errors)
		}
	}
	if f := u.Lambda.Functions["Http"]; f.Peak <= most || f.Peak > reserved || u.REST.Streams.Open != most {
		t.Errorf("%d executions at once, %d of them are streams", f.Peak, u.REST.Streams.Open)
	}
	t.Logf("beside %d held streams and %d more that were turned away: 20 GETs, 20 POSTs, 20 connects, 20 subscribes, 20 publishes and 40 pushes; at most %d executions of the HTTP function at once, no throttle, no wait",
		most, attempts[0]+attempts[1], u.Lambda.Functions["Http"].Peak)
}

// TestClientThatLeavesIsHeldForUntilItsTime: the function does not learn that the client has left.
// The stream costs as much and counts as held until its time is over.
func TestClientThatLeavesIsHeldForUntilItsTime(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *stack.Options) {
		tokensOnly(o)
		o.Template = edited(t, func(resources object) {
			environment(resources, "Http")["MAX_SUBJECT_HOLDS"] = "1"
			environment(resources, "Http")["STREAM_TIME"] = "3s"
		})
	})
	ben := s.token(t, "ben", all, nil)
	s.publishOver(t, "/topics/a", ben, `{"id":"i","data":{}}`)
	s.ResetUsage()
	response, _ := s.held(t, "a", ben)
	_ = response.Body.Close()
	eventually(t, "the stream is over", func() bool { return s.Usage().REST.Streams.Open == 0 })
	if again, retry := s.held(t, "a", ben); again != nil || retry == 0 {
		t.Errorf("another stream is held, though the function still holds the first")
	}
	eventually(t, "the function has ended", func() bool { return s.Usage().Lambda.Functions["Http"].Invocations == 2 })
	u := s.Usage()
	glances, billed := u.DynamoDB.Tables["Changes"]["BatchGetItem"], u.Lambda.Functions["Http"].BilledMS
	t.Logf("a stream whose client left at once was billed for %d ms, and looked %d times for changes", billed, glances.Requests)
	if billed < 3000 || glances.Requests < 2 || u.Lambda.Functions["Http"].Errors != 0 {
		t.Errorf("used %+v and %+v", u.Lambda.Functions["Http"], glances)
	}
	if again, _ := s.held(t, "a", ben); again == nil {
		t.Error("then another stream is not held")
	}
}

// TestBurstOfStreamsThrottlesHTTPAlone: each stream that is turned away occupies an execution for a
// moment. Requests beyond the reserved executions are throttled, whether they are streams or not.
// WebSockets do not notice.
func TestBurstOfStreamsThrottlesHTTPAlone(t *testing.T) {
	s := heldAtMost(t, 5, "1m")
	mallory, ben := s.token(t, "mallory", all, nil), s.token(t, "ben", all, nil)
	s.publishOver(t, "/topics/a", ben, `{"id":"i","data":{}}`)
	watcher := s.connectWith(t, ben)
	watcher.subscribe("b")
	s.ResetUsage()
	var burst sync.WaitGroup
	answers := make(chan int, 200)
	for range cap(answers) {
		burst.Go(func() {
			r := s.begin(t.Context(), t, "GET", "/topics/a", mallory, "Accept", "text/event-stream")
			t.Cleanup(func() { _ = r.Body.Close() })
			answers <- r.StatusCode
		})
	}
	for n := range 10 {
		late := s.connectWith(t, ben)
		late.subscribe("a")
		s.put(t, "b", "i", fmt.Sprint(n))
		watcher.changes(1)
	}
	burst.Wait()
	close(answers)
	statuses := map[int]int{}
	for status := range answers {
		statuses[status]++
	}
	u := s.Usage()
	for name, f := range u.Lambda.Functions {
		if f.Throttles > 0 != (name == "Http") || f.Errors != 0 {
			t.Errorf("of %s %d invocations were throttled, and %d failed", name, f.Throttles, f.Errors)
		}
	}
	if f := u.Lambda.Functions["Http"]; f.Peak > 5 || statuses[503] != f.Throttles || statuses[200]+statuses[503] != cap(answers) {
		t.Errorf("answers are %v, of HTTP %d ran at once and %d were throttled", statuses, f.Peak, f.Throttles)
	}
	if a := s.request(t, "GET", "/topics/a", ben); a.status != 200 {
		t.Errorf("after the burst a GET is answered %+v", a)
	}
	t.Logf("of 200 streams at once %d were answered 200 and %d 503", statuses[200], statuses[503])
}
