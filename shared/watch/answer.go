package watch

import (
	"context"
	"log/slog"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/seal"
)

// Answerer carries out what clients ask for over their connections: all but auth, which is a
// [Renewer]'s.
type Answerer struct {
	Store     Store
	Sealer    *seal.Sealer // as in Topics
	Limits    Limits
	Allowance *Allowance // of each subject; nil for no bound
	Logger    *slog.Logger
}

// answer is one request being carried out.
type answer struct {
	exchange
	work
	presences Presences
}

// Answer carries out one request of a client. Every answer ends in one frame, which is
// returned encoded; the frames before it, if any, are posted in order. No frame is over
// [events.MaxFrameBytes]. A request that fails is answered with an error frame, also if the
// context ends before it is done; peer must have time for that. If a post fails the rest of
// the answer is not sent. The frame returned is nil if the connection is gone or was closed.
// An answer to a connection that will be cut soon, or whose token expires soon, begins by
// saying so.
func (a Answerer) Answer(ctx context.Context, c Connection, m Message, peer Peer) []byte {
	topics := Topics{Store: a.Store, Sealer: a.Sealer, Limits: a.Limits, Allowance: a.Allowance}
	ctx, work := topics.begin(ctx, c.Key)
	answer := answer{presences: a.Store, work: work, exchange: newExchange(a.Store, a.Logger, work.bill, c, peer)}
	return answer.run(ctx, m, answer.carryOut)
}

// carryOut carries out a request with a known action.
func (a *answer) carryOut(ctx context.Context) error {
	switch a.r.Action {
	case events.ActionAuth:
		return &events.Error{Code: events.CodeBadToken, Message: "tokens are not taken here"}
	case events.ActionPing:
		return a.ping(ctx)
	}
	parse := events.ParsePattern
	if a.r.Action == events.ActionPublish {
		parse = events.ParseTopic
	}
	topic, err := parse(a.r.Topic)
	if err != nil {
		return &events.Error{Code: events.CodeBadTopic, Message: err.Error()}
	}
	switch {
	case a.r.Action == events.ActionSubscribe && topic.IsPattern():
		return a.subscribeBelow(ctx, topic)
	case a.r.Action == events.ActionSubscribe:
		return a.subscribe(ctx, topic)
	case a.r.Action == events.ActionUnsubscribe:
		return a.unsubscribe(ctx, topic)
	case a.r.Action == events.ActionSnapshot && topic.IsPattern():
		return a.snapshotBelow(ctx, topic)
	case a.r.Action == events.ActionSnapshot:
		return a.snapshot(ctx, topic)
	default:
		return a.publish(ctx, topic)
	}
}
