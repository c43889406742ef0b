package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
	"github.com/watchroute/watchroute/shared/cloudevents"
)

// parcel is what a message brings of one topic.
type parcel struct {
	topic   events.Topic
	changes []events.Change
	reset   bool
	items   *events.Snapshot
}

// parcelOf reads a message: a frame, or CloudEvents.
func parcelOf(contentType string, body []byte) (p parcel, err error) {
	switch contentType {
	case cloudevents.TypeSingle, cloudevents.TypeBatch:
		if contentType == cloudevents.TypeSingle {
			body = []byte("[" + string(body) + "]")
		}
		p.changes, err = changesOf(body)
	default:
		var frame events.Frame
		if frame, err = events.Decode(body); err != nil {
			return p, err
		}
		switch f := frame.(type) {
		case *events.Changes:
			p.changes = f.Changes
		case *events.Reset:
			p.topic, p.reset = f.Topic, true
		case *events.Snapshot:
			p.topic, p.items = f.Topic, f
		default:
			return p, fmt.Errorf("a message is a %T", frame)
		}
	}
	for _, c := range p.changes {
		if p.topic != "" && c.Topic != p.topic {
			return p, fmt.Errorf("a message has changes of %s and %s", p.topic, c.Topic)
		}
		p.topic = c.Topic
	}
	if err == nil && p.topic == "" {
		err = fmt.Errorf("a message brings nothing: %.200s", body)
	}
	return p, err
}

// changesOf reads a batch of CloudEvents.
func changesOf(body []byte) (changes []events.Change, err error) {
	var batch []struct {
		ID, Type, Subject, Sequence string
		Topic                       events.Topic
		Data                        json.RawMessage
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		return nil, fmt.Errorf("read CloudEvents: %w", err)
	}
	for _, e := range batch {
		_, place, _ := strings.Cut(e.ID, "@")
		at, err := events.ParseCursor(place)
		if seq, _ := strconv.ParseInt(e.Sequence, 10, 64); err != nil || seq != at.Seq {
			return nil, fmt.Errorf("an event has the id %s and the sequence %s", e.ID, e.Sequence)
		}
		op := events.Op(strings.TrimPrefix(e.Type, "watchroute."))
		changes = append(changes, events.Change{Topic: e.Topic, Epoch: at.Epoch, Seq: at.Seq, Op: op, ID: e.Subject, Data: e.Data})
	}
	return changes, nil
}

// inbox holds what a receiver gets of one topic to the promise: each change that it sees at least
// once, and the first time in order; or a reset, and items that equal the table.
type inbox struct {
	*checker
	view
	managed bool             // its owner replays: changes may come again in other messages, and resets come
	first   map[int64]string // each change as it came first
	pages   events.Cursor    // of the items after a reset
	voided  bool             // by a reset, and no items have come yet
}

func newInbox(topic events.Topic, v view, managed bool) *inbox {
	b := &inbox{checker: newChecker(topic), view: v, managed: managed, first: map[int64]string{}}
	_ = b.see(client.Event{}) // it sees the topic from its first change on
	return b
}

// view is what a receiver sees: items of some writers, or of all if there are none, and some fields of
// them, or all.
type view struct {
	writers []int
	fields  []string
}

// all reports whether it sees all items.
func (v view) all() bool { return len(v.writers) == 0 }

// shows reports whether it sees an item.
func (v view) shows(id string) bool {
	writer, _, _ := strings.Cut(id, "-")
	for _, w := range v.writers {
		if writer == strconv.Itoa(w) {
			return true
		}
	}
	return v.all()
}

// only gives those items of some that it sees.
func (v view) only(items map[string]int64) map[string]int64 {
	shown := maps.Clone(items)
	maps.DeleteFunc(shown, func(id string, _ int64) bool { return !v.shows(id) })
	return shown
}

// check reports an item that it must not see.
func (v view) check(id string, data json.RawMessage) error {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(data, &members) // versionOf refuses what cannot be read
	for _, field := range v.fields {
		delete(members, field)
	}
	if !v.shows(id) || len(v.fields) > 0 && len(members) > 0 {
		return fmt.Errorf("item %s with %.100s is outside the view", id, data)
	}
	return nil
}

