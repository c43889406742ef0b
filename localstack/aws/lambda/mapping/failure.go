package mapping

import (
	"context"
	"encoding/json"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/feed"
)

// condition is why records were discarded.
type condition string

const (
	retriesExhausted condition = "RetryAttemptsExhausted"
	ageExceeded      condition = "RecordAgeExceeded"
)

// message is what a failure destination gets. It names the records and does not
// carry them.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html,
// https://docs.aws.amazon.com/lambda/latest/dg/kinesis-on-failure-destination.html
type message struct {
	RequestContext  requestContext   `json:"requestContext"`
	ResponseContext *responseContext `json:"responseContext,omitempty"`
	Version         string           `json:"version"`
	Timestamp       string           `json:"timestamp"`
	DynamoDB        *batchInfo       `json:"DDBStreamBatchInfo,omitempty"`
	Kinesis         *batchInfo       `json:"KinesisBatchInfo,omitempty"`
}

type requestContext struct {
	RequestID   string    `json:"requestId"`
	FunctionARN string    `json:"functionArn"`
	Condition   condition `json:"condition"`
	InvokeCount int       `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int     `json:"statusCode"`
	ExecutedVersion string  `json:"executedVersion"`
	FunctionError   *string `json:"functionError"` // null if the function reported failures
}

type batchInfo struct {
	ShardID             string `json:"shardId"`
	StartSequenceNumber string `json:"startSequenceNumber"`
	EndSequenceNumber   string `json:"endSequenceNumber"`
	FirstArrival        string `json:"approximateArrivalOfFirstRecord"`
	LastArrival         string `json:"approximateArrivalOfLastRecord"`
	BatchSize           int    `json:"batchSize"`
	StreamARN           string `json:"streamArn"`
}

// discard gives records up and tells the failure destination. answer is that of
// the last invocation, nil if there is none to speak of.
func (l *lane) discard(ctx context.Context, records []feed.Record, why condition, invocations int, answer *Answer) {
	l.o.Logger.Warn("records discarded", "shard", l.shardID, "condition", why,
		"records", len(records), "from", records[0].SequenceNumber)
	if l.m.OnFailure == nil {
		return
	}
	body, err := json.Marshal(l.message(records, why, invocations, answer))
	if err == nil {
		err = l.m.OnFailure(ctx, body)
	}
	if err != nil { // as on AWS, where a metric counts it (DestinationDeliveryFailures)
		l.o.Logger.Error("failure destination not reached", "shard", l.shardID, "err", err)
	}
}

// milliseconds is how times are written that are not to the second.
const milliseconds = "2006-01-02T15:04:05.000Z"

func (l *lane) batchInfo(records []feed.Record, times string) *batchInfo {
	first, last := records[0], records[len(records)-1]
	return &batchInfo{
		ShardID: l.shardID, StreamARN: l.m.StreamARN, BatchSize: len(records),
		StartSequenceNumber: first.SequenceNumber, EndSequenceNumber: last.SequenceNumber,
		FirstArrival: first.Created.UTC().Format(times), LastArrival: last.Created.UTC().Format(times),
	}
}

func (l *lane) message(records []feed.Record, why condition, invocations int, answer *Answer) message {
	m := message{
		RequestContext: requestContext{FunctionARN: l.m.Function, Condition: why, InvokeCount: invocations},
		Version:        "1.0",
		Timestamp:      time.Now().UTC().Format(milliseconds),
	}
	if l.m.ofKinesis() {
		m.Kinesis = l.batchInfo(records, milliseconds)
	} else {
		m.DynamoDB = l.batchInfo(records, time.RFC3339)
	}
	if answer == nil {
		return m
	}
	m.RequestContext.RequestID = answer.RequestID
	m.ResponseContext = &responseContext{StatusCode: 200, ExecutedVersion: "$LATEST"}
	if answer.FunctionError {
		unhandled := "Unhandled"
		m.ResponseContext.FunctionError = &unhandled
	}
	return m
}
