package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/deliveries"
	"github.com/watchroute/watchroute/shared/delivery"
)

// handler delivers what the messages of the queue wake. The schedule of the sweep invokes it as well.
type handler struct {
	deliver   func(context.Context, delivery.Ref) error
	reconcile func(context.Context, []delivery.Declared) error
	sweep     func(context.Context) (woken int, err error)
	logger    *slog.Logger
}

// event is one of the two that invoke the function: a batch of the queue, or the schedule's.
type event struct {
	awsevents.SQSEvent
	DetailType string `json:"detail-type"`
	// Destinations are what the deployer has declared. The schedule's rule sends them in place of the
	// usual event.
	Destinations []delivery.Declared `json:"destinations"`
}

// scheduled is the detail type of a schedule's events.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
const scheduled = "Scheduled Event"

func (h handler) handle(ctx context.Context, payload json.RawMessage) (any, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	switch {
	case e.DetailType == scheduled:
		return nil, errors.Join(h.sweepAll(ctx), h.reconcile(ctx, e.Destinations)) // the sweep first, as a long list may take all the time
	case e.Records != nil:
		return h.batch(ctx, e.SQSEvent), nil
	}
	return nil, errors.New("event is neither a batch of the queue nor the schedule's")
}

// sweepAll fails if some standings could not be woken; the next sweep finds them again.
func (h handler) sweepAll(ctx context.Context) error {
	woken, err := h.sweep(ctx)
	if err != nil {
		return fmt.Errorf("sweep, which has woken %d: %w", woken, err)
	}
	h.logger.Debug("swept", "woken", woken)
	return nil
}

// batch delivers one message after the other. After one that fails, all others come again as well, as
// a FIFO queue wants it.
func (h handler) batch(ctx context.Context, batch awsevents.SQSEvent) (answer awsevents.SQSEventResponse) {
	for i, m := range batch.Records {
		ref, err := deliveries.Read(m.Body)
		if err == nil {
			err = h.deliver(ctx, ref)
		}
		if err == nil {
			continue
		}
		h.logger.Error("not delivered", "destination", ref.Destination, "topic", ref.Topic, "sqsMessage", m.MessageId, "err", err)
		for _, rest := range batch.Records[i:] {
			answer.BatchItemFailures = append(answer.BatchItemFailures, awsevents.SQSBatchItemFailure{ItemIdentifier: rest.MessageId})
		}
		break
	}
	return answer
}
