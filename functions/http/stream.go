package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// streamType is the content type of Server-Sent Events.
//
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
const streamType = "text/event-stream"

const (
	// heartbeat is how often a stream says something: proxies cut what is silent for long.
	heartbeat = 15 * time.Second
	// writeTimeout is how long a client may take to read what one event has.
	writeTimeout = 10 * time.Second
	// returnDelay is after which a client comes back to a stream that has ended.
	returnDelay = time.Second
	// busyDelay is the same, at least, where the service has no room now.
	busyDelay = 5 * time.Second
)

// stream is one answer of Server-Sent Events: frames as they come over a WebSocket.
type stream struct {
	handler
	*watch.Follower
	w      http.ResponseWriter
	viewer watch.Viewer
	begins bool  // with the items
	err    error // of the first write that failed; nothing is written after it
}

// stream answers with what comes after the places that the client names, until the time that a
// stream may be held is over. The client then comes again by itself. One that has no room now
// does so, too: any other status would end a native EventSource for good.
func (h handler) stream(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, a ask) {
	follows, placed, err := h.follows(r, viewer, a)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	ctx, cancel, err := held(r.Context(), viewer, spread(h.streamTime))
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	defer cancel()
	release, err := h.hold(ctx, viewer)
	if err != nil {
		h.turnAway(w, r, err)
		return
	}
	defer release()
	s := &stream{handler: h, w: w, viewer: viewer, begins: a.snapshot && !placed}
	news, err := s.open(ctx, follows, placed)
	if err != nil {
		h.turnAway(w, r, err)
		return
	}
	s.begin(returnDelay)
	s.end(r, s.run(ctx, news))
}

// turnAway refuses a stream. What may pass is no reason to end an EventSource for good.
func (h handler) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	if !passes(err) {
		h.refuse(w, r, err)
		return
	}
	problem := h.problemOf(r, err)
	s := stream{w: w}
	s.begin(spread(busyDelay))
	s.comment(problem.Detail)
}

// follows tells what the client follows, and whether it has said from which places. Nothing is
// read or held for that: what the token does not allow, or what cannot be, is refused for good.
func (h handler) follows(r *http.Request, viewer watch.Viewer, a ask) (follows []watch.Follow, placed bool, err error) {
	if a.next != "" || a.limit > 0 {
		return nil, false, badRequest("next and limit are of items, a stream has none")
	}
	id := lastID(r)
	placed = id != "" || len(a.after) > 0
	for _, topic := range a.topics {
		follow, err := h.topics.Begin(viewer, watch.Query{Topic: topic, Options: a.Options}, a.snapshot && !placed)
		if err != nil {
			return nil, false, about(topic, err)
		}
		follows = append(follows, follow)
	}
	switch {
	case id != "":
		err = resume(follows, id)
	case len(a.after) > 0:
		for i := range follows {
			follows[i] = a.follow(i, follows[i])
		}
	}
	return follows, placed, err
}

// open reads what is new since the client's places, or where the topics stand now: so a client that
// can be told nothing is refused before there is a stream.
func (s *stream) open(ctx context.Context, follows []watch.Follow, placed bool) (news []watch.Missed, err error) {
	if !placed {
		err = s.handler.topics.Stand(ctx, s.viewer, follows)
	}
	if err != nil {
		return nil, err
	}
	s.Follower = s.handler.topics.Follow(s.viewer, follows...)
	return s.Now(ctx)
}

// lastID is the id of the last event that the client has. A new EventSource can give it only in
// the URL.
func lastID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("last_event_id")
}

// run sends the items if they are asked for, and then what is new and what comes.
func (s *stream) run(ctx context.Context, news []watch.Missed) (err error) {
	if s.begins {
		for i, follow := range s.Follows() {
			if err := s.items(ctx, follow, i == len(s.Follows())-1); err != nil {
				return err
			}
		}
		news = nil // the items show it, or it comes again
	} else {
		s.place()
	}
	for {
		for _, missed := range news {
			if err == nil {
				err = s.tell(ctx, missed)
			}
		}
		if err != nil || s.err != nil || ctx.Err() != nil {
			return err
		}
		news, err = s.await(ctx)
	}
}

// await gives what comes, and keeps the stream open until something does.
func (s *stream) await(ctx context.Context) ([]watch.Missed, error) {
	beat, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	news, err := s.Next(beat)
	if err == nil && len(news) == 0 && ctx.Err() == nil {
		s.comment("")
		err = s.Check(ctx)
	}
	return news, err
}

