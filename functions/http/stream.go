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
	// returnDelay is after which a client comes back to a stream that has ended.
	returnDelay = time.Second
	// busyDelay is the same, at least, where the service has no room now.
	busyDelay = 5 * time.Second
)

// stream is one answer of Server-Sent Events: frames as they come over a WebSocket.
type stream struct {
	handler
	*watch.Follower
	w   http.ResponseWriter
	err error // of the first write that failed; nothing is written after it
}

// stream answers with all that is new after the client's places, until the time for holding a
// stream is over. The client then comes again by itself. A client for which there is no room now
// gets a stream that ends at once, because any other status would end a native EventSource for
// good. A HEAD tells whether the client may have a stream, and holds none.
func (h handler) stream(w http.ResponseWriter, r *http.Request, viewer watch.Viewer, a ask) {
	follows, now, err := h.follows(r, viewer, a)
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
	if r.Method == http.MethodHead {
		head(w)
		return
	}
	if until, ok := ctx.Deadline(); ok {
		expectReader(w, until.Add(endMargin))
	}
	release, err := h.hold(ctx, viewer)
	if err != nil {
		h.turnAway(w, r, err)
		return
	}
	defer release()
	s, news, err := h.open(ctx, w, viewer, follows, now)
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

// follows gives the topics that the client follows and its places in them. now is true if the
// places are the current cursors, which are read later. It reads and holds nothing, so that invalid
// and forbidden requests are refused for good.
func (h handler) follows(r *http.Request, viewer watch.Viewer, a ask) (follows []watch.Follow, now bool, err error) {
	if a.next != "" || a.limit > 0 {
		return nil, false, badRequest("a stream takes no next and no limit")
	}
	id := lastID(r)
	resumed := id != "" || len(a.after) > 0
	for _, topic := range a.topics {
		follow, err := h.topics.Begin(viewer, watch.Query{Topic: topic, Options: a.Options}, a.snapshot && !resumed)
		if err != nil {
			return nil, false, about(topic, err)
		}
		follows = append(follows, follow)
	}
	switch {
	case id != "":
		err = resume(follows, id)
	case resumed:
		for i := range follows {
			follows[i] = a.follow(i, follows[i])
		}
	}
	return follows, !resumed && !a.snapshot, err
}

// open reads what is new since the client's places, or the current cursors. An error is therefore
// reported before the stream begins.
func (h handler) open(ctx context.Context, w http.ResponseWriter, viewer watch.Viewer, follows []watch.Follow, now bool) (s *stream, news []watch.News, err error) {
	if now {
		if err := h.topics.Stand(ctx, viewer, follows); err != nil {
			return nil, nil, err
		}
	}
	s = &stream{handler: h, Follower: h.topics.Follow(viewer, follows...), w: w}
	news, err = s.Now(ctx)
	if err == nil || len(news) > 0 && passes(err) { // so that a client with many topics gets further each time
		err = fits(s.Follows())
	}
	return s, news, err
}

// lastID is the id of the last event that the client has. A new EventSource can give it only in
// the URL.
func lastID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("last_event_id")
}

// run sends the first news, and then new ones as they come.
func (s *stream) run(ctx context.Context, news []watch.News) (err error) {
	s.place()
	for {
		for _, n := range news {
			if err == nil {
				err = s.tell(n)
			}
		}
		if err != nil || s.err != nil || ctx.Err() != nil {
			return err
		}
		if news, err = s.await(ctx); err == nil {
			err = fits(s.Follows())
		}
	}
}

// await gives what comes, and keeps the stream open until something does.
func (s *stream) await(ctx context.Context) ([]watch.News, error) {
	beat, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	news, err := s.Next(beat)
	if err == nil && len(news) == 0 && ctx.Err() == nil {
		s.comment("")
		err = s.Check(ctx)
	}
	return news, err
}

// tell sends what is new of a topic. The id of each event says how far the client has come with it.
// The stream may therefore break after any event, and nothing comes twice or is lost.
func (s *stream) tell(n watch.News) error {
	switch {
	case n.Reset != "":
		s.Advance(n)
		s.send(&events.Reset{Topic: n.Topic, Reason: n.Reset}, s.id())
	case n.Page != nil:
		s.Advance(n)
		s.send(&events.Snapshot{Topic: n.Topic, Cursor: n.Page.Cursor, From: n.From, Items: orNone(n.Page.Items), Costly: n.Page.Costly, More: n.Page.Next != "", Next: n.Page.Next}, s.id())
	default:
		return s.changes(n)
	}
	return nil
}

// changes sends changes in frames of the size that a WebSocket has.
func (s *stream) changes(n watch.News) error {
	frames, last, err := events.PackChangesUpTo(n.Changes)
	if err != nil {
		return err
	}
	for i, frame := range frames {
		upTo := n
		if i < len(frames)-1 {
			upTo.Cursor, upTo.More = last[i], true
		}
		s.Advance(upTo)
		s.write("changes", frame, s.id())
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
	head(s.w)
	s.raw("retry: %d\n\n", again.Milliseconds())
}

// head writes the headers of a stream.
func head(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", streamType)
	header.Set("Cache-Control", "no-cache, no-store")
	header.Set("X-Accel-Buffering", "no") // which nginx heeds
	w.WriteHeader(http.StatusOK)
}

// place sends the client's places before there is a change, so that nothing is lost if the stream
// breaks. It is an event with data: an id without data should count as well, but some clients, such
// as npm's eventsource, forget it. A client that does not have all items yet gets its place with
// them.
//
// Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage
func (s *stream) place() {
	follows := s.Follows()
	cursors := map[events.Topic]string{}
	for _, follow := range follows {
		places := follow.Below
		if !follow.Topic.IsPattern() {
			places = map[events.Topic]watch.Place{follow.Topic: follow.Place}
		}
		for topic, place := range places {
			if cursors[topic] = place.After.String(); place.Items || place.Void {
				return
			}
		}
		if follow.Items || follow.Void {
			return
		}
	}
	frame := &events.Subscribed{Topic: follows[0].Topic, Cursor: follows[0].After}
	if len(follows) > 1 || frame.Topic.IsPattern() {
		frame.Cursors = cursors
	}
	if view := follows[0].ViewID; len(follows) == 1 && view != events.WholeView {
		frame.View = view // the client can go on in another way, with its cursor
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
	if _, s.err = fmt.Fprintf(s.w, format, args...); s.err == nil {
		s.err = http.NewResponseController(s.w).Flush()
	}
}
