package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/watchroute/watchroute/shared/failure"
	"github.com/watchroute/watchroute/shared/function"
)

// deadlineMargin is kept free of the time that Lambda gives, to report what failed
// rather than be cut off.
const deadlineMargin = time.Second

type handler struct {
	streams  streams
	failures failure.Queue
	logger   *slog.Logger
}

// salvage answers one batch of pointers, which Lambda has sent for the records that it gave
// up. It reports the pointers that have to come again. Such a pointer's records are sent
// again from the first, so the failure queue may have a record twice. A pointer that fails
// too often goes to the failure queue as it is, by the redrive policy of its queue.
func (h handler) salvage(ctx context.Context, batch awsevents.SQSEvent) (awsevents.SQSEventResponse, error) {
	ctx, cancel := function.WithMargin(ctx, deadlineMargin)
	defer cancel()
	var failed []awsevents.SQSBatchItemFailure
	for _, m := range batch.Records {
		if err := h.copy(ctx, m.Body); err != nil {
			h.logger.Error("records not salvaged", "sqsMessage", m.MessageId, "err", err)
			failed = append(failed, awsevents.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return awsevents.SQSEventResponse{BatchItemFailures: failed}, nil
}

// copy sends each record that a pointer names to the failure queue. If some are not in the
// stream any more, the pointer goes there, too.
func (h handler) copy(ctx context.Context, body string) error {
	p, err := parsePointer(body)
	if err != nil {
		return err
	}
	copied := 0
	whole, err := h.streams.read(ctx, p.Batch, func(r types.Record) error {
		copied++
		return h.send(ctx, newLostRecord(p, r))
	})
	if err == nil && !whole {
		err = h.failures.Send(ctx, newLostPointer(p, json.RawMessage(body)))
	}
	if err != nil {
		return err
	}
	h.logger.Warn("records given up", "function", p.Request.FunctionARN, "condition", p.Request.Condition,
		"shard", p.Batch.ShardID, "from", p.Batch.Start, "records", p.Batch.Size, "copied", copied)
	return nil
}
