package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

// sight is a way to see a topic: the subject, its rule, and options in the URL.
type sight struct{ subject, rule, options string }

const openRule = `{"topics":["**"],"actions":["read","subscribe"]}`

var sights = map[string]sight{
	"alice":             {"alice", openRule, ""},
	"ben":               {"ben", openRule, ""},
	"alice, masked":     {"alice", `{"topics":["**"],"actions":["read","subscribe"],"mask":{"omit":["pin"]}}`, ""},
	"alice, replaced":   {"alice", `{"topics":["**"],"actions":["read","subscribe"],"mask":{"replace":{"pin":"*"}}}`, ""},
	"alice, filtered":   {"alice", `{"topics":["**"],"actions":["read","subscribe"],"filter":{"pin":[1]}}`, ""},
	"alice, by fields":  {"alice", openRule, "fields=n"},
	"alice, by filter":  {"alice", openRule, `filter={"n":[2]}`},
	"alice, of a topic": {"alice", `{"topics":["a","b"],"actions":["read","subscribe"]}`, ""},
}

// as gives a service whose client has this sight.
func (s *service) as(v sight) {
	s.Helper()
	s.viewer.Subject, s.viewer.Grant = v.subject, granted(s.T, v.subject, `{"v":1,"allow":[`+v.rule+`]}`)
}

// target is the URL of a topic, with the options and more.
func (v sight) target(topic string, more ...string) string {
	if v.options != "" {
		more = append(more, v.options)
	}
	return "/topics/" + topic + "?" + strings.Join(more, "&")
}

// told has the values that a client got about a topic.
type told struct{ etag, next, viewID, cursor, id string }

func (s *service) toldOf(topic string, v sight) told {
	s.Helper()
	s.as(v)
	page, a := get[events.TopicItems](s, 200, v.target(topic, "limit=1"))
	r := s.open(v.target(topic))
	begun, _ := r.next()
	r.end()
	return told{a.header.Get("ETag"), page.Next, page.View, page.Cursor, begun.id}
}

// costing gives an answer and the calls of DynamoDB that it took.
func (s *service) costing(method, target string, header ...string) (answer, any) {
	s.Helper()
	s.db.Engine.ResetUsage()
	a := s.ask(method, target, header...)
	usage := s.db.Engine.Usage()
	delete(usage.Tables, dynamotest.Tables.Connections) // where streams that are over release their holds
	return a, usage
}

// TestWhatSomebodyElseWasTold is of no use. An ETag of another view never makes a 304, another's
// next page is refused like an invented one, and a cursor of another view does not continue. The
// answer costs the same calls, so the time does not tell either.
func TestWhatSomebodyElseWasTold(t *testing.T) {
	s := newServiceOn(t, dynamotest.StartInside(t)) // it has answered when a stream has ended
	s.feed.Allowance = nil                          // it draws when enough is owed, for any request
	s.feed.HoldLimits.Subject, s.feed.HoldLimits.Total = 1000, 1000
	for _, topic := range []events.Topic{"a", "b"} {
		for n := range 3 {
			s.put(topic, fmt.Sprint(n), fmt.Sprintf(`{"n":%d,"pin":%d}`, n, n))
		}
	}
	for from, theirs := range sights {
		for _, topic := range []string{"a", "b"} {
			given := s.toldOf(topic, theirs)
			for to, mine := range sights {
				t.Run(fmt.Sprintf("%s has what was told %s of %s", to, from, topic), func(t *testing.T) {
					defer func(outer *testing.T) { s.T = outer }(s.T)
					s.T = t
					own := s.toldOf("a", mine)
					if topic != "a" || !sameSight(theirs, mine) {
						s.hasTag(mine, given)
						s.hasNext(mine, given)
					}
					s.hasView(mine, given, own, topic)
				})
			}
		}
	}
}

// sameSight reports whether two are the same subject's and show the same.
func sameSight(a, b sight) bool {
	sees := func(v sight) string { return strings.NewReplacer(`"a","b"`, `"**"`).Replace(v.rule) + v.options }
	return a.subject == b.subject && sees(a) == sees(b)
}

// hasTag asks for a page with the ETag of another's.
func (s *service) hasTag(mine sight, given told) {
	s.Helper()
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		with, cost := s.costing(method, mine.target("a", "limit=1"), "If-None-Match", given.etag)
		without, usual := s.costing(method, mine.target("a", "limit=1"))
		if with.status != 200 || len(with.body) != len(without.body) || with.header.Get("Cache-Control") != "private, no-cache" || !reflect.DeepEqual(cost, usual) {
			s.Errorf("%s with another's ETag is answered %+v, for %+v, and without it for %+v", method, with, cost, usual)
		}
	}
}

