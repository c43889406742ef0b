package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tmaxmax/go-sse"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
	"pgregory.net/rapid"
)

// TestStreamsDrawTheTable: a client follows patterns and topics from their items on. Its streams
// are cut at any byte, its view changes, the secret of the service is rotated twice and topics
// begin anew. At the end its picture equals the table.
func TestStreamsDrawTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServiceOn(t, dynamotest.StartInside(t))
		s.streamTime = time.Second
		s.feed.Limits.SnapshotItems = 2
		looks := &oldLooks{Stands: s.store}
		s.feed.Stands = looks
		rounds := 0
		inBubble := struct{ rapid.TB }{t} // it has no deadline, as there is none inside
		rapid.Check(inBubble, func(t *rapid.T) {
			rounds++
			p := newPainter(t, s, rounds)
			for range rapid.IntRange(1, 12).Draw(t, "steps") {
				looks.old = rapid.Bool().Draw(t, "looks may be old")
				rapid.SampledFrom(paints).Draw(t, "step")(p, t)
			}
			p.finish(t)
		})
	})
}

var paints = []func(*painter, *rapid.T){
	func(p *painter, t *rapid.T) { p.change(t) },
	func(p *painter, t *rapid.T) { p.stream(t, cuts.Draw(t, "cut")) },
	func(p *painter, t *rapid.T) { p.stream(t, rapid.IntRange(200, 6_000).Draw(t, "cut amid pages")) },
	func(p *painter, t *rapid.T) { p.meanwhile(t, func() { p.stream(t, cuts.Draw(t, "cut")) }) },
	func(p *painter, t *rapid.T) { p.filtered = !p.filtered },
	func(p *painter, t *rapid.T) { p.lives++ },
	func(p *painter, t *rapid.T) {
		p.feed.Sealer = seal.Fixed([]byte(strings.Repeat(rapid.StringMatching("[a-z]").Draw(t, "secret"), seal.MinSecretBytes)))
	},
}

// painter is a client with a picture of the topics that it follows, and the table that it should
// equal.
type painter struct {
	*service
	names    []string // that it follows
	topics   []events.Topic
	table    map[events.Topic]map[string]string
	filtered bool
	lives    int // of the topics' numbering

	id      string
	picture map[events.Topic]map[string]string
	at      map[events.Topic]events.Cursor
	pages   map[events.Topic]map[string]string // of a topic whose items are not all there
	next    map[events.Topic]string            // where they go on
}

func newPainter(t *rapid.T, s *service, round int) *painter {
	base := fmt.Sprintf("paints/%d", round)
	names := rapid.SampledFrom([][]string{
		{"a"}, {"*"}, {"**"}, {"a", "b"}, {"*", "a"}, {"a", "*"}, {"**", "*", "b"}, {"b/**", "*"}, {"b", "**", "b/*"},
	}).Draw(t, "names")
	p := &painter{service: s, table: map[events.Topic]map[string]string{}, lives: round * 100}
	p.forget()
	for _, name := range names {
		p.names = append(p.names, base+"/"+name)
	}
	for _, topic := range []string{"a", "b", "c", "b/x", "b/y"} {
		p.topics = append(p.topics, events.Topic(base+"/"+topic))
	}
	for range rapid.IntRange(0, 20).Draw(t, "items at first") {
		p.change(t)
	}
	return p
}

func (p *painter) forget() {
	p.picture, p.at = map[events.Topic]map[string]string{}, map[events.Topic]events.Cursor{}
	p.pages, p.next = map[events.Topic]map[string]string{}, map[events.Topic]string{}
}

// change puts or removes an item.
func (p *painter) change(t *rapid.T) {
	topic := rapid.SampledFrom(p.topics).Draw(t, "topic")
	id := rapid.StringMatching("[1-6]").Draw(t, "item")
	data := fmt.Sprintf(`{"n":%d,"shown":%t}`, p.writes, rapid.Bool().Draw(t, "shown"))
	p.write(topic, id, data, rapid.IntRange(0, 3).Draw(t, "removed") == 0)
}

func (p *painter) write(topic events.Topic, id, data string, removed bool) {
	before, there := p.table[topic][id]
	if removed && !there {
		return
	}
	p.writes++
	w := watch.Write{Topic: topic, ID: id, Op: events.Added, Time: time.Now(), Data: json.RawMessage(data), Position: watch.Position(fmt.Sprint(p.writes))}
	item := watch.Publication{Topic: topic, Item: events.Item{ID: id, Data: json.RawMessage(data)}}
	var err error
	switch {
	case removed:
		w.Op, w.Data = events.Removed, json.RawMessage(before)
		delete(p.table[topic], id)
		err = p.store.Remove(p.Context(), item)
	default:
		if there {
			w.Op, w.Before = events.Modified, json.RawMessage(before)
		}
		if p.table[topic] == nil {
			p.table[topic] = map[string]string{}
		}
		p.table[topic][id] = data
		err = p.store.Put(p.Context(), item)
	}
	if err == nil {
		_, err = watch.Numberer{Log: p.store}.Number(p.Context(), recordStream+watch.Stream(fmt.Sprint(p.lives)), []watch.Write{w})
	}
	if err != nil {
		p.Fatal(err)
	}
}

// meanwhile makes changes while something is held.
func (p *painter) meanwhile(t *rapid.T, held func()) {
	topic, done := rapid.SampledFrom(p.topics).Draw(t, "topic"), make(chan struct{})
	after := time.Duration(rapid.IntRange(0, 2_500).Draw(t, "milliseconds")) * time.Millisecond
	ids := rapid.SliceOfN(rapid.StringMatching("[1-6]"), 0, 3).Draw(t, "items")
	removed := rapid.Bool().Draw(t, "removed")
	go func() {
		defer close(done)
		time.Sleep(after)
		for i, id := range ids {
			p.write(topic, id, fmt.Sprintf(`{"n":%d,"shown":%t}`, p.writes, i%2 == 0), removed)
		}
	}()
	defer func() { <-done }()
	held()
}

