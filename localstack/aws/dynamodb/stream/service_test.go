package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/watchroute/watchroute/shared/dynamo"
)

// serve starts the API with a clock of the test's own, and a client of it.
func serve(t *testing.T, shards int) (*Registry, *dynamodbstreams.Client, *time.Time) {
	t.Helper()
	clock := time.Date(2026, 11, 24, 0, 42, 12, 345_000_000, time.UTC)
	r := NewRegistry(Options{Shards: shards, Now: func() time.Time { return clock }})
	server := httptest.NewServer(r.Service())
	t.Cleanup(server.Close)
	client := dynamodbstreams.New(dynamodbstreams.Options{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(server.URL),
		Credentials:      credentials.NewStaticCredentialsProvider("id", "secret", ""),
		RetryMaxAttempts: 1,
		HTTPClient:       dynamo.HTTPClient(),
	})
	return r, client, &clock
}

// iterate gets an iterator of a stream's first shard.
func iterate(t *testing.T, c *dynamodbstreams.Client, s *Stream, kind types.ShardIteratorType, number *string) *string {
	t.Helper()
	out, err := c.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
		StreamArn: aws.String(s.ARN()), ShardId: aws.String(s.shards[0].id), ShardIteratorType: kind, SequenceNumber: number})
	if err != nil {
		t.Fatal(err)
	}
	return out.ShardIterator
}

func get(ctx context.Context, c *dynamodbstreams.Client, iterator *string, limit int32) (*dynamodbstreams.GetRecordsOutput, error) {
	return c.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(limit)})
}

func TestRecordsOverTheAPI(t *testing.T) {
	r, client, _ := serve(t, 1)
	s := r.Enable("Events", keySchema, NewImage)
	s.Append(put("a", "1", 1))
	expired := put("a", "1", 1)
	expired.Op, expired.TTL, expired.New = Remove, true, nil
	s.Append(expired)
	r.Disable(s)
	first, err := get(t.Context(), client, iterate(t, client, s, types.ShardIteratorTypeTrimHorizon, nil), 1)
	if err != nil || len(first.Records) != 1 || first.NextShardIterator == nil {
		t.Fatalf("%+v, %v; want one record and more to come", first, err)
	}
	rec := first.Records[0]
	data := rec.Dynamodb.NewImage["data"].(*types.AttributeValueMemberS)
	if rec.EventName != types.OperationTypeInsert || data.Value != "1" || rec.UserIdentity != nil {
		t.Errorf("first record is %+v with data %q", rec, data.Value)
	}
	if at := *rec.Dynamodb.ApproximateCreationDateTime; !at.Equal(time.Unix(1795480932, 0)) {
		t.Errorf("created %s, want whole seconds", at)
	}
	last, err := get(t.Context(), client, first.NextShardIterator, 1)
	if err != nil || len(last.Records) != 1 || last.NextShardIterator != nil {
		t.Fatalf("%+v, %v; want one record and the end of the closed shard", last, err)
	}
	if by := last.Records[0].UserIdentity; by == nil || *by.PrincipalId != "dynamodb.amazonaws.com" || *by.Type != "Service" {
		t.Errorf("a time-to-live deletion was done by %+v", by)
	}
}

func TestIteratorsBeginWhereTheirTypeSays(t *testing.T) {
	r, client, _ := serve(t, 1)
	s := r.Enable("Events", keySchema, NewImage)
	for n := range 4 {
		s.Append(put("a", fmt.Sprint(n), n))
	}
	second := aws.String(s.numbers.text(s.shards[0].records[1].count))
	latest := iterate(t, client, s, types.ShardIteratorTypeLatest, nil)
	s.Append(put("a", "4", 4))
	for name, c := range map[string]struct {
		iterator *string
		want     int
	}{
		"TRIM_HORIZON":          {iterate(t, client, s, types.ShardIteratorTypeTrimHorizon, nil), 5},
		"AT_SEQUENCE_NUMBER":    {iterate(t, client, s, types.ShardIteratorTypeAtSequenceNumber, second), 4},
		"AFTER_SEQUENCE_NUMBER": {iterate(t, client, s, types.ShardIteratorTypeAfterSequenceNumber, second), 3},
		"LATEST":                {latest, 1},
	} {
		out, err := get(t.Context(), client, c.iterator, 1000)
		if err != nil || len(out.Records) != c.want {
			t.Errorf("%s: %d records, %v; want %d", name, len(out.Records), err, c.want)
		}
	}
}

