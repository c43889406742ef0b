package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/failure"
	"github.com/watchroute/watchroute/shared/function"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	// pushTime bounds the pushing of a batch. What is not pushed by then the
	// watchers miss, and see it from the gap.
	pushTime = 10 * time.Second
	// deadlineMargin is kept free of the time that Lambda gives, to report what
	// failed rather than be cut off.
	deadlineMargin = time.Second
)

type handler struct {
	deliverer watch.Fanout
	refusals  refuser
	logger    *slog.Logger
}

// refuser takes records that can never become changes.
type refuser interface {
	refuse(ctx context.Context, record dynamo.Record, reason events.Code, message string) error
}

func newHandler(store *dynamo.Store, poster watch.Poster, waker watch.Waker, handover watch.Handover, refusals refuser, logger *slog.Logger) handler {
	return handler{
		deliverer: watch.Fanout{
			Numberer: watch.Numberer{Log: store},
			Pusher:   watch.Pusher{Subscribers: store, Poster: poster, Waker: waker},
			Handover: handover,
			PushTime: pushTime,
		},
		refusals: refusals,
		logger:   logger,
	}
}

// fanout answers one batch of the Events table's stream. It reports the records
// that have to come again; Lambda then repeats the batch from the first of them, and
// those that were numbered keep their numbers.
func (h handler) fanout(ctx context.Context, batch dynamo.Batch) (awsevents.DynamoDBEventResponse, error) {
	ctx, cancel := function.WithMargin(ctx, deadlineMargin)
	defer cancel()
	var failed failures
	for stream, records := range byStream(batch.Records) {
		h.deliver(ctx, stream, records, &failed)
	}
	return awsevents.DynamoDBEventResponse{BatchItemFailures: failed}, nil
}

// failures are the records that have to come again.
type failures []awsevents.DynamoDBBatchItemFailure

func (f *failures) add(position watch.Position) {
	*f = append(*f, awsevents.DynamoDBBatchItemFailure{ItemIdentifier: string(position)})
}

// deliver takes the records of one stream to the watchers, and what cannot be a
// change to the failure queue.
func (h handler) deliver(ctx context.Context, stream watch.Stream, records []dynamo.Record, failed *failures) {
	byPosition := map[watch.Position]dynamo.Record{}
	var writes []watch.Write
	for _, record := range records {
		write, err := dynamo.Write(record)
		if err != nil {
			h.refuse(ctx, record, err, failed)
			continue
		}
		byPosition[write.Position] = record
		writes = append(writes, write)
	}
	if len(writes) == 0 {
		return
	}
	outcome := h.deliverer.Deliver(ctx, stream, writes)
	for _, write := range outcome.Stale {
		h.refuse(ctx, byPosition[write.Position], watch.ErrStaleStream, failed)
	}
	for _, write := range outcome.Failed {
		failed.add(write.Position)
	}
	h.report(stream, len(records), outcome)
}

// refusalPatience is how old a record may be that still waits for the failure queue. All
// topics of the stream's shard wait with it.
const refusalPatience = time.Minute

// refuse sends a record to the failure queue. If that fails the record comes again, unless
// the queue will never take it, or has not taken it for long: then the log has all that the
// queue would have, and the shard goes on.
func (h handler) refuse(ctx context.Context, record dynamo.Record, cause error, failed *failures) {
	reason, message := reasonStale, cause.Error()
	if wire := (*events.Error)(nil); errors.As(cause, &wire) {
		reason, message = wire.Code, wire.Message
	}
	logger := h.logger.With("eventID", record.EventID, "reason", reason)
	logger.Warn("record refused")
	err := h.refusals.refuse(ctx, record, reason, message)
	switch {
	case err == nil:
	case errors.Is(err, failure.ErrRejected) || time.Since(record.Change.ApproximateCreationDateTime.Time) > refusalPatience:
		logger.Error("refused record given up", "message", message, "stream", record.EventSourceARN, "sequenceNumber", record.Change.SequenceNumber,
			"keys", string(record.Change.Keys), "err", err)
	default:
		logger.Error("refusal not delivered", "err", err)
		failed.add(watch.Position(record.Change.SequenceNumber))
	}
}

// report logs a batch that did not go through whole.
func (h handler) report(stream watch.Stream, records int, o watch.Outcome) {
	if o.Err == nil && o.Pushed.Lost == 0 {
		return
	}
	h.logger.Error("batch incomplete", "stream", stream, "records", records, "failed", len(o.Failed), "stale", len(o.Stale),
		"frames", o.Pushed.Frames, "gone", o.Pushed.Gone, "lost", o.Pushed.Lost, "err", o.Err)
}

// byStream splits records by their stream. Lambda never mixes two in one batch; a
// batch put together by hand may.
func byStream(records []dynamo.Record) map[watch.Stream][]dynamo.Record {
	streams := map[watch.Stream][]dynamo.Record{}
	for _, record := range records {
		stream := watch.Stream(record.EventSourceARN)
		streams[stream] = append(streams[stream], record)
	}
	return streams
}
