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

// inquiry is a ping to be sent, with the topics and patterns that it asks for.
type inquiry struct {
	since    time.Time // when the first of it came due
	cursors  map[string]string
	bytes    int // that the answer takes
	watches  []*watch
	patterns []*patternWatch
}

// inquiries are pings to be sent, as few as have room for all that is asked for.
type inquiries []*inquiry

// fit gives an inquiry with room for one more topic or pattern, which takes the given bytes
// of the answer. If it takes more than an answer has, it gets an inquiry of its own.
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

// addPattern asks for the topics of a pattern. The answer names as many as it has room for.
func (all *inquiries) addPattern(f *patternWatch, since time.Time) {
	q := all.fit(f.bytes())
	q.bytes += f.bytes()
	q.patterns = append(q.patterns, f)
	q.cursors[string(f.pattern)] = events.Cursor{}.String()
	q.came(since)
}

// addTopic asks for a topic, if possible in the same ping as its pattern, because one answer
// names the topic once for both.
func (all *inquiries) addTopic(w *watch, since time.Time) {
	q := all.naming(w)
	if q == nil {
		q = all.fit(entryBytes(w.topic))
		q.bytes += entryBytes(w.topic)
	}
	q.watches = append(q.watches, w)
	q.add(w)
	q.came(since)
}

// naming gives the inquiry whose answer names a topic anyhow, as it is of a pattern that is
// asked for; nil if there is none.
func (all inquiries) naming(w *watch) *inquiry {
	for _, q := range all {
		if slices.Contains(q.patterns, w.pattern) && q.bytes < inquiryBytes && len(q.cursors) < events.MaxCursors {
			return q
		}
	}
	return nil
}

// add asks for what a watch misses, from the one of its topic that stands furthest back.
func (q *inquiry) add(w *watch) {
	topic := string(w.topic)
	before, err := events.ParseCursor(q.cursors[topic])
	if err != nil || w.order.cursor.Seq < before.Seq {
		q.cursors[topic] = w.order.cursor.String()
	}
}

// came notes when something that the ping asks for came due.
func (q *inquiry) came(since time.Time) {
	if q.since.IsZero() || since.Before(q.since) {
		q.since = since
	}
}

// bytes is what an answer about the pattern takes: all of an answer if not even that has room
// for all topics.
func (f *patternWatch) bytes() int {
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