// A reader that comes before the first change begins at the number that DescribeStream
// gives, whichever way, and misses nothing.
func TestIteratorsBeginAtTheStartOfAShardWithoutRecords(t *testing.T) {
	r, client, _ := serve(t, 2)
	s := r.Enable("Events", keySchema, NewImage)
	parent := s.shards[0].id
	if err := s.Split(parent); err != nil {
		t.Fatal(err)
	}
	d, err := client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: aws.String(s.ARN())})
	if err != nil || len(d.StreamDescription.Shards) != 4 {
		t.Fatalf("%+v, %v; want 4 shards", d, err)
	}
	iterators := map[string][]*string{}
	for _, sh := range d.StreamDescription.Shards {
		for _, kind := range []types.ShardIteratorType{types.ShardIteratorTypeAtSequenceNumber, types.ShardIteratorTypeAfterSequenceNumber} {
			for _, number := range []*string{sh.SequenceNumberRange.StartingSequenceNumber, sh.SequenceNumberRange.EndingSequenceNumber} {
				if number == nil {
					continue
				}
				out, err := client.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{
					StreamArn: aws.String(s.ARN()), ShardId: sh.ShardId, ShardIteratorType: kind, SequenceNumber: number})
				if err != nil {
					t.Fatalf("%s %s of %s: %v", kind, *number, *sh.ShardId, err)
				}
				iterators[*sh.ShardId] = append(iterators[*sh.ShardId], out.ShardIterator)
			}
		}
	}
	for n := range 30 {
		s.Append(put(fmt.Sprint("topic", n), "1", n))
	}
	for _, sh := range s.shards {
		for _, it := range iterators[sh.id] {
			out, err := get(t.Context(), client, it, 1000)
			if err != nil || len(out.Records) != len(sh.records) {
				t.Errorf("%s: %d of %d records, %v", sh.id, len(out.Records), len(sh.records), err)
			}
		}
		if sh.id != parent && len(sh.records) == 0 {
			t.Errorf("no record came into %s", sh.id)
		}
	}
}

func TestIteratorsExpireAndAreTrimmed(t *testing.T) {
	r, client, clock := serve(t, 1)
	s := r.Enable("Events", keySchema, KeysOnly)
	s.Append(put("a", "1", 1))
	start := iterate(t, client, s, types.ShardIteratorTypeTrimHorizon, nil)
	*clock = clock.Add(IteratorLife - time.Second)
	if _, err := get(t.Context(), client, start, 1); err != nil {
		t.Errorf("after 14:59 minutes: %v", err)
	}
	*clock = clock.Add(time.Second)
	_, err := get(t.Context(), client, start, 1)
	if expired := new(types.ExpiredIteratorException); !errors.As(err, &expired) {
		t.Errorf("after 15 minutes: %v, want ExpiredIteratorException", err)
	}
	*clock = clock.Add(Retention - 20*time.Minute)
	old := iterate(t, client, s, types.ShardIteratorTypeTrimHorizon, nil)
	*clock = clock.Add(6 * time.Minute)
	_, err = get(t.Context(), client, old, 1)
	if trimmed := new(types.TrimmedDataAccessException); !errors.As(err, &trimmed) {
		t.Errorf("a record trimmed under its iterator: %v, want TrimmedDataAccessException", err)
	}
	_, err = client.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{StreamArn: aws.String(s.ARN()),
		ShardId: aws.String(s.shards[0].id), ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: aws.String(s.numbers.text(1))})
	if trimmed := new(types.TrimmedDataAccessException); !errors.As(err, &trimmed) {
		t.Errorf("an iterator at a trimmed record: %v, want TrimmedDataAccessException", err)
	}
}

