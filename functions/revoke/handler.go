package main

import (
	"context"
	"log/slog"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
)

// revoker cuts off whoever a revocation hits.
type revoker interface {
	Revoke(context.Context, watch.Revocation) (closed int, err error)
}

type handler struct {
	revoker revoker
	logger  *slog.Logger
}

// revoke answers one batch of the Revocations table's stream. It reports the records
// that have to come again; closing what is closed does nothing.
func (h handler) revoke(ctx context.Context, batch dynamo.Batch) (awsevents.DynamoDBEventResponse, error) {
	var failed []awsevents.DynamoDBBatchItemFailure
	for _, record := range batch.Records {
		if record.EventName == string(awsevents.DynamoDBOperationTypeRemove) {
			continue
		}
		revocation, err := dynamo.Revocation(record)
		if err != nil {
			h.logger.Error("record is not a revocation", "eventID", record.EventID, "err", err)
			continue
		}
		closed, err := h.revoker.Revoke(ctx, revocation)
		if err != nil {
			h.logger.Error("revocation incomplete", "eventID", record.EventID, "err", err)
			failed = append(failed, awsevents.DynamoDBBatchItemFailure{ItemIdentifier: record.Change.SequenceNumber})
			continue
		}
		h.logger.Info("tokens revoked", "eventID", record.EventID, "closed", closed)
	}
	return awsevents.DynamoDBEventResponse{BatchItemFailures: failed}, nil
}
