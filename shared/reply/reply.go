// Package reply is the handler of the functions message and renew. It is the only place that knows
// how a client's frame arrives, in an event of API Gateway, and how the answer gets back: its last
// frame as the response's body, the frames before it as posts.
package reply

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/watch"
)

// The last part of the time that Lambda gives is kept free. A request that takes too long
// ends workMargin before the function does. Then there is time to post the part of the answer
// that is ready, and to tell the client. No post begins within postMargin of the end.
const (
	workMargin = 2 * time.Second
	postMargin = 500 * time.Millisecond
)

// Answerer answers a message of a connection: a [watch.Answerer] or a [watch.Renewer].
type Answerer interface {
	Answer(context.Context, watch.Connection, watch.Message, watch.Peer) []byte
}

// Handler answers clients' frames, one at a time.
type Handler struct {
	identity identity.Reader
	answerer Answerer
	poster   watch.Poster
	logger   *slog.Logger
	pace     *pace
	refused  limiters[watch.ConnectionID] // those that were let in to be told why they are refused
}

// turnAwayPerSecond is how often a connection that was let in to be told is told. Once is
// enough, unless the post or the close has failed.
const turnAwayPerSecond = 0.2

// New makes a handler that takes perSecond frames a second of a connection, and a hundred
// more at once, and ten times as much of a subject. What comes faster is answered with
// events.CodeTooManyRequests.
func New(who identity.Reader, answerer Answerer, poster watch.Poster, perSecond int, logger *slog.Logger) Handler {
	return Handler{identity: who, answerer: answerer, poster: poster, logger: logger, pace: newPace(perSecond), refused: limiters[watch.ConnectionID]{}}
}

// Reply answers one frame of a client. The last frame of the answer goes back as
// the body, which the route's response hands to the client; frames before it are
// posted. An answer of several frames thus needs no empty body, which API Gateway
// might send as an empty frame.
func (h Handler) Reply(ctx context.Context, event awsevents.APIGatewayWebsocketProxyRequest) (awsevents.APIGatewayProxyResponse, error) {
	work, cancel := function.WithMargin(ctx, workMargin)
	defer cancel()
	posts, cancel := function.WithMargin(ctx, postMargin)
	defer cancel()
	c, err := h.identity.ConnectionOf(event.RequestContext)
	if refused := (*identity.RefusedError)(nil); errors.As(err, &refused) {
		if h.refused.of(c.ID, turnAwayPerSecond, 1).Allow() {
			watch.TurnAway(h.logger, c, refused.Why, []byte(event.Body), peer{posts, h.poster, c.ID})
		}
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK}, nil
	}
	if err != nil {
		return awsevents.APIGatewayProxyResponse{}, err
	}
	if !h.pace.allows(c.Key) {
		return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK, Body: string(tooFast(event.Body))}, nil
	}
	answer := h.answerer.Answer(work, c, messageOf(event), peer{posts, h.poster, c.ID})
	return awsevents.APIGatewayProxyResponse{StatusCode: http.StatusOK, Body: string(answer)}, nil
}

// messageOf reads what was sent, and when. Emulators may not say when, or under which id.
func messageOf(event awsevents.APIGatewayWebsocketProxyRequest) watch.Message {
	m := watch.Message{Body: []byte(event.Body), Time: time.UnixMilli(event.RequestContext.RequestTimeEpoch)}
	m.ID, _ = event.RequestContext.MessageID.(string)
	if event.RequestContext.RequestTimeEpoch == 0 {
		m.Time = time.Now()
	}
	return m
}

// peer is the client that is answered.
type peer struct {
	ctx    context.Context
	poster watch.Poster
	id     watch.ConnectionID
}

func (p peer) Post(frame []byte) error { return p.poster.Post(p.ctx, p.id, watch.NewFrame(frame)) }
func (p peer) Close() error            { return p.poster.Close(p.ctx, p.id) }

// tooFast answers what comes too fast to be carried out.
func tooFast(body string) []byte {
	request, _ := events.ParseRequest([]byte(body))                                                                                   // one that cannot be read has no id
	frame, _ := events.Encode(&events.Error{ID: request.ID, Code: events.CodeTooManyRequests, Message: "too many messages a second"}) // strings always encode
	return frame
}