func TestAnswersStayUnderAMegabyte(t *testing.T) {
	r, client, _ := serve(t, 1)
	s := r.Enable("Events", keySchema, NewImage)
	for n := range 5 {
		s.Append(put(strings.Repeat("k", 400<<10), fmt.Sprint(n), n))
	}
	r.Disable(s) // a shard that is closed must not end with the first page
	it, seen := iterate(t, client, s, types.ShardIteratorTypeTrimHorizon, nil), 0
	for it != nil {
		out, err := get(t.Context(), client, it, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Records) > 1 {
			t.Errorf("%d records of 800 KB in an answer", len(out.Records))
		}
		seen += len(out.Records)
		it = out.NextShardIterator
	}
	if seen != 5 {
		t.Errorf("saw %d records, want 5", seen)
	}
}

func TestShardsArePagedAndFiltered(t *testing.T) {
	r, client, _ := serve(t, 3)
	s := r.Enable("Events", keySchema, KeysOnly)
	s.Append(put("a", "1", 1))
	parent := s.shards[0].id
	if err := s.Split(parent); err != nil {
		t.Fatal(err)
	}
	var ids []string
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: aws.String(s.ARN()), Limit: aws.Int32(2)}
	for {
		out, err := client.DescribeStream(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, sh := range out.StreamDescription.Shards {
			ids = append(ids, *sh.ShardId)
			if (*sh.ShardId == parent) != (sh.SequenceNumberRange.EndingSequenceNumber != nil) {
				t.Errorf("shard %s ends at %v", *sh.ShardId, sh.SequenceNumberRange.EndingSequenceNumber)
			}
		}
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			break
		}
	}
	if len(ids) != 5 {
		t.Errorf("shards in pages of two: %v, want 5", ids)
	}
	out, err := client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: aws.String(s.ARN()),
		ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeChildShards, ShardId: aws.String(parent)}})
	if err != nil || len(out.StreamDescription.Shards) != 2 {
		t.Fatalf("children of the split shard: %+v, %v", out, err)
	}
	if got := *out.StreamDescription.Shards[0].ParentShardId; got != parent {
		t.Errorf("parent is %s, want %s", got, parent)
	}
}

