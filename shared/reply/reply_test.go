package reply

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/identity"
	"github.com/watchroute/watchroute/shared/seal"
	"github.com/watchroute/watchroute/shared/watch"
)

// posts keeps what is posted; broken, if set, refuses all.
type posts struct {
	frames []string
	closed int // how often
	broken error
}

func (p *posts) Post(ctx context.Context, _ watch.ConnectionID, frame watch.Frame) error {
	if err := errors.Join(p.broken, ctx.Err()); err != nil {
		return err
	}
	p.frames = append(p.frames, string(frame.Body))
	return nil
}

func (p *posts) Close(context.Context, watch.ConnectionID) error {
	p.closed++
	return nil
}

// key is that of the connection c1.
var key = watch.Key{Subject: watch.Anonymous, ID: "c1"}

func connection() watch.Connection { return watch.Connection{Key: key, Connected: time.Now()} }

// newMessage is a handler for connection c1.
func newMessage(t testing.TB) (Handler, *posts, *dynamo.Store) {
	t.Helper()
	store := dynamotest.Start(t).Store()
	if err := store.Connect(t.Context(), connection()); err != nil {
		t.Fatal(err)
	}
	p := &posts{}
	answerer := watch.Answerer{Store: store, Sealer: seal.Fixed(make([]byte, seal.MinSecretBytes)), Logger: slog.New(slog.DiscardHandler)}
	return New(identity.Reader{Open: true}, answerer, p, 100, answerer.Logger), p, store
}

// ask sends one frame as API Gateway does and gives the answer's body.
func ask(t *testing.T, ctx context.Context, h Handler, body string) string {
	t.Helper()
	event := awsevents.APIGatewayWebsocketProxyRequest{Body: body}
	event.RequestContext.ConnectionID, event.RequestContext.ConnectedAt = "c1", time.Now().UnixMilli()
	answer, err := h.Reply(ctx, event)
	if err != nil || answer.StatusCode != 200 {
		t.Errorf("answer %+v, %v", answer, err)
	}
	return answer.Body
}

func TestLastFrameIsTheBodyAndOthersArePosted(t *testing.T) {
	h, p, store := newMessage(t)
	for n := range 100 {
		item := events.Item{ID: fmt.Sprint(n), Data: []byte(`{"text":"` + strings.Repeat("x", 1_000) + `"}`)}
		if err := store.Put(t.Context(), watch.Publication{Topic: "a", Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	last := ask(t, t.Context(), h, `{"action":"subscribe","id":"q1","topic":"a","snapshot":true}`)
	if !strings.HasPrefix(p.frames[0], `{"type":"subscribed","id":"q1"`) || len(p.frames) != 4 {
		t.Errorf("%d frames posted, the first %.80s", len(p.frames), p.frames[0])
	}
	if !strings.HasPrefix(last, `{"type":"snapshot"`) || !strings.HasSuffix(last, `"more":false}`) {
		t.Errorf("body is %.80s … %s", last, last[len(last)-20:])
	}
	if got := ask(t, t.Context(), h, `{"action":"ping"}`); got != `{"type":"pong"}` || len(p.frames) != 4 {
		t.Errorf("ping is answered %s, %d frames posted", got, len(p.frames))
	}
}

func TestAnswerStopsWhenAPostFails(t *testing.T) {
	h, p, _ := newMessage(t)
	p.broken = watch.ErrGone
	if got := ask(t, t.Context(), h, `{"action":"subscribe","topic":"a","snapshot":true}`); got != "" {
		t.Errorf("after a post that failed the body is %s", got)
	}
}

// TestForgottenConnectionIsToldAndClosed: it may be one that could not be closed before.
func TestForgottenConnectionIsToldAndClosed(t *testing.T) {
	h, p, store := newMessage(t)
	if err := store.Forget(t.Context(), key, nil); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, t.Context(), h, `{"action":"subscribe","id":"q","topic":"a"}`); got != "" || len(p.frames) != 1 || !strings.Contains(p.frames[0], `"id":"q","code":"not_connected"`) || p.closed != 1 {
		t.Errorf("the body is %q, posts are %q, closed %d times", got, p.frames, p.closed)
	}
}

// TestAnswerThatAPostCutsOffIsToldSo: the client asks again for what it did not get.
func TestAnswerThatAPostCutsOffIsToldSo(t *testing.T) {
	h, p, _ := newMessage(t)
	p.broken = errors.New("API Gateway answered 429 LimitExceededException")
	if got := ask(t, t.Context(), h, `{"action":"subscribe","id":"q","topic":"a","snapshot":true}`); !strings.Contains(got, `"id":"q","code":"unavailable"`) {
		t.Errorf("after a post that failed the body is %s", got)
	}
}

// failingHistory lets subscribing come as far as reading the head.
type failingHistory struct{ watch.Store }

func (failingHistory) Head(context.Context, events.Topic) (watch.Head, error) {
	return watch.Head{}, errors.Join(watch.ErrUnavailable, errors.New("throttled"))
}

// TestNothingIsHalfDone fails a subscribe after its subscription was written: it is
// taken back, unless it was there before.
func TestNothingIsHalfDone(t *testing.T) {
	h, _, store := newMessage(t)
	ask(t, t.Context(), h, `{"action":"subscribe","topic":"old"}`)
	h.answerer = watch.Answerer{Store: failingHistory{store}, Logger: h.logger}
	for topic, want := range map[events.Topic]int{"new": 0, "old": 1} {
		got := ask(t, t.Context(), h, fmt.Sprintf(`{"action":"subscribe","id":"q","topic":%q}`, topic))
		if !strings.Contains(got, `"id":"q","code":"unavailable"`) {
			t.Errorf("answer %s", got)
		}
		if ids, err := store.Subscribers(t.Context(), topic, false, watch.Whole); err != nil || len(ids) != want {
			t.Errorf("%s has the subscribers %v, %v", topic, ids, err)
		}
	}
}

func TestClientIsToldOfATimeout(t *testing.T) {
	h, _, _ := newMessage(t)
	ctx, cancel := context.WithTimeout(t.Context(), workMargin)
	defer cancel()
	if got := ask(t, ctx, h, `{"action":"subscribe","topic":"a"}`); !strings.Contains(got, `"code":"unavailable"`) {
		t.Errorf("answer %s", got)
	}
}
