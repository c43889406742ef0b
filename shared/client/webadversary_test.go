package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// ofBelow is a topic of the pattern that clients watch.
const ofBelow events.Topic = "orders/1"

// serveWeb serves a client over HTTP. A request without a topic counts as a handshake.
func (a attack) serveWeb(by *adversary, w http.ResponseWriter, r *http.Request) {
	about := events.Topic(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/live/topics"), "/"))
	body, _ := io.ReadAll(r.Body) // else it is not noticed that the client leaves
	r.Body = io.NopCloser(bytes.NewReader(body))
	e := enemy{adversary: by}
	if about == "" {
		e.n = by.count(&by.handshakes)
	} else {
		e.n = by.count(&by.requests)
	}
	switch {
	case e.n > 100*usualAsks: // more than enough
	case a.web(w, r, e):
	case about == "":
		problem(w, events.Problem{Code: events.CodeNotFound})
	default:
		fairWeb(w, r, e, about)
	}
}

// fairWeb is the right answer to a request over HTTP.
func fairWeb(w http.ResponseWriter, r *http.Request, e enemy, about events.Topic) {
	switch {
	case isStream(r):
		streaming(20*time.Second, ":\n\n")(w, r, e)
	case r.Method == http.MethodPost:
		var item events.PublishedItem
		_ = json.NewDecoder(r.Body).Decode(&item)
		say(w, events.PublishResult{ID: item.ID})
	case isLook(r):
		say(w, events.StandBelow{Topic: about, Cursors: map[events.Topic]string{ofBelow: start.String()}})
	case about.IsPattern():
		say(w, events.ItemsBelow{Topic: about, Topics: []events.TopicItems{{Topic: ofBelow, Cursor: start.String()}}})
	case r.URL.Query().Has("after"):
		say(w, events.TopicChanges{Topic: about, Cursor: start.String(), View: events.WholeView})
	default:
		say(w, events.TopicItems{Topic: about, Cursor: start.String()})
	}
}

// web is what an adversary does over HTTP: true if it has answered.
type web = func(http.ResponseWriter, *http.Request, enemy) bool

// streaming begins a stream, and then says something all the time.
func streaming(pause time.Duration, texts ...string) web {
	return func(w http.ResponseWriter, r *http.Request, e enemy) bool {
		w.Header().Set("Content-Type", "text/event-stream")
		texts := append([]string{"id: e:1\n\n"}, texts...)
		for i := 0; r.Context().Err() == nil; i++ {
			if _, err := io.WriteString(w, texts[min(i, len(texts)-1)]); err != nil || http.NewResponseController(w).Flush() != nil {
				return true
			}
			select {
			case <-r.Context().Done():
			case <-e.ended:
				return true
			case <-time.After(pause):
			}
		}
		return true
	}
}

// endingStream answers with a stream that ends after some text.
func endingStream(text string) web {
	return func(w http.ResponseWriter, _ *http.Request, _ enemy) bool {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text)
		return true
	}
}

// to makes an adversary do something about some requests.
func to(of func(*http.Request) bool, do web) web {
	return func(w http.ResponseWriter, r *http.Request, e enemy) bool { return of(r) && do(w, r, e) }
}

func isDial(r *http.Request) bool    { return r.URL.Path == "/live/topics" }
func isRequest(r *http.Request) bool { return !isDial(r) }
func isLook(r *http.Request) bool {
	return !isStream(r) && r.URL.Query().Get("after") == "now" && strings.HasSuffix(r.URL.Path, "*")
}
func ofPattern(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "*") }
func isAny(*http.Request) bool       { return true }
func isChanges(r *http.Request) bool {
	return isRequest(r) && !isStream(r) && r.URL.Query().Has("after") && r.URL.Query().Get("after") != "now"
}
func isItems(r *http.Request) bool {
	return isRequest(r) && r.Method == http.MethodGet && !r.URL.Query().Has("after")
}

// withStatus answers with the status and text of another server.
func withStatus(code int) web {
	return func(w http.ResponseWriter, r *http.Request, _ enemy) bool {
		return status(code, isAny)(w, r)
	}
}

// endless writes something for ever.
func endless(kind, text string, pause time.Duration) web {
	return func(w http.ResponseWriter, r *http.Request, e enemy) bool {
		w.Header().Set("Content-Type", kind)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, text); err != nil {
				return true
			}
			_ = http.NewResponseController(w).Flush()
			if pause > 0 && !e.waits(pause) {
				return true
			}
		}
		return true
	}
}

