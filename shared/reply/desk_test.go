package reply

import (
	"context"
	"log/slog"
	"maps"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/grant"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
)

// desk is a handler with the limits that are deployed, the tables behind it, and what it
// posts.
type desk struct {
	*testing.T
	Handler
	answerer *watch.Answerer
	renewer  *watch.Renewer
	db       *dynamotest.Database
	store    *dynamo.Store
	posts    *posts
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db := dynamotest.Start(t)
	d := &desk{T: t, db: db, store: db.Store(), posts: &posts{}}
	logger, allowance := slog.New(slog.DiscardHandler), watch.NewAllowance(d.store, 1<<30)
	d.answerer = &watch.Answerer{
		Store:     d.store,
		Sealer:    seal.Fixed(make([]byte, seal.MinSecretBytes)),
		Allowance: allowance,
		Limits:    watch.Limits{Subscriptions: events.MaxSubscriptions, Subscribes: 20, PublishBytes: events.MaxDataBytes, SnapshotItems: 2_000},
		Logger:    logger,
	}
	d.renewer = &watch.Renewer{Store: d.store, Allowance: allowance, Logger: logger}
	d.Handler = New(identity.Reader{}, routes{d.answerer, d.renewer}, d.posts, 1_000_000, logger)
	return d
}

// routes are those of the WebSocket API: the functions message and renew in one.
type routes struct {
	message *watch.Answerer
	renew   *watch.Renewer
}

func (r routes) Answer(ctx context.Context, c watch.Connection, m watch.Message, peer watch.Peer) []byte {
	if request, err := events.ParseRequest(m.Body); err == nil && request.Action == events.ActionAuth && r.renew.Tokens != nil {
		return r.renew.Answer(ctx, c, m, peer)
	}
	return r.message.Answer(ctx, c, m, peer)
}

// granted gives what a token allows.
func granted(t *testing.T, subject, claim string) grant.Grant {
	t.Helper()
	g, err := grant.Parse([]byte(claim), subject)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// connect makes a connection that is an hour old, by a token that has another hour.
func (d *desk) connect(subject, id, claim string) watch.Connection {
	d.Helper()
	now := time.Now()
	c := watch.Connection{
		Key: watch.Key{Subject: subject, ID: watch.ConnectionID(id)}, Connected: now.Add(-time.Hour),
		Access: watch.Access{Grant: granted(d.T, subject, claim), Issued: now.Add(-time.Hour), Expires: now.Add(time.Hour)},
	}
	if err := d.store.Connect(d.Context(), c); err != nil {
		d.Fatal(err)
	}
	return c
}

// ask sends one frame of a connection, as API Gateway does, and gives all frames of the answer.
func (d *desk) ask(c watch.Connection, body string) (frames []string) {
	d.Helper()
	return d.askIn(d.Context(), c, body)
}

// askIn does so as a function that ends with the context.
func (d *desk) askIn(ctx context.Context, c watch.Connection, body string) (frames []string) {
	d.Helper()
	authorizer := map[string]any{"principalId": c.Subject}
	maps.Copy(authorizer, identity.Context(c.Access))
	if c.ToldInside {
		identity.TellInside(authorizer)
	}
	event := awsevents.APIGatewayWebsocketProxyRequest{Body: body}
	event.RequestContext.ConnectionID, event.RequestContext.ConnectedAt = string(c.ID), c.Connected.UnixMilli()
	event.RequestContext.Authorizer = authorizer
	d.posts.frames = nil
	answer, err := d.Reply(ctx, event)
	if err != nil || answer.StatusCode != 200 {
		d.Fatalf("%.100s is answered %+v, %v", body, answer, err)
	}
	frames = d.posts.frames
	if answer.Body != "" {
		frames = append(frames, answer.Body)
	}
	return frames
}

// log keeps changes in a topic's log, as fan-out does.
func (d *desk) log(topic events.Topic, changes ...watch.Entry) {
	d.Helper()
	var from watch.Head
	for len(changes) > 0 {
		n, size := 0, 0
		for n < min(len(changes), watch.MaxAppendEntries) && size < 3<<20 {
			e := &changes[n]
			e.Topic, e.Epoch, e.Seq, e.Position = topic, "e", from.Seq+int64(n)+1, "1"
			size += len(e.Data) + len(e.Before)
			n++
		}
		to := watch.Head{Cursor: changes[n-1].Cursor(), Stream: stream, Position: "1", First: true}
		if err := d.store.Append(d.Context(), topic, from, to, changes[:n]); err != nil {
			d.Fatal(err)
		}
		from, changes = to, changes[n:]
	}
}

// stream is as long a name as they are.
const stream watch.Stream = "arn:aws:dynamodb:us-east-1:000000000000:table/Watchroute-Events/stream/2026-11-24T00:00:00.000"

// times gives n changes that are the same but for their numbers.
func times(n int, e watch.Entry) []watch.Entry {
	all := make([]watch.Entry, n)
	for i := range all {
		all[i] = e
	}
	return all
}