func TestStreamsArePagedByTable(t *testing.T) {
	r, client, clock := serve(t, 1)
	for range 3 {
		r.Disable(r.Enable("Events", keySchema, KeysOnly))
	}
	r.Enable("Other", keySchema, KeysOnly)
	list := func(table, after *string, limit int32) *dynamodbstreams.ListStreamsOutput {
		out, err := client.ListStreams(t.Context(), &dynamodbstreams.ListStreamsInput{
			TableName: table, ExclusiveStartStreamArn: after, Limit: aws.Int32(limit)})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := list(aws.String("Events"), nil, 2)
	rest := list(aws.String("Events"), first.LastEvaluatedStreamArn, 2)
	if len(first.Streams) != 2 || len(rest.Streams) != 1 || rest.LastEvaluatedStreamArn != nil {
		t.Errorf("pages of %d and %d streams, then %v; want 2 and 1", len(first.Streams), len(rest.Streams), rest.LastEvaluatedStreamArn)
	}
	if all := list(nil, nil, 100); len(all.Streams) != 4 {
		t.Errorf("%d streams of all tables, want 4", len(all.Streams))
	}
	*clock = clock.Add(Retention)
	if left := list(nil, nil, 100); len(left.Streams) != 1 {
		t.Errorf("%d streams a day later, want the one that is enabled", len(left.Streams))
	}
}

func TestRefusals(t *testing.T) {
	r, _, _ := serve(t, 1)
	s := r.Enable("Events", keySchema, KeysOnly)
	s.Append(put("a", "1", 1))
	in := func(format string) string {
		return strings.NewReplacer("ARN", s.ARN(), "SHARD", s.shards[0].id, "NUMBER", s.numbers.text(s.last+1), "UNKNOWN", strings.Replace(s.ARN(), "Events", "Other", 1),
			"ITERATOR", iterator{arn: s.ARN(), shard: s.shards[0].id, count: 1, issued: r.options.Now()}.String(),
			"GONE", iterator{arn: s.ARN(), shard: "shardId-0", count: 1, issued: r.options.Now()}.String()).Replace(format)
	}
	for _, c := range []struct{ operation, body, shape string }{
		{"ListStreams", `{"Limit":0}`, "ValidationException"},
		{"ListStreams", `{"Limit":101}`, "ValidationException"},
		{"ListStreams", `{"Limit":"x"}`, "SerializationException"},
		{"DescribeStream", `{}`, "ValidationException"},
		{"DescribeStream", `{"StreamArn":"arn"}`, "ValidationException"},
		{"DescribeStream", `{"StreamArn":"sdfadfsdfnlfkajakfgjalksfgklasjklasdjfklasdfasdfgasf"}`, "ValidationException"},
		{"DescribeStream", `{"StreamArn":"UNKNOWN"}`, "ResourceNotFoundException"},
		{"DescribeStream", `{"StreamArn":"ARN","ShardFilter":{"Type":"CHILD_SHARDS"}}`, "ValidationException"},
		{"DescribeStream", `{"StreamArn":"ARN","Limit":101}`, "ValidationException"},
		{"DescribeStream", `{"StreamArn":"ARN","ShardFilter":{"Type":"X"}}`, "ValidationException"},
		{"GetShardIterator", `{}`, "ValidationException"},
		{"GetShardIterator", `{"StreamArn":"ARN"}`, "ValidationException"},
		{"GetShardIterator", `{"StreamArn":"ARN","ShardId":"SHARD","ShardIteratorType":"X"}`, "ValidationException"},
		{"GetShardIterator", `{"StreamArn":"ARN","ShardId":"SHARD","ShardIteratorType":"LATEST","SequenceNumber":"NUMBER"}`, "ValidationException"},
		{"GetShardIterator", `{"StreamArn":"ARN","ShardId":"SHARD","ShardIteratorType":"AT_SEQUENCE_NUMBER"}`, "ValidationException"},
		{"GetShardIterator", `{"StreamArn":"ARN","ShardId":"SHARD","ShardIteratorType":"AT_SEQUENCE_NUMBER","SequenceNumber":"1"}`, "ValidationException"},
		{"GetShardIterator", `{"StreamArn":"ARN","ShardId":"SHARD","ShardIteratorType":"AT_SEQUENCE_NUMBER","SequenceNumber":"NUMBER"}`, "ValidationException"},
		{"GetShardIterator", `{"StreamArn":"ARN","ShardId":"x","ShardIteratorType":"LATEST"}`, "ResourceNotFoundException"},
		{"GetShardIterator", `{"StreamArn":"x","ShardId":"SHARD","ShardIteratorType":"LATEST"}`, "ValidationException"},
		{"GetShardIterator", `{"StreamArn":"UNKNOWN","ShardId":"SHARD","ShardIteratorType":"LATEST"}`, "ResourceNotFoundException"},
		{"GetRecords", `{"ShardIterator":"x"}`, "ValidationException"},
		{"GetRecords", `{"ShardIterator":"ITERATOR","Limit":1001}`, "ValidationException"},
		{"GetRecords", `{"ShardIterator":"GONE"}`, "ResourceNotFoundException"},
		{"Nothing", `{}`, "UnknownOperationException"},
	} {
		_, err := r.Service().Call(t.Context(), c.operation, []byte(in(c.body)))
		if err == nil {
			t.Errorf("%s %s succeeded, want %s", c.operation, c.body, c.shape)
			continue
		}
		wantError(t, err, c.shape)
	}
}

func FuzzParseIterator(f *testing.F) {
	f.Add(iterator{arn: "arn:aws:dynamodb:us-east-1:0:table/T/stream/L", shard: "shardId-1", count: 7, issued: time.UnixMilli(1)}.String())
	f.Add("a|1|")
	f.Add("||")
	f.Fuzz(func(t *testing.T, token string) {
		it, err := parseIterator(token)
		if err != nil {
			wantError(t, err, "ValidationException")
			return
		}
		again, err := parseIterator(it.String())
		if err != nil || again != it {
			t.Errorf("%q is %+v, and that is %+v, %v", token, it, again, err)
		}
	})
}
