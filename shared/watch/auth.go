package watch

import (
	"context"

	"github.com/watchroute/watchroute/events"
)

// auth has the connection go by another token of the same subject. Its subscriptions
// are brought in line before it is told: those that the token does not allow end.
func (a Answerer) auth(ctx context.Context, c Connection, r events.Request, out *outbox) error {
	if a.Tokens == nil {
		return &events.Error{Code: events.CodeBadToken, Message: "tokens are not taken here"}
	}
	subject, access, err := a.Tokens.Authenticate(ctx, r.Token)
	if err != nil {
		return err
	}
	if subject != c.Subject {
		return &events.Error{Code: events.CodeBadToken, Message: "the token is of another subject"}
	}
	if err := a.Sessions.Refresh(ctx, c.Key, access); err != nil {
		return err
	}
	if err := a.Tokens.Check(ctx, subject, access); err != nil {
		return err // revoked meanwhile, when the connection did not go by it yet
	}
	c.Access = access
	views, err := a.realign(ctx, c, out)
	if err != nil {
		return err
	}
	out.send(&events.Authorized{ID: r.ID, Expires: events.Time(access.Expires), Views: views})
	return nil
}

// realign renews the connection's subscriptions by its token, which may show more or
// less of a topic than the one before, or nothing, and gives what they show now. A subscribe that is carried out
// meanwhile may keep what the token before showed, until that one's end.
func (a Answerer) realign(ctx context.Context, c Connection, out *outbox) (views map[events.Topic]string, err error) {
	session, err := a.Sessions.Session(ctx, c.Key)
	if err != nil {
		return nil, err
	}
	subs, err := a.Subscriptions.Subscriptions(ctx, c.Key, session.Topics)
	if err != nil {
		return nil, err
	}
	views = map[events.Topic]string{}
	for _, old := range subs {
		sub, err := c.subscription(old.Topic, old.Options)
		if err != nil {
			if err := a.Subscriptions.Unsubscribe(ctx, c.Key, old.Topic); err != nil {
				return nil, err
			}
			out.send(&events.Unsubscribed{Topic: old.Topic, Reason: events.CodeForbidden})
			continue
		}
		if _, err := a.Subscriptions.Subscribe(ctx, sub); err != nil {
			return nil, err
		}
		if sub.mark() != old.mark() {
			out.send(&events.Reset{Topic: sub.Topic, Reason: events.ResetView})
		}
		views[sub.Topic] = sub.mark()
	}
	return views, out.err
}
