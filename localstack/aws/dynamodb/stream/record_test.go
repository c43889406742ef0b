package stream

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/item"
)

// decoded reads a record as a Lambda function would.
func decoded(t *testing.T, r Record) awsevents.DynamoDBEventRecord {
	t.Helper()
	var event awsevents.DynamoDBEventRecord
	if err := json.Unmarshal(r.JSON, &event); err != nil {
		t.Fatalf("%v in %s", err, r.JSON)
	}
	return event
}

// parsed gives the topic and the data of a record made by put.
func parsed(t *testing.T, r Record) (topic string, n int) {
	t.Helper()
	event := decoded(t, r)
	n, err := strconv.Atoi(event.Change.NewImage["data"].String())
	if err != nil {
		t.Fatal(err)
	}
	return event.Change.Keys["topic"].String(), n
}

// one appends a change to a fresh stream and reads it back.
func one(t *testing.T, view ViewType, c Change) (Record, *Stream) {
	t.Helper()
	at := time.Date(2026, 11, 24, 0, 42, 12, 345_000_000, time.UTC)
	r := NewRegistry(Options{Now: func() time.Time { return at }, Shards: 1})
	s := r.Enable("Events", keySchema, view)
	s.Append(c)
	shards, err := r.Shards(s.ARN())
	if err != nil {
		t.Fatal(err)
	}
	records, _, err := r.Read(t.Context(), s.ARN(), shards[0].ID, "", 10)
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	return records[0], s
}

func TestRecordAsLambdaDeliversIt(t *testing.T) {
	c := put("stocks/AAPL", "quote", 150)
	c.Op, c.Old, c.New, c.TTL = Remove, c.New, nil, true
	record, s := one(t, NewAndOldImages, c)
	var got map[string]any
	if err := json.Unmarshal(record.JSON, &got); err != nil {
		t.Fatal(err)
	}
	id, _ := got["eventID"].(string)
	if len(id) != 32 {
		t.Errorf("eventID is %q, want 32 hexadecimal digits", id)
	}
	want := fmt.Sprintf(`{"awsRegion":"us-east-1","dynamodb":{"ApproximateCreationDateTime":1795480932,`+
		`"Keys":{"id":{"S":"quote"},"topic":{"S":"stocks/AAPL"}},`+
		`"OldImage":{"data":{"S":"150"},"id":{"S":"quote"},"topic":{"S":"stocks/AAPL"}},`+
		`"SequenceNumber":%q,"SizeBytes":53,"StreamViewType":"NEW_AND_OLD_IMAGES"},`+
		`"eventID":%q,"eventName":"REMOVE","eventSource":"aws:dynamodb","eventSourceARN":%q,"eventVersion":"1.1",`+
		`"userIdentity":{"principalId":"dynamodb.amazonaws.com","type":"Service"}}`, record.SequenceNumber, id, s.ARN())
	sorted, _ := json.Marshal(got)
	if string(sorted) != want {
		t.Errorf("got  %s\nwant %s", sorted, want)
	}
	if record.Size != len(record.JSON) || record.Created != time.Unix(1795480932, 0).UTC() {
		t.Errorf("size %d of %d bytes, created %s", record.Size, len(record.JSON), record.Created)
	}
}

func TestViewTypesChooseTheImages(t *testing.T) {
	change := put("a", "1", 2)
	change.Op, change.Old = Modify, put("a", "1", 1).New
	for view, want := range map[ViewType]struct {
		old, new bool
		size     int64
	}{
		KeysOnly:        {false, false, 9},
		NewImage:        {false, true, 9 + 14},
		OldImage:        {true, false, 9 + 14},
		NewAndOldImages: {true, true, 9 + 14 + 14},
	} {
		record, _ := one(t, view, change)
		got := decoded(t, record).Change
		if (got.OldImage != nil) != want.old || (got.NewImage != nil) != want.new || got.SizeBytes != want.size {
			t.Errorf("%s: old %v, new %v, %d bytes; want %+v", view, got.OldImage, got.NewImage, got.SizeBytes, want)
		}
		if string(got.StreamViewType) != string(view) || !view.Valid() {
			t.Errorf("%s: the record says %s", view, got.StreamViewType)
		}
	}
	if ViewType("IMAGES").Valid() {
		t.Error("an unknown view type is valid")
	}
}

// A record that was read keeps its JSON only, and is the same when read again.
func TestReadingLetsGoOfTheImages(t *testing.T) {
	r := NewRegistry(Options{Shards: 1})
	s := r.Enable("Events", keySchema, NewAndOldImages)
	s.Append(put("a", "1", 1))
	kept := s.shards[0].records[0]
	first, second := kept.export(), kept.export()
	if &first.JSON[0] != &second.JSON[0] {
		t.Error("the record was encoded twice")
	}
	if kept.change.New != nil || kept.change.Keys != nil {
		t.Error("the images are still held")
	}
}

func BenchmarkAppend(b *testing.B) {
	r := NewRegistry(Options{})
	s := r.Enable("Events", keySchema, NewAndOldImages)
	change := put("stocks/AAPL", "quote", 1)
	b.ReportAllocs()
	for b.Loop() {
		s.Append(change)
	}
}

func BenchmarkEncode(b *testing.B) {
	s := NewRegistry(Options{}).Enable("Events", keySchema, NewAndOldImages)
	change := put("stocks/AAPL", "quote", 1)
	change.New["data"] = item.S(string(make([]byte, 256)))
	b.ReportAllocs()
	for b.Loop() {
		s.newRecord(change, 1, time.Unix(0, 0)).export()
	}
}

// BenchmarkWake measures from Append to a waiting reader's return and back.
func BenchmarkWake(b *testing.B) {
	r := NewRegistry(Options{Shards: 1})
	s := r.Enable("Events", keySchema, KeysOnly)
	shards, _ := r.Shards(s.ARN())
	seen := make(chan struct{})
	go func() {
		after := ""
		for {
			records, closed, err := r.Read(b.Context(), s.ARN(), shards[0].ID, after, 1)
			if err != nil || closed {
				return
			}
			after = records[0].SequenceNumber
			seen <- struct{}{}
		}
	}()
	change := put("a", "1", 1)
	for b.Loop() {
		s.Append(change)
		<-seen
	}
	r.Disable(s)
}