// attempt takes in a message that has come. known says that one with the same id has been taken before.
// If taken is false, the receiver fails, and the message must come again. The error is a broken
// promise.
func (b *inbox) attempt(p parcel, known, taken bool) error {
	b.events++
	switch {
	case (p.reset || p.items != nil) && !b.managed:
		return fmt.Errorf("%s: is reset, and nobody has asked for it", b.topic)
	case p.reset:
		if taken && !known {
			b.voided, b.pages = true, events.Cursor{}
		}
		return nil
	case p.items != nil:
		return b.applyItems(p.items, taken)
	case b.voided || b.inPages:
		return nil // a delivery that a replay has overtaken; what it brings comes again
	}
	return b.applyChanges(p.changes, known, taken)
}

// applyItems takes in a page. A page of another cursor begins anew, and one of an earlier cursor is
// from a delivery that was overtaken.
func (b *inbox) applyItems(page *events.Snapshot, taken bool) error {
	for _, item := range page.Items {
		if err := b.check(item.ID, item.Data); err != nil {
			return fmt.Errorf("%s: %w", b.topic, err)
		}
	}
	stale := page.Cursor.Seq < b.pages.Seq || !b.voided && !b.inPages && page.Cursor.Seq <= b.cursor.Seq
	if !taken || stale {
		return nil
	}
	begins := b.voided || page.Cursor != b.pages
	b.voided, b.pages = false, page.Cursor
	return b.see(client.Event{Cursor: page.Cursor, Page: &client.Page{First: begins, Last: !page.More, Items: page.Items, Costly: page.Costly}})
}

// applyChanges takes in changes.
func (b *inbox) applyChanges(changes []events.Change, known, taken bool) error {
	at := b.cursor.Seq
	for _, c := range changes {
		if c.Op == events.Skipped {
			if b.all() {
				return fmt.Errorf("%s: change %s is skipped, for a view of all", b.topic, c.Cursor())
			}
			if taken {
				b.cursor = events.Cursor{Epoch: c.Epoch, Seq: max(b.cursor.Seq, c.Seq, c.To)}
			}
			continue
		}
		if err := b.check(c.ID, c.Data); err != nil {
			return fmt.Errorf("%s: change %s: %w", b.topic, c.Cursor(), err)
		}
		text := fmt.Sprint(c.Epoch, c.Op, c.ID, string(c.Data))
		if was, again := b.first[c.Seq]; again && was != text {
			return fmt.Errorf("%s: change %d is %.200s, and was %.200s", b.topic, c.Seq, text, was)
		}
		switch {
		case c.Seq <= b.cursor.Seq:
			if !known && !b.managed {
				return fmt.Errorf("%s: change %s was taken, and comes again in another message", b.topic, c.Cursor())
			}
			continue
		case b.all() && c.Seq != at+1:
			return fmt.Errorf("%s: change %s comes after change %d", b.topic, c.Cursor(), at)
		}
		at = c.Seq
		if !taken {
			continue
		}
		b.first[c.Seq] = text
		if !b.all() {
			b.cursor = events.Cursor{Epoch: c.Epoch, Seq: c.Seq - 1} // what is between is not in the view
		}
		if err := b.see(client.Event{Cursor: c.Cursor(), Change: &c}); err != nil {
			return err
		}
	}
	return nil
}

// complete reports whether all that was written has been taken.
func (b *inbox) complete(l *ledger) bool {
	if b.all() {
		return !b.voided && b.checker.complete(l)
	}
	_, latest := l.versions(b.topic)
	return maps.Equal(b.seen, b.only(latest))
}

// settle compares what was taken with all that was written. The error is a broken promise.
func (b *inbox) settle(l *ledger) error {
	if b.all() {
		return b.checker.settle(l)
	}
	there, latest := l.versions(b.topic)
	if there, latest = b.only(there), b.only(latest); !maps.Equal(b.there, there) {
		return fmt.Errorf("%s: shows another state than the table: %s", b.topic, difference(b.there, there))
	} else if !maps.Equal(b.seen, latest) {
		return fmt.Errorf("%s: has not been sent the latest version of each item: %s", b.topic, difference(b.seen, latest))
	}
	return nil
}
