package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/pushes"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	// laneTime is how long a lane is pushed to before the rest is handed on, and round how many
	// connections are pushed to before that is looked at. A round that has begun by then ends in
	// what Lambda gives besides, also if all of its posts take the three seconds that one may.
	laneTime = 2 * time.Second
	round    = 64
	// postsAtOnce bounds the posts of all lanes that are under way: so many use up what the
	// function has of a processor, and few enough that lanes and executions side by side do not
	// keep API Gateway from answering others.
	postsAtOnce = 32
	// deadlineMargin is kept free of the time that Lambda gives, to report what
	// failed rather than be cut off.
	deadlineMargin = time.Second
)

type handler struct {
	pusher watch.LanePusher
	queue  watch.Queue
	logger *slog.Logger
}

// bounded is a Poster with a bound of posts at once.
type bounded struct {
	watch.Poster
	slots chan struct{}
}

func newBounded(poster watch.Poster) bounded {
	return bounded{poster, make(chan struct{}, postsAtOnce)}
}

func (b bounded) Post(ctx context.Context, id watch.ConnectionID, frame watch.Frame) error {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.slots }()
	return b.Poster.Post(ctx, id, frame)
}

// lane is one lane of a topic.
type lane struct {
	topic events.Topic
	index int
}

// push answers one batch of the queue of pushes, all lanes of it side by side. It reports the
// messages that have to come again: those of a lane together, which keeps their order.
func (h handler) push(ctx context.Context, batch awsevents.SQSEvent) (awsevents.SQSEventResponse, error) {
	ctx, cancel := function.WithMargin(ctx, deadlineMargin)
	defer cancel()
	var failed []awsevents.SQSBatchItemFailure
	var mu sync.Mutex
	fail := func(messages ...string) {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range messages {
			failed = append(failed, awsevents.SQSBatchItemFailure{ItemIdentifier: id})
		}
	}
	works, messages := map[lane]watch.Work{}, map[lane][]string{}
	for _, m := range batch.Records {
		work, err := pushes.Read(m.Body)
		if err != nil {
			h.logger.Error("message refused", "sqsMessage", m.MessageId, "err", err)
			fail(m.MessageId)
			continue
		}
		l := lane{work.Topic, work.Lane}
		if first, ok := works[l]; ok {
			work.From = first.From
		}
		works[l], messages[l] = work, append(messages[l], m.MessageId)
	}
	var tasks sync.WaitGroup
	for l, work := range works {
		tasks.Go(func() {
			if err := h.work(ctx, work); err != nil {
				h.logger.Error("lane not pushed to", "topic", l.topic, "lane", l.index, "err", err)
				fail(messages[l]...)
			}
		})
	}
	tasks.Wait()
	return awsevents.SQSEventResponse{BatchItemFailures: failed}, nil
}

// work pushes to one lane, and hands on what there was no time for.
func (h handler) work(ctx context.Context, work watch.Work) error {
	pushed, left, err, failed := h.pusher.Push(ctx, work)
	if err != nil || pushed.Lost > 0 {
		h.logger.Error("push incomplete", "topic", work.Topic, "lane", work.Lane, "frames", pushed.Frames, "gone", pushed.Gone, "lost", pushed.Lost, "err", err)
	}
	if failed != nil || left == nil {
		return failed
	}
	return h.queue.Send(ctx, []watch.Work{*left})
}