// noAnswer answers nothing.
func noAnswer(_ http.ResponseWriter, r *http.Request, e enemy) bool {
	select {
	case <-r.Context().Done():
	case <-e.ended:
	}
	return true
}

// changesOf answers with changes.
func changesOf(cursor string, changes ...events.Change) web {
	return func(w http.ResponseWriter, _ *http.Request, _ enemy) bool {
		say(w, events.TopicChanges{Topic: topic, Cursor: cursor, View: events.WholeView, Changes: changes})
		return true
	}
}

// noStreams makes a client poll.
func noStreams(other web) web {
	return func(w http.ResponseWriter, r *http.Request, e enemy) bool {
		return to(isStream, withStatus(http.StatusBadGateway))(w, r, e) || other(w, r, e)
	}
}

// webAttacks are what adversaries do over HTTP.
func webAttacks() map[string]attack {
	event := func(f events.Frame) string { return "data: " + encoded(f)[0] + "\n\n" }
	change := func(epoch string, seq, to int64) events.Change {
		return events.Change{Topic: topic, Epoch: epoch, Seq: seq, To: to, Op: events.Added, ID: "i"}
	}
	news := func(epoch string, seq, to int64) string {
		return "data: " + changes(epoch, seq, to, events.Added) + "\n\n"
	}
	newsBelow := func(epoch string, seq, to int64) string {
		return event(&events.Changes{Changes: []events.Change{{Topic: ofBelow, Epoch: epoch, Seq: seq, To: to, Op: events.Added, ID: "i"}}})
	}
	all := map[string]attack{
		"nothing bad": {dials: 1, asks: 60, web: to(isStream, func(w http.ResponseWriter, r *http.Request, e enemy) bool { return false })},

		// Answers that do not come from the service.
		"a page to log in for everything":     {web: withStatus(http.StatusOK)},
		"a page to log in for all but a dial": {web: to(isRequest, withStatus(http.StatusOK))},
		"no answer to a dial":                 {web: to(isDial, noAnswer)},
		"no answer to a request":              {web: to(isRequest, noAnswer)},
		"redirects to itself": {dials: 3 * usualDials, web: func(w http.ResponseWriter, r *http.Request, _ enemy) bool {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
			return true
		}},
		"endless JSON":      {web: to(isRequest, endless("application/json", strings.Repeat(" ", 1<<18), 5*time.Second))},
		"JSON byte by byte": {web: to(isRequest, endless("application/json", " ", time.Second))},
		"an endless problem": {web: to(isRequest, func(w http.ResponseWriter, r *http.Request, e enemy) bool {
			w.WriteHeader(500)
			return endless(events.ProblemType, strings.Repeat(" ", 64), 64*time.Millisecond)(w, r, e)
		})},
		"JSON of another kind":  {web: to(isRequest, func(w http.ResponseWriter, _ *http.Request, _ enemy) bool { say(w, []int{1}); return true })},
		"JSON without a cursor": {web: to(isRequest, func(w http.ResponseWriter, _ *http.Request, _ enemy) bool { say(w, struct{}{}); return true })},
		"404 that lasts a year": {dials: 1, web: to(isRequest, func(w http.ResponseWriter, _ *http.Request, _ enemy) bool {
			w.Header().Set("Retry-After", "31536000")
			problem(w, events.Problem{Code: events.CodeUnavailable})
			return true
		})},

		// Streams.
		"streams end at once":                 {dials: 1, web: to(isStream, endingStream(""))},
		"streams end when they have begun":    {dials: 1, web: to(isStream, endingStream("retry: 0\nid: e:1\n\n"))},
		"streams come back in a year":         {dials: 1, web: to(isStream, endingStream("retry: 31536000000\nid: e:1\n\n"))},
		"streams come back before they ended": {dials: 1, web: to(isStream, endingStream("retry: -1\nretry: 99999999999999999999\nid: e:1\n\n"))},
		"streams that are not begun":          {dials: 1, asks: 500, web: to(isStream, noAnswer)},
		"silent streams":                      {dials: 1, asks: 500, web: to(isStream, streaming(time.Hour))},
		"streams of one long line":            {dials: 1, asks: 500, web: to(isStream, streaming(time.Millisecond, "data: "+strings.Repeat("x", 1000), strings.Repeat("x", 1000)))},
		"streams of empty lines":              {dials: 1, web: to(isStream, streaming(100*time.Millisecond, "\n\r\n\r\n"))},
		"streams of nonsense":                 {dials: 1, web: to(isStream, streaming(time.Second, "data: {\n\n", "data: []\n\n", ":\x00\n\n", "\xff\xfe: x\n\n", "id: \x00\n\n", "data\n\n", "data: {\"type\":\"news\"}\n\n"))},
		"compressed streams": {dials: 1, asks: 500, web: to(isStream, func(w http.ResponseWriter, r *http.Request, e enemy) bool {
			w.Header().Set("Content-Encoding", "gzip")
			return streaming(time.Second, ":\n\n")(w, r, e)
		})},
		"JSON instead of streams":       {dials: 1, asks: 500, web: to(isStream, func(w http.ResponseWriter, _ *http.Request, _ enemy) bool { say(w, struct{}{}); return true })},
		"streams that reset":            {dials: 1, asks: 500, web: to(isStream, streaming(time.Second, event(&events.Reset{Topic: topic, Reason: events.ResetEpoch})))},
		"streams of other topics":       {dials: 1, web: to(isStream, streaming(time.Second, "data: "+strings.ReplaceAll(changes("e", 2, 0, events.Added), string(topic), "other")+"\n\n"))},
		"streams of holes":              {dials: 1, web: to(isStream, streaming(time.Second, news("e", 9, 0)))},
		"streams of two epochs in turn": {dials: 1, asks: 500, web: to(isStream, streaming(time.Second, news("f", 9, 0), news("e", 9, 0), news("f", 10, 0), news("e", 10, 0)))},
		"streams of the last numbers":   {dials: 1, web: to(isStream, streaming(time.Second, news("e", 1<<63-1, 0), news("e", -1<<63, 0), news("e", 3, 1<<63-1), news("e", 0, 0), news("", 0, 0)))},

		// Polls.
		"polls are answered at once": {dials: 1, asks: 500, web: noStreams(to(isChanges, withStatus(http.StatusNoContent)))},
		"polls bring the same":       {dials: 1, asks: 500, web: noStreams(to(isChanges, changesOf("e:1", change("e", 1, 0))))},
		"polls bring holes": {dials: 1, asks: 4000, web: noStreams(to(isChanges, func(w http.ResponseWriter, r *http.Request, e enemy) bool {
			seq := int64(e.n) * 2
			return changesOf(fmt.Sprint("e:", seq), change("e", seq, 0))(w, r, e)
		}))},
		"polls go back":                 {dials: 1, asks: 500, web: noStreams(to(isChanges, changesOf("e:0", change("e", 0, 0))))},
		"polls of another epoch":        {dials: 1, asks: 500, web: noStreams(to(isChanges, changesOf("f:9", change("f", 9, 0))))},
		"polls of other topics":         {dials: 1, asks: 500, web: noStreams(to(isChanges, changesOf("e:2", events.Change{Topic: "other", Epoch: "e", Seq: 2, Op: events.Added, ID: "i"})))},
		"polls of a cursor that is bad": {asks: 500, web: noStreams(to(isChanges, changesOf("x")))},
		"every poll is a reset": {dials: 1, asks: 500, web: to(isChanges, func(w http.ResponseWriter, _ *http.Request, _ enemy) bool {
			problem(w, events.Problem{Code: events.CodeReset, Reason: events.ResetEpoch})
			return true
		})},
		"patterns whose topics always stand further": {dials: 1, asks: 1000, web: noStreams(to(isLook, func(w http.ResponseWriter, _ *http.Request, e enemy) bool {
			say(w, events.StandBelow{Cursors: map[events.Topic]string{ofBelow: fmt.Sprint("e:", 100+e.n), "other": "e:1", "orders/*": "e:1", "orders/b": "x"}})
			return true
		}))},
		"patterns whose topics are in another epoch each time": {dials: 1, asks: 1000, web: noStreams(to(isLook, func(w http.ResponseWriter, _ *http.Request, e enemy) bool {
			say(w, events.StandBelow{Cursors: map[events.Topic]string{ofBelow: fmt.Sprintf("e%d:1", e.n)}})
			return true
		}))},
		"patterns in another view each time": {dials: 1, asks: 700, web: noStreams(to(isLook, func(w http.ResponseWriter, _ *http.Request, e enemy) bool {
			say(w, events.StandBelow{View: fmt.Sprint("v", e.n), Cursors: map[events.Topic]string{ofBelow: "e:1"}})
			return true
		}))},
		"patterns with more topics each time": {dials: 1, asks: 4000, web: noStreams(to(isLook, func(w http.ResponseWriter, _ *http.Request, e enemy) bool {
			say(w, events.StandBelow{More: true, Cursors: map[events.Topic]string{events.Topic(fmt.Sprint("orders/", e.n)): "e:1"}})
			return true
		}))},
		"streams of patterns that reset":            {dials: 1, asks: 700, web: to(ofPattern, to(isStream, streaming(time.Second, event(&events.Reset{Topic: ofBelow, Reason: events.ResetEpoch}))))},
		"streams of patterns in another view":       {dials: 1, asks: 700, web: to(ofPattern, to(isStream, streaming(time.Second, event(&events.Reset{Topic: ofBelow, Reason: events.ResetView}))))},
		"streams of patterns with bad ids":          {dials: 1, asks: 700, web: to(ofPattern, to(isStream, endingStream("id: \x01\nevent: changes\n"+newsBelow("e", 2, 0))))},
		"streams of patterns that take no id":       {dials: 1, asks: 700, web: to(func(r *http.Request) bool { return r.Header.Get("Last-Event-ID") != "" }, badPlace)},
		"streams of patterns that are too long":     {dials: 1, asks: 700, web: to(ofPattern, to(isStream, streaming(time.Second, event(&events.Error{Code: events.CodeTooManyTopics}))))},
		"streams of patterns of two epochs in turn": {dials: 1, asks: 700, web: to(ofPattern, to(isStream, streaming(time.Second, newsBelow("f", 9, 0), newsBelow("e", 9, 0), newsBelow("f", 10, 0), newsBelow("e", 10, 0))))},
		"pages without end": {dials: 1, asks: 1500, web: to(isItems, func(w http.ResponseWriter, _ *http.Request, e enemy) bool {
			e.waits(time.Second)
			say(w, events.TopicItems{Topic: topic, Cursor: start.String(), Next: fmt.Sprint("n", e.n)})
			return true
		})},
	}
	for _, code := range []int{400, 401, 403, 404, 426} {
		a := attack{web: withStatus(code), ends: refused(code), dials: 1}
		if code == 401 {
			a.dials = 60
		}
		all[fmt.Sprint("status ", code, " to everything")] = a
		all[fmt.Sprint("status ", code, " to all but a dial")] = attack{web: to(isRequest, withStatus(code))}
	}
	for _, code := range []int{204, 304, 408, 429, 500, 502, 503, 504, 599} {
		all[fmt.Sprint("status ", code, " to everything")] = attack{web: withStatus(code)}
		all[fmt.Sprint("status ", code, " to all but a dial")] = attack{web: to(isRequest, withStatus(code))}
		all[fmt.Sprint("status ", code, " to streams")] = attack{dials: 1, asks: 500, web: to(isStream, withStatus(code))}
	}
	for _, code := range []events.Code{
		events.CodeBadRequest, events.CodeBadTopic, events.CodeBadItem, events.CodeBadCursor, events.CodeForbidden, events.CodeBadToken, events.CodeTokenExpired, events.CodeRevoked,
		events.CodeTooManyRequests, events.CodeTooManyHolds, events.CodeUnavailable, events.CodeInternal, events.CodeNotFound, events.CodeMethodNotAllowed, "a_code_of_tomorrow",
	} {
		answer := func(w http.ResponseWriter, _ *http.Request, _ enemy) bool {
			problem(w, events.Problem{Code: code})
			return true
		}
		a := attack{web: to(isRequest, answer)}
		s := attack{web: to(isStream, streaming(time.Second, event(&events.Error{Code: code}))), asks: 700}
		if code.Remedy() == events.GiveUp {
			a.ends, a.dials = revoked, 1
			s.ends, s.dials = revoked, 1
		}
		all[fmt.Sprintf("problem %q to all but a dial", code)] = a
		all[fmt.Sprintf("streams of the error %q", code)] = s
	}
	web := map[string]attack{}
	for name, a := range all {
		web["over HTTP: "+name] = a
	}
	return web
}

// badPlace says that the id of a stream's event is none.
func badPlace(w http.ResponseWriter, _ *http.Request, _ enemy) bool {
	problem(w, events.Problem{Code: events.CodeBadCursor})
	return true
}
