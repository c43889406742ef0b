package watch

import (
	"log/slog"
	"time"

	"github.com/watchroute/watchroute/events"
)

// A client whose refusals are told inside may have a connection that was never admitted.
// There are two kinds:
//
//   - Its token was refused. Each of its messages comes to [TurnAway].
//   - Its token is good, but [Admission.Admit] gave ErrTooManyConnections or
//     ErrTooManyRequests. No row was written, because a row for each refusal would let
//     those who are refused make the next count of the subject's connections costly. So the
//     missing row is what tells it: see turnedAway.

// TurnAway tells a client why it is refused, in answer to a message of it, and closes the
// connection. Nothing of the message is carried out.
func TurnAway(logger *slog.Logger, c Connection, why error, body []byte, peer Peer) {
	x := exchange{logger: logger, peer: peer, c: c, out: outbox{post: peer.Post}}
	x.r, _ = events.ParseRequest(body) // one that cannot be read has no id
	x.out.send(x.refusal(why))
	x.disconnect()
}

// turnedAway reports whether a connection that nothing is kept of was not admitted.
func (c Connection) turnedAway(now time.Time) bool {
	return c.ToldInside && now.Sub(c.Connected) < turnedAwayFor
}
