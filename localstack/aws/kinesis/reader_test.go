package kinesis_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/kinesis"
)

const role = "arn:aws:iam::000000000000:role/Intake"

// TestLambdaGetsRecordsInTheirForm compares all bytes, and reads them with AWS's own types.
func TestLambdaGetsRecordsInTheirForm(t *testing.T) {
	w := newWorld(t)
	put := w.put("a\"<é>", "hello")
	records, closed, err := w.service.Reader(role).Read(t.Context(), arn, *put.ShardId, "", 10)
	if err != nil || closed || len(records) != 1 {
		t.Fatalf("read %v, %v, %v", records, closed, err)
	}
	want := `{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"a\"<é>","sequenceNumber":"` + *put.SequenceNumber + `","data":"aGVsbG8=",` +
		`"approximateArrivalTimestamp":1795694400.123},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"` + *put.ShardId + ":" + *put.SequenceNumber + `",` +
		`"eventName":"aws:kinesis:record","invokeIdentityArn":"` + role + `","awsRegion":"us-east-1","eventSourceARN":"` + arn + `"}`
	if got := string(records[0].JSON); got != want {
		t.Errorf("the record is\n%s\nwant\n%s", got, want)
	}
	var event awsevents.KinesisEventRecord
	if err := json.Unmarshal(records[0].JSON, &event); err != nil || string(event.Kinesis.Data) != "hello" || !event.Kinesis.ApproximateArrivalTimestamp.Round(time.Millisecond).Equal(w.now) {
		t.Errorf("the record is %+v, %v", event, err)
	}
	if r := records[0]; r.SequenceNumber != *put.SequenceNumber || !r.Created.Equal(w.now) || r.Size != len(want) {
		t.Errorf("the record is %+v", r)
	}
}

// TestReaderWaitsForTheNextRecord of its shard, and ends with its context.
func TestReaderWaitsForTheNextRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := kinesis.New(kinesis.Options{})
		call := func(operation, body string) {
			if _, err := s.Service().Call(t.Context(), operation, []byte(body)); err != nil {
				t.Error(err)
			}
		}
		call("CreateStream", `{"StreamName":"s","ShardCount":3}`)
		reader := s.Reader(role)
		const shard = "shardId-000000000000"
		call("PutRecord", `{"StreamName":"s","PartitionKey":"a","Data":""}`)
		after, err := reader.Latest(arn, shard)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { call("PutRecord", `{"StreamName":"s","PartitionKey":"b","Data":""}`) })
		time.AfterFunc(time.Minute, func() { call("PutRecord", `{"StreamName":"s","PartitionKey":"a","Data":"eA=="}`) })
		began := time.Now()
		records, _, err := reader.Read(t.Context(), arn, shard, after, 10)
		if err != nil || len(records) != 1 || time.Since(began) != time.Minute {
			t.Errorf("read %d records, %v, after %v", len(records), err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, _, err := reader.Read(ctx, arn, shard, records[0].SequenceNumber, 10); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
	})
}

// TestReaderLearnsOfTrimmedRecords, which it has missed.
func TestReaderLearnsOfTrimmedRecords(t *testing.T) {
	w := newWorld(t)
	first := w.put("a", "1")
	w.put("a", "2")
	w.now = w.now.Add(kinesis.Retention)
	w.put("a", "3")
	reader := w.service.Reader(role)
	_, _, err := reader.Read(t.Context(), arn, *first.ShardId, *first.SequenceNumber, 10)
	var e *awsjson.Error
	if !errors.As(err, &e) || e.Type != "TrimmedDataAccessException" {
		t.Errorf("read: %v", err)
	}
	if records, _, err := reader.Read(t.Context(), arn, *first.ShardId, "", 10); err != nil || len(records) != 1 {
		t.Errorf("from the oldest on there are %d records, %v", len(records), err)
	}
	for what, read := range map[string]func() error{
		"shard":  func() error { _, err := reader.Latest(arn, "shardId-000000000007"); return err },
		"stream": func() error { _, err := reader.Shards(arn + "2"); return err },
	} {
		if err := read(); !errors.As(err, &e) || e.Type != "ResourceNotFoundException" {
			t.Errorf("an unknown %s: %v", what, err)
		}
	}
}
