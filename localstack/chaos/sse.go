package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tmaxmax/go-sse"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/client"
)

// streamType is the content type of Server-Sent Events.
const streamType = "text/event-stream"

// maxEventBytes is more than the size of any event.
const maxEventBytes = 16 << 20

// stream follows topics by Server-Sent Events from the wanderer's cursors, or from now on if it has
// none.
func (l *leg) stream(ctx context.Context, topics []*checker) error {
	return l.follow(ctx, topics, false)
}

// streamItems follows a topic from its items on.
func (l *leg) streamItems(ctx context.Context, topics []*checker) error {
	return l.follow(ctx, topics, true)
}

// telling is one stream and what it tells.
type telling struct {
	*leg
	topics []*checker
	list   string
	lines  []line // by topic; empty until the stream has said where it begins
	id     string // of the last event
	items  []client.Page
	from   string // the Next of the next page of items
}

func (l *leg) follow(ctx context.Context, topics []*checker, items bool) error {
	if err := l.mayStream(ctx); err != nil {
		return err
	}
	t := &telling{leg: l, topics: topics}
	query, header := url.Values{}, http.Header{"Accept": {streamType}}
	t.narrowed(query)
	for _, k := range topics {
		t.list += string(k.topic) + " "
	}
	for _, k := range topics[1:] {
		query.Add("topic", string(k.topic))
	}
	if items {
		query.Set("snapshot", "true")
	} else if err := t.resume(query, header); err != nil {
		return err
	}
	response, err := l.ask(ctx, topics[0].topic, query, header)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != streamType {
		return broke("a stream is answered %d with %s", response.StatusCode, got)
	}
	return t.hear(ctx, &retryReader{Reader: response.Body})
}

// mayStream waits until a stream may be opened again.
func (l *leg) mayStream(ctx context.Context) error {
	l.mu.Lock()
	wait := time.Until(l.streams)
	l.mu.Unlock()
	sleep(ctx, wait)
	return ctx.Err()
}

// resume says where the stream is to begin, in one of several ways: by a cursor of each topic, or
// by the id of their last stream, unchanged or with other cursors.
func (t *telling) resume(query url.Values, header http.Header) error {
	cursors := make([]string, len(t.topics))
	for i, k := range t.topics {
		if _, begun := t.stands(k); !begun {
			return nil
		}
		cursors[i] = t.leg.from(k).String()
	}
	id := strings.Join(cursors, ",")
	if len(t.topics) > 1 || t.narrow {
		id = t.lastID(id)
	}
	switch way := t.random.IntN(3); {
	case way == 0 || id == "":
		query["after"], id = cursors, strings.Join(cursors, ",")
		if view := t.viewIDSent(); view != "" {
			query["view"] = slices.Repeat([]string{view}, len(cursors))
		}
	case way == 1:
		query.Set("last_event_id", id)
	default:
		header.Set("Last-Event-ID", id)
	}
	t.id = id
	return t.stand(id)
}

// lastID is an id for several topics, or for a view; empty if there has been none.
func (t *telling) lastID(cursors string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.ids[t.list]
	if id == "" || t.random.IntN(2) == 0 {
		return id
	}
	_, hash, _ := strings.Cut(id, "~")
	return cursors + "~" + hash
}

// stand lets the lines begin at the cursors of an id.
func (t *telling) stand(id string) error {
	text, _, _ := strings.Cut(id, "~")
	parts := strings.Split(text, ",")
	if len(parts) != len(t.topics) {
		return broke("id %s is not of %d topics", id, len(t.topics))
	}
	t.lines = make([]line, len(parts))
	for i, part := range parts {
		at, err := events.ParseCursor(part)
		if err != nil {
			return broke("id %s: %w", id, err)
		}
		t.lines[i].at = at
	}
	return nil
}

