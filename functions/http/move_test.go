package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tmaxmax/go-sse"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// TestClientThatMovesSeesEachChangeOnceInOrder: it goes on by GET, long poll or stream at random,
// from its own cursors or a stream's last id. Any answer may be cut at any byte.
func TestClientThatMovesSeesEachChangeOnceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServiceOn(t, dynamotest.StartInside(t))
		s.streamTime = time.Second
		looks := &oldLooks{Stands: s.store}
		s.feed.Stands = looks
		rounds := 0
		inBubble := struct{ rapid.TB }{t} // it has no deadline, as there is none inside
		rapid.Check(inBubble, func(t *rapid.T) {
			rounds++
			m := newMover(t, s, rounds)
			for range rapid.IntRange(1, 15).Draw(t, "steps") {
				looks.old = rapid.Bool().Draw(t, "looks may be old")
				rapid.SampledFrom(steps).Draw(t, "step")(m, t)
			}
			m.finish(t)
		})
	})
}

// steps are the next steps of a mover and of writers.
var steps = []func(*mover, *rapid.T){
	func(m *mover, t *rapid.T) { m.write(t, m.topic(t)) },
	func(m *mover, t *rapid.T) { m.changes(t, m.topic(t), 0, cuts.Draw(t, "cut")) },
	func(m *mover, t *rapid.T) {
		m.meanwhile(t, func() { m.changes(t, m.topic(t), 2, cuts.Draw(t, "cut")) })
	},
	func(m *mover, t *rapid.T) { m.meanwhile(t, func() { m.stream(t, cuts.Draw(t, "cut")) }) },
}

// oldLooks gives what an earlier look has found, every other time while old is set.
type oldLooks struct {
	watch.Stands
	old   bool
	n     int
	found map[events.Topic]events.Cursor
}

func (l *oldLooks) Glance(ctx context.Context, topics []events.Topic) (map[events.Topic]events.Cursor, error) {
	if l.n++; l.old && l.n%2 == 0 && l.found != nil {
		return l.found, nil
	}
	found, err := l.Stands.Glance(ctx, topics)
	l.found = found
	return found, err
}

// mover is a client that follows topics, each from its first change on.
type mover struct {
	*service
	topics  []events.Topic
	options url.Values                     // what it sees
	viewID  string                         // the id of the view that it sees
	written map[events.Topic]int64         // changes; the n-th has the number n in its data
	at      map[events.Topic]events.Cursor // up to where it has seen each topic
	id      string                         // of the last event of the last stream; empty if there was none
}

// A filter lets two changes of four through.
const filter = `{"shown":[true]}`

func shown(n int64) bool { return n%4 < 2 }

func newMover(t *rapid.T, s *service, round int) *mover {
	m := &mover{service: s, options: url.Values{}, written: map[events.Topic]int64{}, at: map[events.Topic]events.Cursor{}}
	for n := range rapid.IntRange(1, 3).Draw(t, "topics") {
		m.topics = append(m.topics, events.Topic(fmt.Sprintf("moves/%d/%d", round, n)))
	}
	if rapid.Bool().Draw(t, "filtered") {
		m.options.Set("filter", filter)
		m.options.Set("fields", "n")
	}
	for _, topic := range m.topics {
		m.changes(t, topic, 0, uncut)
	}
	return m
}

func (m *mover) topic(t *rapid.T) events.Topic { return rapid.SampledFrom(m.topics).Draw(t, "topic") }

// write makes a few changes, of which three may fill a frame.
func (m *mover) write(t *rapid.T, topic events.Topic) {
	m.put(topic, rapid.IntRange(1, 4).Draw(t, "changes"), rapid.SampledFrom([]int{0, 10_000}).Draw(t, "bytes"))
}

func (m *mover) put(topic events.Topic, changes, size int) {
	for range changes {
		m.written[topic]++
		n := m.written[topic]
		m.service.put(topic, fmt.Sprint(n), fmt.Sprintf(`{"n":%d,"shown":%t,"more":%q}`, n, shown(n), strings.Repeat("x", size)))
	}
}

