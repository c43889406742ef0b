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
	// laneTime bounds the pushing to a lane before the rest is handed on. round is how many
	// connections are pushed to between two checks of that time. The last round still ends within
	// the function's timeout, even if each of its posts takes the full three seconds.
	laneTime = 2 * time.Second
	round    = 64
	// postsAtOnce bounds the posts of all lanes that are under way. So many use up the function's
	// share of a processor. More would keep API Gateway from answering others while lanes and
	// executions run side by side.
	postsAtOnce = 32
	// deadlineMargin is the part of the timeout that is kept free to report failures.
	deadlineMargin = time.Second
)

type handler struct {
	pusher watch.LanePusher
	queue  watch.Queue
	logger *slog.Logger
}

// bounded is a Poster that bounds the posts under way.
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

// push answers one batch of the queue of pushes, with all its lanes side by side. It reports the
// messages that have to come again. All messages of a lane fail together, which keeps their order.
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

// work pushes to one lane, and hands on the rest if its time ends.
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
