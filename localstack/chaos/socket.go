package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
)

// holeTime is how long a wanderer waits at a WebSocket for a missing change before it goes another
// way.
const holeTime = 300 * time.Millisecond

// talk is one connection: what it was asked for, and what it has told.
type talk struct {
	*leg
	topics []*checker
	asked  map[events.Topic]events.Cursor // the cursors to continue from, if there were some
	early  map[events.Topic]map[int64]events.Change
}

// socket follows topics over a WebSocket. Changes may be lost there, come twice, or come in another
// order. Another way brings those that are missing.
func (l *leg) socket(ctx context.Context, topics []*checker) error {
	token, err := l.authorized()
	if err != nil {
		return err
	}
	header := http.Header{"Authorization": {"Bearer " + token}}
	conn, response, err := websocket.Dial(ctx, l.url, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		return l.turnedAway(response, err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(-1)
	t := &talk{l, topics, map[events.Topic]events.Cursor{}, map[events.Topic]map[int64]events.Change{}}
	for i, k := range topics {
		t.early[k.topic] = map[int64]events.Change{}
		r := events.Request{Action: events.ActionSubscribe, ID: strconv.Itoa(i), Order: int64(i + 1), Topic: string(k.topic)}
		if _, begun := l.stands(k); begun {
			t.asked[k.topic] = l.from(k)
			r.After, r.View = t.asked[k.topic].String(), l.viewIDSent()
		}
		if l.narrow {
			r.Filter, r.Fields = json.RawMessage(narrowFilter), []string{narrowField}
		}
		if err := conn.Write(ctx, websocket.MessageText, []byte(encoded(r))); err != nil {
			return err
		}
	}
	return t.listen(ctx, conn)
}

// turnedAway judges a handshake that has failed, with an answer or without.
func (l *leg) turnedAway(r *http.Response, err error) error {
	if r == nil || r.StatusCode < 400 {
		return err
	}
	l.count("answers", fmt.Sprintf("a handshake with %d", r.StatusCode))
	if events.HandshakeRemedy(r.StatusCode) != events.RetryLater && !(r.StatusCode == http.StatusUnauthorized && l.lapsed()) {
		return broke("a handshake is refused with %d", r.StatusCode)
	}
	return err
}

// listen takes frames until a change is missing for too long.
func (t *talk) listen(ctx context.Context, conn *websocket.Conn) error {
	var hole time.Time // since when a change is missing
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return closed(err)
		}
		frame, err := events.Decode(data)
		if err != nil { // API Gateway's own frames have no type
			t.count("answers", "a frame of the gateway")
			return fmt.Errorf("WebSocket: %.200s", data)
		}
		if err := t.frame(frame); err != nil {
			return err
		}
		missing := 0
		for _, k := range t.topics {
			if err := t.drain(k, t.early[k.topic]); err != nil {
				return err
			}
			missing += len(t.early[k.topic])
		}
		switch {
		case missing == 0:
			hole = time.Time{}
		case hole.IsZero():
			hole = time.Now()
		case time.Since(hole) > holeTime:
			return nil
		}
	}
}

// frame takes one frame.
func (t *talk) frame(frame events.Frame) error {
	switch f := frame.(type) {
	case *events.Subscribed:
		return t.subscribed(f)
	case *events.Changes:
		for _, c := range f.Changes {
			if t.early[c.Topic] == nil {
				return broke("a change of %s, which was not subscribed to", c.Topic)
			}
			if err := t.told.same(c); err != nil {
				return broken{err}
			}
			t.early[c.Topic][c.Seq] = c
		}
	case *events.Reset:
		return broke("%s: told to start over: %s", f.Topic, f.Reason)
	case *events.Error:
		t.count("answers", "error "+string(f.Code))
		if f.Code.Remedy() != events.RetryLater && f.Code.Remedy() != events.RetryNow {
			return broke("a subscribe is refused: %w", f)
		}
		return fmt.Errorf("WebSocket: %w", f)
	}
	return nil
}

// subscribed takes the answer to a subscribe. It may be older than what the wanderer has seen,
// because pushes overtake it, and another connection may have told more.
func (t *talk) subscribed(f *events.Subscribed) error {
	i := slices.IndexFunc(t.topics, func(k *checker) bool { return k.topic == f.Topic })
	if i < 0 {
		return broke("subscribed to %s, which was not asked for", f.Topic)
	}
	k := t.topics[i]
	if asked, resumes := t.asked[k.topic]; resumes && (!f.Recovered || f.Seq < asked.Seq) {
		return broke("%s: subscribed at %s, recovered %t, asked to go on from %s", k.topic, f.Cursor, f.Recovered, asked)
	}
	if err := t.begins(k, f.Cursor); err != nil { // unless it has begun
		return err
	}
	return t.viewed(k, f.View)
}

// drain takes the early changes that are next in order.
func (l *leg) drain(k *checker, early map[int64]events.Change) error {
	at, begun := l.stands(k)
	if !begun {
		return nil
	}
	for seq, c := range early {
		if seq <= at.Seq {
			delete(early, seq)
			if err := l.apply(k, c); err != nil {
				return err
			}
		}
	}
	for next := at.Seq + 1; ; next++ {
		c, ok := early[next]
		if !ok {
			return nil
		}
		delete(early, next)
		if err := l.apply(k, c); err != nil {
			return err
		}
	}
}

// closed judges the end of a connection.
func closed(err error) error {
	var end websocket.CloseError
	if errors.As(err, &end) && (events.CloseRemedy(int(end.Code)) == events.FixRequest) {
		return broke("the WebSocket is closed: %w", err)
	}
	return err
}