// stream goes on from the last id.
func (p *painter) stream(t *rapid.T, cut int) {
	query := url.Values{"snapshot": {"true"}, "topic": p.names[1:]}
	if p.filtered {
		query.Set("filter", filter)
	}
	r := httptest.NewRequestWithContext(p.Context(), http.MethodGet, "/topics/"+p.names[0]+"?"+query.Encode(), nil)
	r.Header.Set("Accept", streamType)
	r.Header.Set("Last-Event-ID", p.id)
	w := &cutWriter{httptest.NewRecorder(), cut}
	p.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("a stream from %q is answered %d %s", p.id, w.Code, w.Body)
	}
	for e, err := range sse.Read(w.Result().Body, &sse.ReadConfig{MaxEventSize: 1 << 20}) {
		if err != nil {
			t.Fatal(err)
		}
		frame, err := events.Decode([]byte(e.Data))
		if err != nil {
			t.Fatalf("event %+v: %v", e, err)
		}
		p.paint(t, frame)
		p.id = e.LastEventID
	}
}

// paint paints what an event tells.
func (p *painter) paint(t *rapid.T, frame events.Frame) {
	switch f := frame.(type) {
	case *events.Reset:
		for _, topic := range p.topics {
			if topic == f.Topic || p.owner(topic) == string(f.Topic) {
				delete(p.picture, topic)
				delete(p.at, topic)
				delete(p.pages, topic)
				delete(p.next, topic)
			}
		}
	case *events.Snapshot:
		p.page(t, f)
	case *events.Changes:
		for _, c := range f.Changes {
			p.changed(t, c)
		}
	case *events.Subscribed:
		for topic, at := range f.Cursors {
			if p.at[topic].String() != at {
				t.Fatalf("%s is said to be followed from %s, it was told up to %s", topic, at, p.at[topic])
			}
		}
	default:
		t.Fatalf("frame %+v", frame)
	}
}

func (p *painter) page(t *rapid.T, f *events.Snapshot) {
	if slices.Contains(p.names, string(f.Topic)) && strings.HasSuffix(string(f.Topic), "*") {
		return // the end of a pattern's
	}
	if f.From != p.next[f.Topic] || f.From != "" && p.pages[f.Topic] == nil {
		t.Fatalf("a page of %s comes from %q, and the page before leads to %q", f.Topic, f.From, p.next[f.Topic])
	}
	if f.From == "" {
		p.pages[f.Topic] = map[string]string{}
	}
	for _, item := range f.Items {
		if _, twice := p.pages[f.Topic][item.ID]; twice {
			t.Fatalf("item %s of %s comes twice", item.ID, f.Topic)
		}
		p.pages[f.Topic][item.ID] = string(item.Data)
	}
	if p.next[f.Topic] = f.Next; f.Next == "" {
		p.picture[f.Topic], p.at[f.Topic] = p.pages[f.Topic], f.Cursor
		delete(p.pages, f.Topic)
		delete(p.next, f.Topic)
	}
}

func (p *painter) changed(t *rapid.T, c events.Change) {
	at := p.at[c.Topic]
	if p.pages[c.Topic] != nil || c.Seq != at.Seq+1 || at.Epoch != "" && at.Epoch != c.Epoch {
		t.Fatalf("change %s of %s comes after %s, amid items: %t", c.Cursor(), c.Topic, at, p.pages[c.Topic] != nil)
	}
	p.at[c.Topic] = c.Cursor()
	if p.picture[c.Topic] == nil {
		p.picture[c.Topic] = map[string]string{}
	}
	switch c.Op {
	case events.Skipped:
	case events.Removed:
		delete(p.picture[c.Topic], c.ID)
	default:
		p.picture[c.Topic][c.ID] = string(c.Data)
	}
}

// owner is the name by which a topic is followed, the closest one; empty if by none.
func (p *painter) owner(topic events.Topic) string {
	base := func(name string) string { return strings.TrimSuffix(strings.TrimSuffix(name, "/**"), "/*") }
	names := slices.DeleteFunc(slices.Clone(p.names), func(name string) bool { return !events.Topic(name).Matches(topic) })
	if len(names) == 0 {
		return ""
	}
	if slices.Contains(names, string(topic)) {
		return string(topic)
	}
	return slices.MaxFunc(names, func(a, b string) int { // the longer base, then * rather than **
		return cmp.Or(cmp.Compare(len(base(a)), len(base(b))), cmp.Compare(len(b), len(a)))
	})
}

// finish follows until the picture is that of the table.
func (p *painter) finish(t *rapid.T) {
	want := map[events.Topic]map[string]string{}
	for topic, items := range p.table {
		if p.owner(topic) == "" {
			continue
		}
		shown := maps.Clone(items)
		maps.DeleteFunc(shown, func(_, data string) bool { return p.filtered && strings.Contains(data, "false") })
		if len(shown) > 0 {
			want[topic] = shown
		}
	}
	for range 8 {
		p.stream(t, uncut)
		got := maps.Clone(p.picture)
		maps.DeleteFunc(got, func(_ events.Topic, items map[string]string) bool { return len(items) == 0 })
		if len(p.pages) == 0 && reflect.DeepEqual(got, want) {
			return
		}
	}
	t.Fatalf("the picture of %v is %v, the table has %v, the id is %s", p.names, p.picture, want, p.id)
}
