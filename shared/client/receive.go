package client

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/watchroute/watchroute/events"
)

// receive takes in what came over a link. Changes count whichever link they came
// over; what concerns one that is not in use does not. The error is the service's last
// word.
func (e *engine) receive(in incoming) error {
	current := in.link == e.link
	if in.err != nil {
		if current {
			e.lose(in.err)
		}
		return nil
	}
	if current {
		e.heard = time.Now()
		e.routes.heard()
	}
	frame := in.frame
	switch {
	case frame != nil:
	case in.lapsed != "" || in.working != "":
		if current {
			e.learn(in)
		}
		return nil
	default:
		var err error
		if frame, err = events.Decode(in.data); err != nil {
			e.unknown(in.data)
			return nil
		}
	}
	if e.mismatched(frame) {
		e.o.Logger.Warn("request answered by what is no answer to it")
		return nil
	}
	if current {
		if err := e.concern(frame); err != nil {
			return err
		}
		if in.pause > 0 {
			e.pace.wait(time.Now().Add(min(in.pause, longestPause)))
		}
	}
	switch f := frame.(type) {
	case *events.Changes:
		e.changes(f.Changes)
	case *events.Subscribed:
		e.subscribed(f)
	case *events.Snapshot:
		e.snapshot(f)
	case *events.Reset:
		e.reset(f)
	case *events.Authorized:
		e.authorized(f)
	case *events.Pong:
		e.pong(f)
	case *events.Published:
		e.published(f)
	}
	return nil
}

// learn handles what a link says of its own accord.
func (e *engine) learn(in incoming) {
	now := time.Now()
	if r := e.requests[in.working]; r != nil {
		r.deadline = now.Add(e.o.AnswerTime)
	}
	for _, f := range e.patterns {
		switch {
		case f.pattern == in.lapsed:
			e.lostPattern(f, now)
		case f.topics[in.lapsed] == nil && f.pattern.Matches(in.lapsed) && f.probe.ping == nil:
			f.probe.due = now // and the ping names it
		}
	}
	for _, w := range e.watches {
		switch {
		case w.topic != in.lapsed || !w.joined:
		case w.pattern == nil:
			e.lost(w, now)
		case w.probe.ping == nil:
			w.probe.due = now // and the answer tells the reason
		}
	}
}

// mismatched reports whether a frame says that it answers a request to which it is no answer.
// The request is outstanding still, and asked again when its time has passed.
func (e *engine) mismatched(frame events.Frame) bool {
	var id string
	var to []string
	switch f := frame.(type) {
	case *events.Subscribed:
		id, to = f.ID, []string{events.ActionSubscribe}
	case *events.Snapshot:
		id, to = f.ID, []string{events.ActionSubscribe, events.ActionSnapshot}
	case *events.Published:
		id, to = f.ID, []string{events.ActionPublish}
	case *events.Pong:
		id, to = f.ID, []string{events.ActionPing}
	case *events.Authorized:
		id, to = f.ID, []string{events.ActionAuth}
	default:
		return false
	}
	r := e.requests[id]
	return r != nil && !slices.Contains(to, r.frame.Action)
}

// concern takes in what is said of the connection in use.
func (e *engine) concern(frame events.Frame) error {
	switch f := frame.(type) {
	case *events.Unsubscribed:
		e.unsubscribed(f)
	case *events.Expiring:
		e.warned = e.warned || e.renewal.due(time.Now())
		e.alert(time.Now()) // if the token is not replaced, the next warning is not to be late
	case *events.Reconnect:
		delay := min(max(f.DelayMs, 0), longestMove.Milliseconds())
		e.move(time.Duration(delay) * time.Millisecond)
	case *events.Error:
		return e.failed(f)
	}
	return nil
}

// unknown looks for API Gateway's own error frames, which have no type. Other frames
// are of a later service, and ignored.
func (e *engine) unknown(data []byte) {
	var failure struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &failure) == nil && failure.Type == "" && failure.Message != "" {
		e.o.Logger.Warn("API Gateway reports an error", "message", failure.Message)
		e.slow(nil, time.Now())
		e.hasten(time.Now())
	}
}

func (e *engine) changes(changes []events.Change) {
	for _, c := range changes {
		if !plausible(c) {
			continue
		}
		for _, f := range e.patterns {
			f.meet(e, c)
		}
		for _, w := range e.watches {
			if w.topic == c.Topic && (c.Patch == nil || w.o.Delta) { // or it is a late one for a watch that has left
				e.count(w.order.offer(c))
			}
		}
	}
	for _, w := range e.watches {
		if w.pattern == nil {
			w.pump()
		}
	}
	for _, f := range e.patterns {
		f.pump()
	}
}

// plausible reports whether a change has numbers that a topic can have. Those at the end of
// their type could not be counted on from.
func plausible(c events.Change) bool {
	runs := c.To == 0 || c.Op == events.Skipped && c.To >= c.Seq
	return c.Seq >= 1 && runs && c.Cursor().Seq < math.MaxInt64
}

func (e *engine) count(v verdict) {
	switch v {
	case repeated:
		e.client.stats.count(func(s *Stats) { s.Repeated++ })
	case dropped:
		e.client.stats.count(func(s *Stats) { s.Dropped++ })
	}
}

// slow has the client ask for everything later, because the service has refused a request and
// may take it later. Without a request the latest one counts as refused.
func (e *engine) slow(r *request, now time.Time) {
	sent := e.pace.sent
	if r != nil {
		sent = r.sentAt
	}
	e.pace.slow(sent, now, e.backoff)
}

// failed takes in the service's word that a request was not carried out, or that the
// connection ends. The error is f, if nothing that the client can do helps.
func (e *engine) failed(f *events.Error) error {
	remedy := f.Code.Remedy()
	r := e.requests[f.ID]
	delete(e.requests, f.ID)
	if remedy == events.RetryLater {
		e.slow(r, time.Now())
	}
	switch {
	case remedy == events.GiveUp:
		return f
	case f.Code == events.CodeTokenExpired:
		e.lose(f)
	case r == nil:
	case f.Code == events.CodeNotConnected:
		e.lose(f)
	case r.departure != nil:
		e.left(r, f)
	case f.Code == events.CodeOvertaken && r.publication != nil: // the item is as a later Publish or Remove wants it
		e.conclude(r.publication, nil)
	case f.Code == events.CodeOvertaken && r.by() != nil: // by one that is not of this topic, or not of this client
		e.again(r, time.Now())
	case remedy == events.RetryLater || r.by() == nil && r.publication == nil:
		if r.renewal != nil && remedy != events.RetryLater {
			e.warned = false // until the next warning, as the next token may be no better
		}
		e.again(r, time.Now())
	case f.Code == events.CodeBadCursor && r.frame.Action == events.ActionSnapshot: // it cannot go on from there
		e.beginAgain(r.watch, time.Now())
	case r.by() != nil:
		e.leave(r.by()) // which is subscribed if only its snapshot was refused
		r.by().queue().fail(f)
	default:
		e.conclude(r.publication, f)
	}
	return nil
}
