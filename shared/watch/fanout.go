package watch

import (
	"context"
	"errors"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Fanout turns a batch of writes into numbered changes at the watchers.
type Fanout struct {
	Numberer Numberer
	Pusher   Pusher
	// Handover gives topics with many watchers to the lanes. Without a Queue there are no lanes.
	Handover Handover
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

// largeBytes bounds the data, in bytes, of a topic that is numbered together with others. All of
// them wait for the slowest before they are pushed. Appending one item of 124 KB takes DynamoDB
// about ten times as long as appending small ones.
const largeBytes = 64 << 10

// Deliver numbers the writes of one batch of a stream, topic by topic, and pushes them. A topic
// that fails does not delay the others. Topics with large items delay only each other: they are
// numbered at the same time, and pushed after the others.
func (f Fanout) Deliver(ctx context.Context, stream Stream, writes []Write) Outcome {
	topics, byTopic := splitByTopic(writes)
	var small, large []events.Topic
	for _, topic := range topics {
		if dataBytes(byTopic[topic]) > largeBytes {
			large = append(large, topic)
		} else {
			small = append(small, topic)
		}
	}
	later := make(chan numbering, 1)
	go func() { later <- f.number(ctx, stream, large, byTopic) }()
	outcome := f.push(ctx, f.number(ctx, stream, small, byTopic), byTopic)
	outcome.add(f.push(ctx, <-later, byTopic))
	return outcome
}

// dataBytes gives the size of the writes' data.
func dataBytes(writes []Write) (bytes int) {
	for _, w := range writes {
		bytes += len(w.Data) + len(w.Before)
	}
	return bytes
}

// add joins the outcomes of two parts of a batch.
func (o *Outcome) add(other Outcome) {
	o.Stale = append(o.Stale, other.Stale...)
	o.Failed = append(o.Failed, other.Failed...)
	o.Pushed = o.Pushed.plus(other.Pushed)
	o.Err = errors.Join(o.Err, other.Err)
}

// numbering is the result of numbering the topics of a batch.
type numbering struct {
	numbered      []Numbered
	stale, failed []Write
	err           error
}

// number numbers each topic's writes, several topics at a time. It reads the heads of all of them
// together. A head that cannot be read so is read alone, so that it fails only its own topic.
func (f Fanout) number(ctx context.Context, stream Stream, topics []events.Topic, byTopic map[events.Topic][]Write) numbering {
	results := make([]Numbered, len(topics))
	errs := make([]error, len(topics))
	var heads map[events.Topic]Head
	if len(topics) > 1 {
		heads = f.Numberer.heads(ctx, topics)
	}
	tasks := newWorkers(topicsAtOnce)
	for i, topic := range topics {
		tasks.do(func() {
			var head *Head
			if read, ok := heads[topic]; ok {
				head = &read
			}
			results[i], errs[i] = f.Numberer.from(ctx, head, stream, byTopic[topic])
		})
	}
	tasks.wait()
	n := numbering{err: errors.Join(errs...)}
	for i, topic := range topics {
		switch {
		case errors.Is(errs[i], ErrStaleStream):
			n.stale = append(n.stale, byTopic[topic]...)
		case errs[i] != nil:
			n.failed = append(n.failed, byTopic[topic]...)
		default:
			n.numbered = append(n.numbered, results[i])
		}
	}
	return n
}

// push pushes the numbered topics, and hands over those that have lanes or need some. A topic that
// cannot be handed over fails, so that its writes come again.
func (f Fanout) push(ctx context.Context, n numbering, byTopic map[events.Topic][]Write) Outcome {
	outcome := Outcome{Stale: n.stale, Failed: n.failed, Err: n.err}
	if len(n.numbered) == 0 {
		return outcome
	}
	var inline []Numbered
	var laned []handed
	for _, topic := range n.numbered {
		if topic.Head.Lanes > 0 && f.Handover.Queue != nil {
			laned = append(laned, handed{Numbered: topic})
		} else {
			inline = append(inline, topic)
		}
	}
	failures := make(chan failedTopics, 3)
	go func() { failures <- f.Handover.all(ctx, f.Numberer.Log, laned) }()
	counting := f.Handover.counting(f.Pusher)
	audience, unread, err := counting.pusher().audience(ctx, inline, Whole)
	go func() { failures <- f.Pusher.wake(ctx, audience.destinations, inline, time.Now()) }()
	large := f.Handover.removeLarge(audience.connections, inline, counting.crowds)
	go func() { failures <- f.Handover.all(ctx, f.Numberer.Log, large) }()
	pushing, cancel := context.WithTimeout(ctx, f.PushTime)
	defer cancel()
	pushed, pushErr := f.Pusher.post(pushing, inOrder(groupsOf(audience.connections, time.Now()), inline), newEvaluator(inline))
	outcome.Pushed = pushed
	outcome.Err = errors.Join(outcome.Err, err, pushErr)
	for _, failed := range []failedTopics{{topics: unread}, <-failures, <-failures, <-failures} {
		outcome.Err = errors.Join(outcome.Err, failed.err)
		for _, topic := range failed.topics {
			outcome.Failed = append(outcome.Failed, byTopic[topic]...)
		}
	}
	return outcome
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
