package client

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// pattern is the state of a pattern that the exchange follows. Each of its topics is followed by
// itself, and a stream of the pattern brings their changes. While there is no stream, the client
// asks now and then for the cursors of the topics. In both cases it reads, one by one, the topics
// whose cursors are ahead of what was handed on.
//
// It therefore does not matter where a stream begins, and the engine may bring cursors of another
// link.
type pattern struct {
	name   events.Topic
	asked  events.Request // the engine's subscribe
	seen   string         // the id of the view that the client may see
	topics map[events.Topic]*follow
	more   bool // the service has not named all topics
	older  bool // it had not done so at the subscribe either, so topics may be older than that

	stream      *stream   // the stream that shall bring it; nil if there is none
	lastEventID string    // the id of the last event of a stream
	since       time.Time // since when it has had no stream
	apart       time.Time // until then no stream is opened, as the service refused one for so many topics

	looking bool      // a look is under way
	lookAt  time.Time // when to look
	vain    int       // looks in a row that have found nothing
}

// lastEventIDBytes bounds the id of a stream's event. The service makes no longer one.
const lastEventIDBytes = 4 << 10

// patternStreams bounds the streams of patterns, so that one stream is left for topics.
const patternStreams = streamsAtOnce - 1

// topicsOfLook is how many topics a look may cover at the normal pause. With more topics the pause
// grows in proportion, because the service reads each of them.
const topicsOfLook = 100

// stand holds the current cursors of a pattern's topics.
type stand struct {
	events.Below
	viewID string
}

// standBelow asks for the current cursors of a pattern's topics.
func (w *web) standBelow(ctx context.Context, r events.Request) (s stand, err error) {
	query, err := viewQuery(r)
	if err != nil {
		return s, err
	}
	query.Del("delta") // applies to changes only
	query.Set("after", "now")
	var answer events.StandBelow
	err = w.fetch(ctx, call{method: http.MethodGet, path: topicPath(r.Topic), query: query}, &answer, nil)
	return stand{events.Below{Cursors: answer.Cursors, More: answer.More}, answer.View}, err
}

// itemsBelow reads the first items of the first topics of a pattern.
func (w *web) itemsBelow(ctx context.Context, r events.Request, progress func()) (pages []*events.Snapshot, err error) {
	query, err := viewQuery(r)
	if err != nil {
		return nil, err
	}
	query.Del("delta")
	query.Del("latest")
	var answer events.ItemsBelow
	err = w.fetch(ctx, call{method: http.MethodGet, path: topicPath(r.Topic), query: query}, &answer, progress)
	for _, items := range answer.Topics {
		if cursor, wrong := events.ParseCursor(items.Cursor); wrong == nil {
			pages = append(pages, &events.Snapshot{ID: r.ID, Topic: items.Topic, Cursor: cursor, Items: items.Items, Costly: items.Costly, More: items.Next != "", Next: items.Next})
		}
	}
	return append(pages, &events.Snapshot{ID: r.ID, Topic: events.Topic(r.Topic)}), err
}

// subscribeBelow begins to follow a pattern: with the current cursors of its topics, and with items
// if the engine asks for them. The engine asks by ping for what else it misses of a topic.
func (x *exchange) subscribeBelow(r events.Request) func() {
	at, err := x.standBelow(x.life, r)
	var pages []*events.Snapshot
	if err == nil && r.Snapshot {
		pages, err = x.itemsBelow(x.life, r, x.working(r))
	}
	if err != nil {
		return func() { x.refuse(r, err) }
	}
	return func() {
		x.answered()
		p := x.followBelow(r, at)
		told := events.Below{Cursors: map[events.Topic]string{}, More: at.More}
		for topic, f := range p.topics {
			if told.Cursors[topic] = f.cursor.String(); f.behind() {
				told.Cursors[topic] = f.head.String()
			}
		}
		x.answer(&events.Subscribed{ID: r.ID, Topic: p.name, View: at.viewID, Below: told})
		for _, page := range pages {
			x.answer(page)
		}
	}
}

// followBelow begins to follow a pattern. A pattern that is followed already in the same way keeps
// its cursors.
func (x *exchange) followBelow(r events.Request, at stand) *pattern {
	now := time.Now()
	p := &pattern{
		name: events.Topic(r.Topic), asked: r, seen: cmp.Or(at.viewID, events.WholeView), older: at.More,
		topics: map[events.Topic]*follow{}, since: now, lookAt: now.Add(lookPause),
	}
	if old := x.patterns[p.name]; old != nil && old.streamKey() == p.streamKey() && old.seen == p.seen {
		old.stands(at)
		return old
	}
	for topic, text := range at.Cursors {
		if head, err := events.ParseCursor(text); err == nil && p.has(topic) {
			p.follow(topic, head)
		}
	}
	p.more = at.More
	x.patterns[p.name] = p
	return p
}

// has reports whether a topic belongs to the pattern.
func (p *pattern) has(topic events.Topic) bool {
	return !topic.IsPattern() && p.name.Matches(topic)
}

// streamKey gives the same text for patterns with the same filter, fields, delta and latest.
func (p *pattern) streamKey() string {
	query, _ := viewQuery(p.asked) // viewQuery has accepted it before
	return query.Encode()
}

// follow begins to follow a topic of the pattern from a cursor.
func (p *pattern) follow(topic events.Topic, at events.Cursor) *follow {
	p.topics[topic] = p.member(topic, at)
	return p.topics[topic]
}

// member makes the state of a topic of the pattern.
func (p *pattern) member(topic events.Topic, at events.Cursor) *follow {
	f := &follow{topic: topic, asked: p.asked, seen: p.seen, cursor: at, head: at, of: p}
	f.asked.Topic, f.asked.Snapshot = string(topic), false
	return f
}