// tell sends what is new of a topic. What cannot be told any more is replaced by the items. The
// id of other topics does not change by it, so nothing of them is lost if the stream breaks off.
func (s *stream) tell(ctx context.Context, missed watch.Missed) error {
	s.Take(missed)
	if missed.Reset != "" {
		s.send(&events.Reset{Topic: missed.Topic, Reason: missed.Reset}, "")
		for _, follow := range s.Follows() {
			if follow.Topic == missed.Topic {
				return s.items(ctx, follow, true)
			}
		}
	}
	frames, err := events.PackChanges(missed.Changes)
	if err != nil {
		return err
	}
	for i, frame := range frames {
		id := ""
		if i == len(frames)-1 { // one before would be of more changes than the client has
			id = s.id()
		}
		s.write("changes", frame, id)
	}
	return nil
}

// items sends all items of a topic, page by page, as long as the client may see them. They are
// whole with the last page. That has the id, if no other topic's items are to come first.
func (s *stream) items(ctx context.Context, follow watch.Follow, whole bool) error {
	from := ""
	for s.err == nil {
		if err := s.Check(ctx); err != nil {
			return err
		}
		page, err := s.handler.topics.Snapshot(ctx, s.viewer, watch.PageQuery{Query: follow.Query, Next: from})
		if err != nil {
			return err
		}
		s.Move(follow.Topic, page.Cursor)
		frame := &events.Snapshot{Topic: follow.Topic, Cursor: page.Cursor, From: from, Items: orNone(page.Items), Costly: page.Costly, More: page.Next != "", Next: page.Next}
		id := ""
		if whole && page.Next == "" {
			id = s.id()
		}
		s.send(frame, id)
		if from = page.Next; from == "" {
			return nil
		}
	}
	return nil
}

// end says why a stream ends that has not come to its time. Where that passes, the client comes
// again later. Where it does not, it is told, and refused if it comes again all the same.
func (s *stream) end(r *http.Request, err error) {
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	problem := s.problemOf(r, err)
	s.raw("retry: %d\n\n", spread(busyDelay).Milliseconds())
	if !passes(err) {
		s.send(&events.Error{Code: problem.Code, Message: problem.Detail}, "")
	}
}

// begin sends the first bytes at once, with the delay after which the client comes again.
func (s *stream) begin(again time.Duration) {
	header := s.w.Header()
	header.Set("Content-Type", streamType)
	header.Set("Cache-Control", "no-cache, no-store")
	header.Set("X-Accel-Buffering", "no") // which nginx heeds
	s.w.WriteHeader(http.StatusOK)
	s.raw("retry: %d\n\n", again.Milliseconds())
}

// place tells the client where it stands before there is a change, so that it loses nothing if the
// stream breaks off. It is an event with data. An id without data should count as well, but some
// clients, npm's eventsource among them, forget it.
//
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage
func (s *stream) place() {
	follows := s.Follows()
	frame := &events.Subscribed{Topic: follows[0].Topic, Cursor: follows[0].After}
	if len(follows) > 1 {
		frame.Cursors = map[events.Topic]string{}
		for _, follow := range follows {
			frame.Cursors[follow.Topic] = follow.After.String()
		}
	}
	s.send(frame, s.id())
}

func (s *stream) id() string { return placeOf(s.Follows()) }

// comment says something that is no event.
func (s *stream) comment(text string) { s.raw(": %s\n\n", strings.ReplaceAll(text, "\n", " ")) }

// send sends a frame as an event that has the name of the frame's type.
func (s *stream) send(frame events.Frame, id string) {
	body, err := events.Encode(frame)
	if err != nil {
		s.err = err
		return
	}
	s.write(events.TypeOf(frame), body, id)
}

// write sends one event. The client goes on after its id if the stream breaks off; an event
// without one leaves it as it is.
func (s *stream) write(name string, data []byte, id string) {
	if id != "" {
		id = "id: " + id + "\n"
	}
	s.raw("event: %s\n%sdata: %s\n\n", name, id, data)
}

func (s *stream) raw(format string, args ...any) {
	if s.err != nil {
		return
	}
	control := http.NewResponseController(s.w)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // where there is no such thing, the request's end counts
	if _, s.err = fmt.Fprintf(s.w, format, args...); s.err == nil {
		s.err = control.Flush()
	}
}
