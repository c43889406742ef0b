package watch

import (
	"context"
	"errors"
	"time"

	"github.com/watchroute/watchroute/events"
	"golang.org/x/sync/errgroup"
)

// Fanout turns a batch of writes into numbered changes at the watchers.
type Fanout struct {
	Numberer Numberer
	Pusher   Pusher
	// PushTime bounds the pushing of one batch, so that slow watchers cannot hold
	// up the shard.
	PushTime time.Duration
}

// Outcome says what became of a batch.
type Outcome struct {
	// Stale are writes from an earlier stream than their topic is numbered by.
	// They cannot be numbered, now or later.
	Stale []Write
	// Failed are writes that have to be delivered again.
	Failed []Write
	Pushed Pushed
	// Err joins everything that went wrong, for the operator. Watchers that could
	// not be reached are in it too, though they fail no write.
	Err error
}

// Deliver numbers the writes of one batch of a stream, topic by topic, and pushes
// them. A topic that fails does not keep the others back.
func (f Fanout) Deliver(ctx context.Context, stream Stream, writes []Write) Outcome {
	topics, byTopic := splitByTopic(writes)
	numbered, outcome := f.number(ctx, stream, topics, byTopic)
	ctx, cancel := context.WithTimeout(ctx, f.PushTime)
	defer cancel()
	pushed, unread, err := f.Pusher.Push(ctx, numbered)
	outcome.Pushed = pushed
	outcome.Err = errors.Join(outcome.Err, err)
	for _, topic := range unread {
		outcome.Failed = append(outcome.Failed, byTopic[topic]...)
	}
	return outcome
}

// number numbers each topic's writes, several topics at a time.
func (f Fanout) number(ctx context.Context, stream Stream, topics []events.Topic, byTopic map[events.Topic][]Write) ([]Numbered, Outcome) {
	results := make([]Numbered, len(topics))
	errs := make([]error, len(topics))
	var tasks errgroup.Group
	tasks.SetLimit(readsAtOnce)
	for i, topic := range topics {
		tasks.Go(func() error {
			entries, err := f.Numberer.Number(ctx, stream, byTopic[topic])
			results[i], errs[i] = Numbered{Topic: topic, Entries: entries}, err
			return nil
		})
	}
	_ = tasks.Wait() // the tasks keep their errors in errs
	var numbered []Numbered
	var outcome Outcome
	for i, topic := range topics {
		switch {
		case errors.Is(errs[i], ErrStaleStream):
			outcome.Stale = append(outcome.Stale, byTopic[topic]...)
		case errs[i] != nil:
			outcome.Failed = append(outcome.Failed, byTopic[topic]...)
		default:
			numbered = append(numbered, results[i])
		}
	}
	outcome.Err = errors.Join(errs...)
	return numbered, outcome
}

// splitByTopic gives the topics in the order of their first write, and the writes
// of each in theirs.
func splitByTopic(writes []Write) ([]events.Topic, map[events.Topic][]Write) {
	var topics []events.Topic
	byTopic := map[events.Topic][]Write{}
	for _, w := range writes {
		if byTopic[w.Topic] == nil {
			topics = append(topics, w.Topic)
		}
		byTopic[w.Topic] = append(byTopic[w.Topic], w)
	}
	return topics, byTopic
}
