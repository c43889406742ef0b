package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/watchroute/watchroute/shared/dynamo"
	"github.com/watchroute/watchroute/shared/watch"
)

type revokerFunc func(watch.Revocation) (int, error)

func (f revokerFunc) Revoke(_ context.Context, r watch.Revocation) (int, error) { return f(r) }

// record is one of the Revocations table's stream; without a time, before is 0.
func record(operation awsevents.DynamoDBOperationType, n int, subject, tokenID string, before int64) dynamo.Record {
	row := fmt.Sprintf(`{"subject":{"S":%q},"tokenId":{"S":%q}`, subject, tokenID)
	if before != 0 {
		row += fmt.Sprintf(`,"before":{"N":"%d"}`, before)
	}
	image := json.RawMessage(row + "}")
	r := dynamo.Record{EventID: fmt.Sprint("e", n), EventName: string(operation)}
	r.Change.SequenceNumber = fmt.Sprint(n)
	if operation == awsevents.DynamoDBOperationTypeRemove {
		r.Change.OldImage = image
	} else {
		r.Change.NewImage = image
	}
	return r
}

// TestRevoke goes through a batch to its end. What fails comes again, alone; that a
// revocation is removed or has lived its time means nothing.
func TestRevoke(t *testing.T) {
	var revoked []watch.Revocation
	h := handler{
		logger: slog.New(slog.DiscardHandler),
		revoker: revokerFunc(func(r watch.Revocation) (int, error) {
			revoked = append(revoked, r)
			if r.Subject == "ben" {
				return 3, errors.New("one is not closed")
			}
			return 1, nil
		}),
	}
	got, err := h.revoke(t.Context(), dynamo.Batch{Records: []dynamo.Record{
		record(awsevents.DynamoDBOperationTypeInsert, 1, "anna", watch.AnyToken, 1_770_660_703),
		record(awsevents.DynamoDBOperationTypeInsert, 2, "ben", "t1", 1_770_660_704),
		record(awsevents.DynamoDBOperationTypeRemove, 3, "carl", watch.AnyToken, 1_770_660_705),
		record(awsevents.DynamoDBOperationTypeModify, 4, "dora", "t2", 1_770_660_706),
	}})
	want := []watch.Revocation{
		{Subject: "anna", TokenID: watch.AnyToken, Before: time.Unix(1_770_660_703, 0)},
		{Subject: "ben", TokenID: "t1", Before: time.Unix(1_770_660_704, 0)},
		{Subject: "dora", TokenID: "t2", Before: time.Unix(1_770_660_706, 0)},
	}
	if !slices.Equal(revoked, want) {
		t.Errorf("revoked is %+v, want %+v", revoked, want)
	}
	if failed := []awsevents.DynamoDBBatchItemFailure{{ItemIdentifier: "2"}}; err != nil || !slices.Equal(got.BatchItemFailures, failed) {
		t.Errorf("failed is %+v, %v; want %+v", got.BatchItemFailures, err, failed)
	}
}

// TestRevocationWithoutTimeHitsAllTokens, also those of tomorrow.
func TestRevocationWithoutTimeHitsAllTokens(t *testing.T) {
	h := handler{logger: slog.New(slog.DiscardHandler), revoker: revokerFunc(func(r watch.Revocation) (int, error) {
		if !r.Hits(watch.Access{TokenID: "t1", Issued: time.Now().Add(24 * time.Hour)}) {
			t.Errorf("%+v does not", r)
		}
		return 0, nil
	})}
	got, err := h.revoke(t.Context(), dynamo.Batch{Records: []dynamo.Record{
		record(awsevents.DynamoDBOperationTypeInsert, 1, "anna", watch.AnyToken, 0),
	}})
	if err != nil || len(got.BatchItemFailures) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRevocationWithAnyExpiryCloses: the record may be late, and an expiresAt that DynamoDB
// ignores does not end the revocation.
func TestRevocationWithAnyExpiryCloses(t *testing.T) {
	closed := 0
	h := handler{logger: slog.New(slog.DiscardHandler), revoker: revokerFunc(func(r watch.Revocation) (int, error) {
		if r.Hits(watch.Access{TokenID: "t1", Issued: time.Now()}) {
			closed++
		}
		return 1, nil
	})}
	var batch dynamo.Batch
	for n, expires := range []string{
		`{"N":"0"}`, `{"N":"1"}`, `{"N":"-1"}`, `{"S":"soon"}`, `{"NULL":true}`, fmt.Sprintf(`{"N":"%d"}`, time.Now().Unix()-60),
	} {
		r := record(awsevents.DynamoDBOperationTypeInsert, n, "anna", "t1", 0)
		r.Change.NewImage = append(bytes.TrimSuffix(r.Change.NewImage, []byte("}")), `,"expiresAt":`+expires+`}`...)
		batch.Records = append(batch.Records, r)
	}
	if got, err := h.revoke(t.Context(), batch); err != nil || len(got.BatchItemFailures) > 0 || closed != len(batch.Records) {
		t.Errorf("%d of %d records close connections; %+v, %v", closed, len(batch.Records), got, err)
	}
}

// TestLogNamesRecordsNotPeople: the operator finds the record; whose it is stays there.
func TestLogNamesRecordsNotPeople(t *testing.T) {
	var log bytes.Buffer
	h := handler{logger: slog.New(slog.NewJSONHandler(&log, nil)), revoker: revokerFunc(func(watch.Revocation) (int, error) {
		return 0, errors.New("not closed")
	})}
	if _, err := h.revoke(t.Context(), dynamo.Batch{Records: []dynamo.Record{
		record(awsevents.DynamoDBOperationTypeInsert, 7, "anna@example.org", "token seven", 1),
	}}); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); !strings.Contains(got, `"e7"`) || !strings.Contains(got, "not closed") || strings.Contains(got, "anna") || strings.Contains(got, "token seven") {
		t.Errorf("log is %s", got)
	}
}

// TestRecordWithoutRowIsNotRetried: no later attempt finds what the record does not have.
func TestRecordWithoutRowIsNotRetried(t *testing.T) {
	var log bytes.Buffer
	h := handler{logger: slog.New(slog.NewJSONHandler(&log, nil)), revoker: revokerFunc(func(r watch.Revocation) (int, error) {
		t.Errorf("revoked %+v", r)
		return 0, nil
	})}
	got, err := h.revoke(t.Context(), dynamo.Batch{Records: []dynamo.Record{{EventID: "e8", EventName: "INSERT"}}})
	if err != nil || len(got.BatchItemFailures) > 0 || !strings.Contains(log.String(), "e8") {
		t.Errorf("%+v, %v, log %s", got, err, log.String())
	}
}
