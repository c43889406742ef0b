package watch

import (
	"context"
	"errors"
	"log/slog"

	"github.com/watchroute/watchroute/events"
)

// Authenticator knows what a token gives.
type Authenticator interface {
	// Authenticate verifies a token. ErrUnauthorized, ErrRevoked and ErrUnavailable say
	// what is wrong with it.
	Authenticate(ctx context.Context, token string) (subject string, access Access, err error)
	// Check gives ErrRevoked if what a token gave is taken back by now.
	Check(ctx context.Context, subject string, access Access) error
}

// Renewer carries out auth, which lets an open connection go by another token. It is a type of
// its own because what verifies tokens stands apart from what answers all other requests.
type Renewer struct {
	Store     ConnectionStore
	Tokens    Authenticator
	Allowance *Allowance // of each subject; nil for no bound
	Logger    *slog.Logger
}

// renewal is one auth being carried out.
type renewal struct {
	exchange
	tokens Authenticator
}

// Answer carries out one request of a client, as [Answerer.Answer] does. It refuses all but auth.
func (n Renewer) Answer(ctx context.Context, c Connection, m Message, peer Peer) []byte {
	ctx, bill := newBill(ctx, n.Allowance, c.Key)
	renewal := renewal{tokens: n.Tokens, exchange: newExchange(n.Store, n.Logger, bill, c, peer)}
	return renewal.run(ctx, m, renewal.auth)
}

// errMisrouted answers a frame that names two actions, of which API Gateway took another
// than we do.
var errMisrouted = &events.Error{Code: events.CodeBadRequest, Message: "action is not clear"}

// auth has the connection go by another token of the same subject. Its subscriptions are
// brought in line before it is told: those that the token does not allow end.
func (x *renewal) auth(ctx context.Context) error {
	if x.r.Action != events.ActionAuth {
		return errMisrouted
	}
	subject, access, err := x.tokens.Authenticate(ctx, x.r.Token)
	if err != nil {
		return x.disown(ctx, err)
	}
	if subject != x.c.Subject {
		return &events.Error{Code: events.CodeBadToken, Message: "the token is of another subject"}
	}
	access.Order = x.order
	if err := x.store.Refresh(ctx, x.c.Key, access); err != nil {
		return err
	}
	if err := x.tokens.Check(ctx, subject, access); err != nil {
		return x.disown(ctx, err) // revoked meanwhile, when the connection did not go by it yet
	}
	x.c.Access = access
	views, err := x.realign(ctx)
	if err != nil {
		return err
	}
	x.out.send(&events.Authorized{ID: x.r.ID, Expires: events.Time(access.Expires), Views: views})
	return nil
}

// disown forgets a connection by which a revoked token came, so that nothing is pushed to it
// and its requests are refused even if it cannot be closed now. Each refusal closes it again.
func (x *renewal) disown(ctx context.Context, err error) error {
	if !errors.Is(err, ErrRevoked) {
		return err
	}
	return errors.Join(err, x.store.Forget(ctx, x.c.Key, nil))
}

// realign renews the connection's subscriptions by its token, which may show more or less of
// a topic than the one before, or nothing, and gives what they show now. A subscribe that is
// carried out meanwhile sees the token itself, see keep. Two auths at the same time each renew
// only what the later one has not renewed.
func (x *renewal) realign(ctx context.Context) (views map[events.Topic]string, err error) {
	session, err := x.store.Session(ctx, x.c.Key)
	if err != nil {
		return nil, err
	}
	subs, err := x.store.Subscriptions(ctx, x.c.Key, session.Topics, session.Shards)
	if err != nil {
		return nil, err
	}
	views = map[events.Topic]string{}
	var frames []events.Frame
	var ended []Subscription
	for _, old := range subs {
		sub, err := x.c.subscription(old.Topic, old.Options)
		if err != nil {
			ended = append(ended, old)
			frames = append(frames, &events.Unsubscribed{Topic: old.Topic, Reason: events.CodeForbidden})
			continue
		}
		sub.Order, sub.Shard, sub.Lease = old.Order, old.Shard, old.Lease
		there, err := x.store.Renew(ctx, sub)
		if err != nil {
			return nil, err
		}
		if !there {
			continue // the client has ended it meanwhile, or subscribes anew
		}
		if sub.viewID() != old.viewID() {
			frames = append(frames, &events.Reset{Topic: sub.Topic, Reason: events.ResetView})
		}
		views[sub.Topic] = sub.viewID()
	}
	if session, err = x.store.Session(ctx, x.c.Key); err != nil {
		return nil, err
	}
	if session.Access == nil || session.Access.Order != x.c.Access.Order {
		return nil, ErrOvertaken // by a later auth, which knows better what has ended
	}
	if err := x.store.Withdraw(ctx, x.c.Key, ended...); err != nil {
		return nil, err
	}
	for _, frame := range frames {
		x.out.send(frame)
	}
	return views, x.out.err
}