// meanwhile lets changes be made while something is held.
func (m *mover) meanwhile(t *rapid.T, held func()) {
	topic, done := m.topic(t), make(chan struct{})
	after := time.Duration(rapid.IntRange(0, 2_500).Draw(t, "milliseconds")) * time.Millisecond
	changes := rapid.IntRange(0, 3).Draw(t, "changes meanwhile")
	go func() {
		defer close(done)
		time.Sleep(after)
		m.put(topic, changes, 10_000)
	}()
	defer func() { <-done }()
	held()
}

// cuts draws after how many bytes of a body the client leaves.
var cuts = rapid.OneOf(rapid.Just(uncut), rapid.IntRange(0, 1_000), rapid.IntRange(0, 60_000))

const uncut = 1 << 30

// cutWriter takes some bytes and no more.
type cutWriter struct {
	*httptest.ResponseRecorder
	left int
}

func (w *cutWriter) Write(p []byte) (int, error) {
	n, _ := w.ResponseRecorder.Write(p[:min(len(p), w.left)]) // this cannot fail
	if w.left -= n; n < len(p) {
		return n, errors.New("the client is gone")
	}
	return n, nil
}

// ask sends a GET with the client's view, and reads up to the cut.
func (m *mover) ask(topic events.Topic, query url.Values, header http.Header, cut int) *http.Response {
	for name, values := range m.options {
		query[name] = values
	}
	r := httptest.NewRequestWithContext(m.Context(), http.MethodGet, "/topics/"+string(topic)+"?"+query.Encode(), nil)
	r.Header = header
	w := &cutWriter{httptest.NewRecorder(), cut}
	m.ServeHTTP(w, r)
	return w.Result()
}

// changes asks for the changes after the client's cursor. It learns nothing from half a body.
func (m *mover) changes(t *rapid.T, topic events.Topic, wait, cut int) (more bool) {
	after := m.at[topic]
	query := url.Values{"after": {after.String()}}
	if m.viewID != "" {
		query.Set("view", m.viewID)
	}
	if wait > 0 {
		query.Set("wait", fmt.Sprint(wait))
	}
	response := m.ask(topic, query, http.Header{}, cut)
	var body events.TopicChanges
	err := json.NewDecoder(response.Body).Decode(&body)
	switch {
	case response.StatusCode == http.StatusNoContent && wait > 0 && response.Header.Get(cursorHeader) == after.String():
		return false
	case response.StatusCode != http.StatusOK:
		t.Fatalf("after %s of %s: answered %d, %+v", after, topic, response.StatusCode, body)
	case err != nil && cut != uncut:
		return true
	case err != nil || body.Topic != topic || m.viewID != "" && body.View != m.viewID:
		t.Fatalf("after %s of %s: body of %s as %q is seen, want %q: %v", after, topic, body.Topic, body.View, m.viewID, err)
	}
	m.viewID = body.View
	told := m.tell(t, map[events.Topic]events.Cursor{topic: after}, body.Changes)
	if told[topic].String() != body.Cursor {
		t.Fatalf("after %s of %s: changes up to %s, cursor %s", after, topic, told[topic], body.Cursor)
	}
	return body.More
}

// tell takes the changes of an answer. In each topic they must follow a cursor without a gap.
func (m *mover) tell(t *rapid.T, told map[events.Topic]events.Cursor, changes []events.Change) map[events.Topic]events.Cursor {
	for _, c := range changes {
		before, known := told[c.Topic]
		if !known || c.Seq != before.Seq+1 || before.Epoch != "" && c.Epoch != before.Epoch {
			t.Fatalf("change %s of %s follows %s", c.Cursor(), c.Topic, before)
		}
		told[c.Topic] = c.Cursor()
		m.check(t, c)
		if at := m.at[c.Topic]; c.Cursor().Seq > at.Seq {
			m.at[c.Topic] = c.Cursor()
		}
	}
	return told
}

