package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
)

// holeTime is how long a wanderer waits at a WebSocket for a change that is missing, before it
// goes another way.
const holeTime = 300 * time.Millisecond

// socket follows topics over a WebSocket. Changes may be lost there, come twice, and in another
// order: what is missing, another way brings.
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
	for i, k := range topics {
		r := events.Request{Action: events.ActionSubscribe, ID: strconv.Itoa(i), Order: int64(i + 1), Topic: string(k.topic)}
		if _, begun := l.stands(k); begun {
			r.After, r.View = l.from(k).String(), l.viewName()
		}
		if l.narrow {
			r.Filter, r.Fields = json.RawMessage(narrowFilter), []string{narrowField}
		}
		if err := conn.Write(ctx, websocket.MessageText, []byte(encoded(r))); err != nil {
			return err
		}
	}
	return l.listen(ctx, conn, topics)
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

// listen takes in what comes until something is missing for too long.
func (l *leg) listen(ctx context.Context, conn *websocket.Conn, topics []*checker) error {
	early := map[events.Topic]map[int64]events.Change{}
	for _, k := range topics {
		early[k.topic] = map[int64]events.Change{}
	}
	var hole time.Time // since when something is missing
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return closed(err)
		}
		frame, err := events.Decode(data)
		if err != nil { // API Gateway's own have no type
			l.count("answers", "a frame of the gateway")
			return fmt.Errorf("WebSocket: %.200s", data)
		}
		if err := l.frame(frame, topics, early); err != nil {
			return err
		}
		missing := 0
		for _, k := range topics {
			if err := l.drain(k, early[k.topic]); err != nil {
				return err
			}
			missing += len(early[k.topic])
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

// frame takes in one frame.
func (l *leg) frame(frame events.Frame, topics []*checker, early map[events.Topic]map[int64]events.Change) error {
	switch f := frame.(type) {
	case *events.Subscribed:
		for _, k := range topics {
			at, begun := l.stands(k)
			switch {
			case k.topic != f.Topic:
				continue
			case !begun:
				if err := l.begins(k, f.Cursor); err != nil {
					return err
				}
			case !f.Recovered || f.Seq < at.Seq:
				return broke("%s: subscribed at %s, recovered %t, having seen up to %s", k.topic, f.Cursor, f.Recovered, at)
			}
			return l.viewed(k, f.View)
		}
	case *events.Changes:
		for _, c := range f.Changes {
			if early[c.Topic] == nil {
				return broke("a change of %s, which was not subscribed to", c.Topic)
			}
			if err := l.told.same(c); err != nil {
				return broken{err}
			}
			early[c.Topic][c.Seq] = c
		}
	case *events.Reset:
		return broke("%s: told to start over: %s", f.Topic, f.Reason)
	case *events.Error:
		l.count("answers", "error "+string(f.Code))
		if f.Code.Remedy() != events.RetryLater && f.Code.Remedy() != events.RetryNow {
			return broke("a subscribe is refused: %w", f)
		}
		return fmt.Errorf("WebSocket: %w", f)
	}
	return nil
}

// drain takes what follows out of what has come.
func (l *leg) drain(k *checker, early map[int64]events.Change) error {
	at, begun := l.stands(k)
	if !begun {
		return nil
	}
	for seq, c := range early {
		if seq <= at.Seq {
			delete(early, seq)
			if err := l.take(k, c); err != nil {
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
		if err := l.take(k, c); err != nil {
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
