package watch

import (
	"context"
	"errors"

	"github.com/watchroute/watchroute/events"
)

// auth has the connection go by another token of the same subject. Its subscriptions are
// brought in line before it is told: those that the token does not allow end.
func (a *answer) auth(ctx context.Context) error {
	if a.Tokens == nil {
		return &events.Error{Code: events.CodeBadToken, Message: "tokens are not taken here"}
	}
	subject, access, err := a.Tokens.Authenticate(ctx, a.r.Token)
	if err != nil {
		return a.disown(ctx, err)
	}
	if subject != a.c.Subject {
		return &events.Error{Code: events.CodeBadToken, Message: "the token is of another subject"}
	}
	access.Order = a.order
	if err := a.Sessions.Refresh(ctx, a.c.Key, access); err != nil {
		return err
	}
	if err := a.Tokens.Check(ctx, subject, access); err != nil {
		return a.disown(ctx, err) // revoked meanwhile, when the connection did not go by it yet
	}
	a.c.Access = access
	views, err := a.realign(ctx)
	if err != nil {
		return err
	}
	a.out.send(&events.Authorized{ID: a.r.ID, Expires: events.Time(access.Expires), Views: views})
	return nil
}

// disown forgets a connection by which a revoked token came, so that nothing is pushed to it
// and its requests are refused even if it cannot be closed now. Each refusal closes it again.
func (a *answer) disown(ctx context.Context, err error) error {
	if !errors.Is(err, ErrRevoked) {
		return err
	}
	return errors.Join(err, a.Sessions.Forget(ctx, a.c.Key, nil))
}

// realign renews the connection's subscriptions by its token, which may show more or less of
// a topic than the one before, or nothing, and gives what they show now. A subscribe that is
// carried out meanwhile sees the token itself, see keep. Two auths at the same time each renew
// only what the later one has not renewed.
func (a *answer) realign(ctx context.Context) (views map[events.Topic]string, err error) {
	session, err := a.Sessions.Session(ctx, a.c.Key)
	if err != nil {
		return nil, err
	}
	subs, err := a.Subscriptions.Subscriptions(ctx, a.c.Key, session.Topics, session.Shards)
	if err != nil {
		return nil, err
	}
	views = map[events.Topic]string{}
	var frames []events.Frame
	var ended []Subscription
	for _, old := range subs {
		sub, err := a.c.subscription(old.Topic, old.Options)
		if err != nil {
			ended = append(ended, old)
			frames = append(frames, &events.Unsubscribed{Topic: old.Topic, Reason: events.CodeForbidden})
			continue
		}
		sub.Order, sub.Shard = old.Order, old.Shard
		there, err := a.Subscriptions.Renew(ctx, sub)
		if err != nil {
			return nil, err
		}
		if !there {
			continue // the client has ended it meanwhile, or subscribes anew
		}
		if sub.mark() != old.mark() {
			frames = append(frames, &events.Reset{Topic: sub.Topic, Reason: events.ResetView})
		}
		views[sub.Topic] = sub.mark()
	}
	if session, err = a.Sessions.Session(ctx, a.c.Key); err != nil {
		return nil, err
	}
	if session.Access == nil || session.Access.Order != a.c.Access.Order {
		return nil, ErrOvertaken // by a later auth, which knows better what has ended
	}
	if err := a.Subscriptions.Withdraw(ctx, a.c.Key, ended...); err != nil {
		return nil, err
	}
	for _, frame := range frames {
		a.out.send(frame)
	}
	return views, a.out.err
}