// hasNext asks for the page after another's.
func (s *service) hasNext(mine sight, given told) {
	s.Helper()
	cursor, _, _ := strings.Cut(given.next, "~")
	madeUp := cursor + "~" + strings.Repeat("A", len(given.next)-len(cursor)-1)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		got, cost := s.costing(method, mine.target("a", "next="+url.QueryEscape(given.next)))
		other, usual := s.costing(method, mine.target("a", "next="+url.QueryEscape(madeUp)))
		if got.status != 400 || !reflect.DeepEqual(got, other) || !reflect.DeepEqual(cost, usual) {
			s.Errorf("%s with another's place is answered %+v, for %+v", method, got, cost)
		}
	}
}

// hasView goes on from another's cursor, by the view that it had and by the stream's id.
func (s *service) hasView(mine sight, given, own told, topic string) {
	s.Helper()
	reason := events.ResetReason("")
	if topic != "a" {
		reason = events.ResetEpoch
	}
	if given.viewID != own.viewID {
		reason = events.ResetView
	}
	view := cmp.Or(given.viewID, events.WholeView)
	for _, header := range [][]string{nil, {"Prefer", "wait=1"}} {
		if reason == "" && header != nil {
			continue // it waits
		}
		a := s.ask(http.MethodGet, mine.target("a", "after="+given.cursor, "view="+view), header...)
		var p events.Problem
		_ = json.Unmarshal([]byte(a.body), &p) // or there is no reason
		if p.Reason != reason || (a.status == 410) != (reason != "") {
			s.Errorf("with another's cursor and view the answer is %+v, want the reason %q", a, reason)
		}
	}
	if topic != "a" && given.viewID != "" { // the id has a hash of topic and view
		reason = events.ResetView
	}
	r := s.open(mine.target("a"), "Last-Event-ID", given.id)
	defer r.end()
	if reason == "" {
		if e, _ := r.next(); e.id != own.id || e.name != "subscribed" {
			s.Errorf("with the id %s the stream begins with %+v, want %s", given.id, e, own.id)
		}
		return
	}
	r.expect("reset", fmt.Sprintf(`"reason":%q`, reason))
	page, _ := get[events.TopicItems](s, 200, mine.target("a"))
	items, _ := json.Marshal(page.Items) // of texts and JSON
	r.expect("snapshot", `"items":`+string(items))
}

// TestViewChangesWhileHeld: a stream and a poll continue with the view of their token. A client
// that comes with another token and the same cursor starts over, in both directions.
func TestViewChangesWhileHeld(t *testing.T) {
	s := newService(t)
	narrow, wide := sights["alice, masked"], sights["alice"]
	s.as(narrow)
	s.put("a", "i", `{"n":1,"pin":11}`)
	page, _ := get[events.TopicItems](s, 200, "/topics/a")
	held := s.open("/topics/a")
	at, _ := held.next()
	narrowPoll := s.polls(page.Cursor)

	s.as(wide)
	if a := s.ask(http.MethodGet, "/topics/a?view="+page.View+"&wait=20&after="+page.Cursor); a.status != 410 || !strings.Contains(a.body, `"reason":"view"`) {
		t.Errorf("a poll with the wider token is answered %+v", a)
	}
	widePoll := s.polls(page.Cursor)
	wider := s.open("/topics/a", "Last-Event-ID", at.id)
	wider.expect("reset", `"reason":"view"`)
	wideID := wider.expect("snapshot", `{"n":1,"pin":11}`)

	s.put("a", "i", `{"n":2,"pin":22}`)
	for name, c := range map[string]struct {
		stream *reader
		poll   chan answer
		want   string
	}{"the narrower": {held, narrowPoll, `"data":{"n":2}`}, "the wider": {wider, widePoll, `"data":{"n":2,"pin":22}`}} {
		c.stream.expect("changes", c.want)
		if a := <-c.poll; a.status != 200 || !strings.Contains(a.body, c.want) || !strings.Contains(a.body, `"cursor":"`+strings.TrimSuffix(page.Cursor, "1")+`2"`) {
			t.Errorf("%s poll is answered %+v, want %s", name, a, c.want)
		}
	}

	s.as(narrow)
	back := s.open("/topics/a", "Last-Event-ID", wideID)
	back.expect("reset", `"reason":"view"`)
	back.expect("snapshot", `"data":{"n":2}}`)
}

// polls begins a long poll, and comes back once it is held.
func (s *service) polls(after string) chan answer {
	s.Helper()
	held := make(chan bool)
	polling := s.telling(held)
	answered := make(chan answer)
	go func() { answered <- polling.ask(http.MethodGet, "/topics/a?wait=20&after="+after) }()
	<-held
	return answered
}

// telling gives the same service, and reports on held when a hold is taken.
func (s *service) telling(held chan bool) *service {
	other := *s
	other.feed.Holds = holding{s.store, held}
	other.handler.topics = &other.feed
	other.handler.viewer = func(*http.Request) (watch.Viewer, error) { return other.viewer, nil }
	return &other
}