// stands takes the current cursors of the pattern's topics. A topic that was created after the
// subscribe is read from its first change on.
func (p *pattern) stands(at stand) {
	p.more = at.More
	for topic, text := range at.Cursors {
		head, err := events.ParseCursor(text)
		if err != nil || !p.has(topic) {
			continue
		}
		f := p.topics[topic]
		if f == nil && p.older {
			f = p.follow(topic, head)
		} else if f == nil {
			f = p.follow(topic, events.Cursor{Epoch: head.Epoch})
		}
		f.head = head
	}
}

// behind reports whether the service has named a cursor of the topic that was not handed on yet.
func (f *follow) behind() bool {
	return f.head.Epoch != f.cursor.Epoch || f.head.Seq > f.cursor.Seq
}

// tell names the pattern, and the cursors of its topics up to which changes were handed on.
func (p *pattern) tell(below *events.Below) {
	below.Cursors[p.name], below.More = events.Cursor{}.String(), below.More || p.more
	for topic, f := range p.topics {
		if _, named := below.Cursors[topic]; !named && !f.lost {
			below.Cursors[topic] = f.cursor.String()
		}
	}
}

// current reports whether a topic is still followed.
func (x *exchange) current(f *follow) bool {
	if f.of != nil {
		return x.patterns[f.of.name] == f.of
	}
	return x.follows[f.topic] == f
}

// following gives the state of a topic, followed by itself or as one of a pattern; nil if it is not
// followed.
func (x *exchange) following(topic events.Topic) *follow {
	if f := x.follows[topic]; f != nil {
		return f
	}
	for _, p := range x.patterns {
		if f := p.topics[topic]; f != nil {
			return f
		}
	}
	for _, p := range x.patterns {
		if p.more && p.has(topic) { // the engine knows the topic from elsewhere
			return p.member(topic, events.Cursor{})
		}
	}
	return nil
}

// lapseBelow makes the engine subscribe to a pattern again, because it cannot be followed in this
// way.
func (x *exchange) lapseBelow(p *pattern) {
	if x.patterns[p.name] == p {
		delete(x.patterns, p.name)
		x.give(incoming{lapsed: p.name})
	}
}

// brought reports whether a stream brings the pattern.
func (p *pattern) brought() bool { return p.stream != nil && p.stream.begun }

// leave removes a pattern from its stream. The client looks if it gets no other stream soon.
func (p *pattern) leave(now time.Time) { p.stream, p.since, p.lookAt = nil, now, now.Add(coverPause) }

// openPatterns opens streams of patterns that have none, and gives the time when more are due.
func (x *exchange) openPatterns(now time.Time) (next time.Time) {
	next = now.Add(time.Hour)
	open := 0
	for _, s := range x.streams.open {
		if s.of != nil {
			open++
		}
	}
	for _, p := range x.patterns {
		due := later(later(p.since, p.apart), x.streams.next.notBefore)
		switch {
		case p.stream != nil || open >= patternStreams || len(x.streams.open) >= streamsAtOnce:
		case now.Before(due):
			next = sooner(next, due)
		default:
			x.openPattern(p)
			open++
		}
	}
	return next
}

// openPattern opens a stream of a pattern: after the last event of the stream before, or from now
// on.
func (x *exchange) openPattern(p *pattern) {
	query, _ := viewQuery(p.asked) // viewQuery has accepted it before
	c := call{method: http.MethodGet, path: topicPath(string(p.name)), query: query, header: http.Header{}}
	if p.lastEventID != "" {
		c.header.Set("Last-Event-ID", p.lastEventID)
	}
	p.stream = x.startStream(&stream{of: p, key: query.Encode()}, c)
}

// eventBelow handles an event of a pattern's stream.
func (x *exchange) eventBelow(p *pattern, frame events.Frame, id string) {
	switch f := frame.(type) {
	case *events.Subscribed:
		if cmp.Or(f.View, events.WholeView) != p.seen {
			x.lapseBelow(p)
			return
		}
		p.stands(stand{Below: f.Below})
	case *events.Reset:
		if f.Reason == events.ResetView || p.topics[f.Topic] == nil {
			x.lapseBelow(p)
			return
		}
		p.topics[f.Topic].lost = true
	case *events.Changes:
		of := map[events.Topic][]events.Change{}
		for _, c := range f.Changes {
			if p.has(c.Topic) && plausible(c) {
				of[c.Topic] = append(of[c.Topic], c)
			}
		}
		for topic, changes := range of {
			followed := p.topics[topic]
			if followed == nil {
				followed = p.follow(topic, events.Cursor{Epoch: changes[0].Epoch, Seq: changes[0].Seq - 1})
			}
			x.bring(followed, changes)
		}
	}
	if p.lastEventID = ""; len(id) <= lastEventIDBytes && !strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c > '~' }) {
		p.lastEventID = id
	}
}

// endedBelow handles a lasting refusal or end of a pattern's stream.
func (x *exchange) endedBelow(p *pattern, why *events.Error, now time.Time) {
	known := p.lastEventID != ""
	p.lastEventID = ""
	switch {
	case why.Code == events.CodeTooManyTopics:
		p.apart = now.Add(max(x.o.BetterInterval, longestBetterInterval))
		x.logger.Info("the pattern has too many topics for a stream, it is polled", "pattern", p.name)
	case why.Code == events.CodeBadCursor && known: // the next one begins anew
	default:
		x.lapseBelow(p)
		x.trouble(now)
	}
}