// hear takes events until the stream ends, or the wanderer has enough.
func (t *telling) hear(ctx context.Context, body *retryReader) error {
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.streams = time.Now().Add(body.retry)
	}()
	heard := false
	for e, err := range sse.Read(body, &sse.ReadConfig{MaxEventSize: maxEventBytes}) {
		if err == nil {
			heard = true
			err = t.event(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case body.err != io.EOF:
		return fmt.Errorf("stream cut: %w", body.err)
	case body.retry == 0:
		return broke("a stream ends without a retry time")
	case !heard:
		t.count("answers", "200 and turned away")
		t.noHoldsFor(body.retry)
	}
	return nil
}

// event takes one event.
func (t *telling) event(ctx context.Context, e sse.Event) error {
	if e.Data == "" { // not dispatched, but its id counts
		return t.settle(e.LastEventID)
	}
	frame, err := events.Decode([]byte(e.Data))
	if err != nil || events.TypeOf(frame) != e.Type {
		return broke("event %q has %.200s: %w", e.Type, e.Data, err)
	}
	switch f := frame.(type) {
	case *events.Subscribed:
		err = t.place(ctx, f, e.LastEventID)
	case *events.Changes:
		err = t.changes(f.Changes)
	case *events.Snapshot:
		if err = t.snapshot(f); f.More {
			return err // the id is a place amid the items, where nothing is complete
		}
	case *events.Error:
		if f.Code == events.CodeTokenExpired && t.lapsed() {
			return fmt.Errorf("stream ends: %w", f)
		}
		return broke("the stream ends with %s", e.Data)
	default:
		return broke("the stream tells %.200s", e.Data)
	}
	if err != nil {
		return err
	}
	return t.settle(e.LastEventID)
}

// place takes the place of the stream, and compares it with the event's id. A stream without a
// given place may begin ahead of the wanderer. The wanderer then asks for the changes in between.
func (t *telling) place(ctx context.Context, f *events.Subscribed, id string) error {
	told := t.lines
	if err := t.stand(id); err != nil {
		return err
	}
	for i, k := range t.topics {
		place := t.lines[i].at
		says := f.Cursors[k.topic]
		if len(t.topics) == 1 {
			says = f.Cursor.String()
		}
		if says != place.String() || f.Topic != t.topics[0].topic {
			return broke("%s: the stream of %s begins at %q, but its id is %s", k.topic, f.Topic, says, id)
		}
		if told != nil {
			continue
		}
		if err := t.begins(k, place); err != nil {
			return err
		}
		for at, _ := t.stands(k); at.Seq < place.Seq; at, _ = t.stands(k) {
			if _, err := t.leg.changes(ctx, k, 0); err != nil {
				return err
			}
		}
	}
	if told != nil {
		t.lines = told
	}
	return nil
}

// settle keeps the id of the last event. It must agree with what the stream has told so far.
func (t *telling) settle(id string) error {
	if id == t.id {
		return nil
	}
	told := t.lines
	if told == nil {
		return broke("the id %s comes before the first place of the stream", id)
	}
	if err := t.stand(id); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, k := range t.topics {
		if t.lines[i] != told[i] {
			return broke("%s: the id %s has %s, but the stream has told up to %s", k.topic, id, t.lines[i].at, told[i].at)
		}
		t.places[k.topic] = t.lines[i].at
	}
	t.id, t.ids[t.list] = id, id
	return nil
}

func (t *telling) changes(changes []events.Change) error {
	if t.lines == nil {
		return broke("changes come before the first place of the stream")
	}
	for _, c := range changes {
		i := 0
		for i < len(t.topics)-1 && t.topics[i].topic != c.Topic {
			i++
		}
		if err := t.lines[i].next(t.topics[i].topic, c); err != nil {
			return err
		}
		if err := t.apply(t.topics[i], c); err != nil {
			return err
		}
	}
	return nil
}

// snapshot takes the items once they are complete.
func (t *telling) snapshot(f *events.Snapshot) error {
	k := t.topics[0]
	if t.lines != nil || f.Topic != k.topic || f.From != t.from {
		return broke("%s: items of %s from %q come where %q was due", k.topic, f.Topic, f.From, t.from)
	}
	t.items = append(t.items, client.Page{First: t.items == nil, Last: !f.More, Items: f.Items, Costly: f.Costly})
	if t.from = f.Next; f.More {
		return nil
	}
	t.lines = []line{{f.Cursor}}
	return t.start(k, t.items, f.Cursor)
}

// retryReader reads a stream. It keeps the retry time and how the stream has ended, which package
// sse does not report.
type retryReader struct {
	io.Reader
	retry time.Duration
	err   error
	line  []byte // the current line, as far as it matters
}

func (r *retryReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	for _, b := range p[:n] {
		if b != '\n' {
			if len(r.line) < 40 {
				r.line = append(r.line, b)
			}
			continue
		}
		if text, ok := bytes.CutPrefix(r.line, []byte("retry: ")); ok {
			milliseconds, _ := strconv.Atoi(string(text)) // 0 means none
			r.retry = time.Duration(milliseconds) * time.Millisecond
		}
		r.line = r.line[:0]
	}
	if err != nil {
		r.err = err
	}
	return n, err
}
