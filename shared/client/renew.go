package client

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/watchroute/watchroute/events"
)

// renewPause is how long warnings are passed over after the token was replaced. A token
// that lives shorter than the service warns ahead is warned of with every answer.
const renewPause = time.Minute

// token fetches a token; empty if there is none to send.
func (o Options) token(ctx context.Context) (string, error) {
	if o.Token == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.AnswerTime)
	defer cancel()
	token, err := o.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("get token: %w", err)
	}
	return token, nil
}

// renew replaces the token of the connection in use, if the service has warned that it
// expires. If that fails it is tried again after a pause; if it never succeeds, the service
// ends the connection, and the next has another token.
func (e *engine) renew(now time.Time) {
	if !e.warned || e.o.Token == nil || !e.renewal.due(now) {
		return
	}
	e.renewal.asked = true
	l := e.link
	e.tasks.Go(func() {
		token, err := e.o.token(e.life)
		select {
		case e.client.commands <- func(e *engine) { e.authorize(l, token, err) }:
		case <-e.life.Done():
		}
	})
}

// authorize sends a token over the connection that it was fetched for. One that was
// made meanwhile has a token of its own.
func (e *engine) authorize(l link, token string, err error) {
	now := time.Now()
	r := &request{frame: events.Request{Action: events.ActionAuth, Token: token}, renewal: &e.renewal}
	switch {
	case l != e.link:
	case err != nil:
		e.o.Logger.Warn("token not replaced", "err", err)
		e.again(r, now)
	default:
		e.send(r, now)
	}
}

// authorized takes in that the token counts. Watches of which it shows something else, or
// nothing, subscribe again, to hear what becomes of them.
func (e *engine) authorized(f *events.Authorized) {
	if e.answered(f.ID) == nil {
		return
	}
	e.warned = false
	e.renewal.notBefore = time.Now().Add(renewPause)
	same := func(topic events.Topic, viewID string) bool {
		now, subscribed := f.Views[topic]
		return subscribed && cmp.Or(now, events.WholeView) == viewID
	}
	for _, w := range e.watches {
		w.joined = w.joined && (w.pattern != nil || same(w.topic, w.viewID))
	}
	for _, p := range e.patterns {
		p.joined = p.joined && same(p.pattern, p.viewID)
	}
}