// check holds a change to what was written.
func (m *mover) check(t *rapid.T, c events.Change) {
	filtered := m.options.Has("filter")
	if c.Op == events.Skipped {
		for n := c.Seq; n <= c.Cursor().Seq; n++ {
			if !filtered || c.Costly || shown(n) {
				t.Fatalf("skipped, also %d: %+v", n, c)
			}
		}
		return
	}
	var data struct{ N int64 }
	if err := json.Unmarshal(c.Data, &data); err != nil || data.N != c.Seq || c.ID != fmt.Sprint(c.Seq) || c.To != 0 || filtered && !shown(c.Seq) {
		t.Fatalf("change %s is %.100s of item %s: %v", c.Cursor(), c.Data, c.ID, err)
	}
}

// stream follows all topics, from the last id or the client's cursors.
func (m *mover) stream(t *rapid.T, cut int) {
	query, header := url.Values{}, http.Header{"Accept": {streamType}}
	told := map[events.Topic]events.Cursor{}
	for i, topic := range m.topics {
		told[topic] = m.at[topic]
		if i > 0 {
			query.Add("topic", string(topic))
		}
	}
	if m.id != "" && rapid.Bool().Draw(t, "by the last id") {
		told = m.placesOf(t, m.id)
		header.Set("Last-Event-ID", m.id)
	} else {
		for _, topic := range m.topics {
			query.Add("after", m.at[topic].String())
			query.Add("view", m.viewID)
		}
	}
	response := m.ask(m.topics[0], query, header, cut)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("a stream is answered %d", response.StatusCode)
	}
	for e, err := range sse.Read(response.Body, &sse.ReadConfig{MaxEventSize: 1 << 20}) {
		if err != nil {
			t.Fatal(err)
		}
		m.event(t, e, told)
	}
	for topic, at := range m.placesOf(t, m.id) {
		if cut == uncut && at != told[topic] {
			t.Fatalf("the stream has told %s up to %s, and its last id says %s", topic, told[topic], at)
		}
	}
}

// event takes one event of a stream. Its id may not be ahead of the changes so far.
func (m *mover) event(t *rapid.T, e sse.Event, told map[events.Topic]events.Cursor) {
	frame, err := events.Decode([]byte(e.Data))
	if err != nil {
		t.Fatalf("event %+v: %v", e, err)
	}
	switch f := frame.(type) {
	case *events.Changes:
		m.tell(t, told, f.Changes)
	case *events.Subscribed:
	default:
		t.Fatalf("event %s: %.200s", e.Type, e.Data)
	}
	if e.LastEventID == "" {
		return
	}
	m.id = e.LastEventID
	for topic, at := range m.placesOf(t, m.id) {
		if at.Seq > told[topic].Seq {
			t.Fatalf("the id %s is ahead of %s, up to where %s was told", m.id, told[topic], topic)
		}
	}
}

// placesOf reads an id. There is none before the first stream.
func (m *mover) placesOf(t *rapid.T, id string) map[events.Topic]events.Cursor {
	places := map[events.Topic]events.Cursor{}
	if id == "" {
		return places
	}
	text, _, _ := strings.Cut(id, "~")
	cursors := strings.Split(text, ",")
	for i, topic := range m.topics {
		at, err := events.ParseCursor(cursors[i])
		if err != nil || len(cursors) != len(m.topics) {
			t.Fatalf("id %s: %v", id, err)
		}
		places[topic] = at
	}
	return places
}

// finish reads the rest. Then the client has seen all changes.
func (m *mover) finish(t *rapid.T) {
	for _, topic := range m.topics {
		for m.changes(t, topic, 0, uncut) {
		}
		if at := m.at[topic]; at.Seq != m.written[topic] {
			t.Fatalf("%s is seen up to %s, after %d changes", topic, at, m.written[topic])
		}
	}
}
