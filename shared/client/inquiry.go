package client

import (
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
)

const (
	// inquiryBytes bounds the topics that one ping asks for, with their cursors. The answer
	// names them too, with later cursors, and topics of patterns that the client does not
	// know yet; so it has twice the room.
	inquiryBytes = events.MaxFrameBytes / 2
	// cursorBytes is what a cursor takes at most, as JSON beside the name of its topic.
	cursorBytes = events.MaxEpochBytes + len(`:9223372036854775807`) + len(`"":"",`)
)

// inquiry is what one ping asks for.
type inquiry struct {
	since    time.Time // when the first of it came due
	cursors  map[string]string
	bytes    int // that the answer takes
	watches  []*watch
	families []*family
}

// inquiries are what is to be asked by ping, in few pings.
type inquiries []*inquiry

// fit gives an inquiry with room for one more topic or pattern, of which the answer takes
// some bytes. One that is larger than the room fits alone.
func (all *inquiries) fit(bytes int) *inquiry {
	for _, q := range *all {
		if q.bytes+bytes <= inquiryBytes && len(q.cursors) < events.MaxCursors {
			return q
		}
	}
	q := &inquiry{cursors: map[string]string{}}
	*all = append(*all, q)
	return q
}

// addPattern asks for the topics of a pattern, of which the answer names as many as it has
// room for.
func (all *inquiries) addPattern(f *family, since time.Time) {
	q := all.fit(f.bytes())
	q.bytes += f.bytes()
	q.families = append(q.families, f)
	q.cursors[string(f.pattern)] = events.Cursor{}.String()
	q.came(since)
}

// addTopic asks for a topic: if possible along with its pattern, as the answer names it once.
func (all *inquiries) addTopic(w *watch, since time.Time) {
	i := slices.IndexFunc(*all, func(q *inquiry) bool { return q.names(w) })
	var q *inquiry
	if i >= 0 {
		q = (*all)[i]
	} else {
		q = all.fit(entryBytes(w.topic))
		q.bytes += entryBytes(w.topic)
	}
	q.watches = append(q.watches, w)
	q.add(w)
	q.came(since)
}

// names reports whether the answer names a topic anyhow, as it is of a pattern that is asked
// for.
func (q *inquiry) names(w *watch) bool {
	return slices.Contains(q.families, w.family) && q.bytes < inquiryBytes && len(q.cursors) < events.MaxCursors
}

// add asks for what a watch misses, from the one of its topic that stands furthest back.
func (q *inquiry) add(w *watch) {
	topic := string(w.topic)
	before, err := events.ParseCursor(q.cursors[topic])
	if err != nil || w.order.cursor.Seq < before.Seq {
		q.cursors[topic] = w.order.cursor.String()
	}
}

// came notes since when something is to be asked.
func (q *inquiry) came(since time.Time) {
	if q.since.IsZero() || since.Before(q.since) {
		q.since = since
	}
}

// bytes is what an answer about the pattern takes: all of an answer if not even that has room
// for all topics.
func (f *family) bytes() int {
	if f.more {
		return inquiryBytes
	}
	bytes := entryBytes(f.pattern)
	for _, w := range f.all {
		bytes += entryBytes(w.topic)
	}
	return min(bytes, inquiryBytes)
}

func entryBytes(topic events.Topic) int { return len(topic) + cursorBytes }
