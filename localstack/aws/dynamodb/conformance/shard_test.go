package conformance

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// holding finds the shard that has records: with one partition there is one.
func (s *stack) holding(t *testing.T, arn string) (shard string, all []streamtypes.Record) {
	t.Helper()
	for _, sh := range s.shards(t, arn) {
		if all = s.follow(t, s.iterator(t, arn, *sh.ShardId, streamtypes.ShardIteratorTypeTrimHorizon, nil), 1000); len(all) > 0 {
			return *sh.ShardId, all
		}
	}
	t.Fatal("no shard has records")
	return "", nil
}

func TestIteratorTypes(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeNewImage})
		for n := range 4 {
			s.put(t, table, item("p", "a", "n", n))
		}
		arn := s.latestStream(t, table)
		shard, all := s.holding(t, arn)
		if len(all) != 4 {
			t.Fatalf("%d records", len(all))
		}
		second := all[1].Dynamodb.SequenceNumber
		latest := s.iterator(t, arn, shard, streamtypes.ShardIteratorTypeLatest, nil)
		s.put(t, table, item("p", "a", "n", 4))
		for _, c := range []struct {
			name     string
			iterator *string
			want     string
		}{
			{"TRIM_HORIZON", s.iterator(t, arn, shard, streamtypes.ShardIteratorTypeTrimHorizon, nil), "0 1 2 3 4"},
			{"AT_SEQUENCE_NUMBER", s.iterator(t, arn, shard, streamtypes.ShardIteratorTypeAtSequenceNumber, second), "1 2 3 4"},
			{"AFTER_SEQUENCE_NUMBER", s.iterator(t, arn, shard, streamtypes.ShardIteratorTypeAfterSequenceNumber, second), "2 3 4"},
			{"LATEST", latest, "4"},
		} {
			t.Run(c.name, func(t *testing.T) {
				var got []string
				for _, r := range s.follow(t, c.iterator, 2) {
					got = append(got, r.Dynamodb.NewImage["n"].(*streamtypes.AttributeValueMemberN).Value)
				}
				if strings.Join(got, " ") != c.want {
					t.Errorf("got %v, want %s", got, c.want)
				}
			})
		}
	})
}

func TestStreamOffAndOnIsANewStream(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeNewImage})
		change := func(spec *types.StreamSpecification) *types.TableDescription {
			t.Helper()
			out, err := s.db.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &table, StreamSpecification: spec})
			if err != nil {
				t.Fatal(err)
			}
			return out.TableDescription
		}
		s.put(t, table, item("p", "a", "n", 1))
		first := s.latestStream(t, table)
		if off := change(&types.StreamSpecification{StreamEnabled: aws.Bool(false)}); off.StreamSpecification != nil && aws.ToBool(off.StreamSpecification.StreamEnabled) {
			t.Errorf("switched off, the stream is %+v", off.StreamSpecification)
		}
		s.put(t, table, item("p", "a", "n", 2))
		change(&types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeKeysOnly})
		s.put(t, table, item("p", "a", "n", 3))
		second := s.latestStream(t, table)
		if second == first {
			t.Fatalf("both streams are %s", first)
		}
		if old, young := s.records(t, first), s.records(t, second); len(old) != 1 || len(young) != 1 {
			t.Errorf("%d records in the first stream and %d in the second; want one each, none of the time between", len(old), len(young))
		}
		d, err := s.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &first})
		if err != nil || d.StreamDescription.StreamStatus != streamtypes.StreamStatusDisabled {
			t.Errorf("the first stream is %+v, %v", d, err)
		}
		listed, err := s.streams.ListStreams(t.Context(), &dynamodbstreams.ListStreamsInput{TableName: &table})
		if err != nil || len(listed.Streams) != 2 {
			t.Errorf("streams of the table: %+v, %v", listed, err)
		}
	})
}

// A shard that is closed and read to its end has no next iterator.
func TestClosedShardEnds(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeKeysOnly})
		s.put(t, table, item("p", "a"))
		arn := s.latestStream(t, table)
		shard, _ := s.holding(t, arn)
		open, err := s.streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: s.iterator(t, arn, shard, streamtypes.ShardIteratorTypeTrimHorizon, nil)})
		if err != nil || open.NextShardIterator == nil {
			t.Errorf("an open shard ended: %v", err)
		}
		_, err = s.db.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: &table, StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(false)}})
		if err != nil {
			t.Fatal(err)
		}
		ended, err := s.streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: open.NextShardIterator})
		if err != nil || ended.NextShardIterator != nil || len(ended.Records) != 0 {
			t.Errorf("a closed shard goes on: %+v, %v", ended, err)
		}
		for _, sh := range s.shards(t, arn) {
			if sh.SequenceNumberRange.EndingSequenceNumber == nil {
				t.Errorf("closed shard %s has no end", *sh.ShardId)
			}
		}
	})
}

// A shard has a first number before it has a record. Both kinds of iterators may begin
// there.
func TestIteratorsOfAShardWithoutRecords(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		for _, kind := range []streamtypes.ShardIteratorType{streamtypes.ShardIteratorTypeAtSequenceNumber, streamtypes.ShardIteratorTypeAfterSequenceNumber} {
			t.Run(string(kind), func(t *testing.T) {
				table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeKeysOnly})
				arn := s.latestStream(t, table)
				begin := map[string]*string{}
				for _, sh := range s.shards(t, arn) {
					begin[*sh.ShardId] = s.iterator(t, arn, *sh.ShardId, kind, sh.SequenceNumberRange.StartingSequenceNumber)
				}
				s.put(t, table, item("p", "a"))
				shard, all := s.holding(t, arn)
				if kind == streamtypes.ShardIteratorTypeAfterSequenceNumber {
					s.differs(t, "the first number is its first record's, which such an iterator passes over")
				}
				if got := s.follow(t, begin[shard], 1000); len(got) != len(all) {
					t.Errorf("%d of %d records", len(got), len(all))
				}
			})
		}
	})
}

func TestStreamRefusals(t *testing.T) {
	each(t, func(t *testing.T, s *stack) {
		table := s.table(t, schema{hash: "p:S", stream: types.StreamViewTypeKeysOnly})
		arn := s.latestStream(t, table)
		shard := *s.shards(t, arn)[0].ShardId
		iterator := func(change func(*dynamodbstreams.GetShardIteratorInput)) error {
			in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &arn, ShardId: &shard, ShardIteratorType: streamtypes.ShardIteratorTypeLatest}
			change(in)
			_, err := s.streams.GetShardIterator(t.Context(), in)
			return err
		}
		read := func(iterator string, limit int32) error {
			_, err := s.streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: &iterator, Limit: &limit})
			return err
		}
		valid := *s.iterator(t, arn, shard, streamtypes.ShardIteratorTypeLatest, nil)
		filter := func(f streamtypes.ShardFilter) error {
			_, err := s.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &arn, ShardFilter: &f})
			return err
		}
		_, none := s.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: aws.String("sdfadfsdfnlfkajakfgjalksfgklasjklasdjfklasdfasdfgasf")})
		_, describe := s.streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: aws.String(arn + "0")})
		for _, c := range []struct {
			name    string
			err     error
			want    string
			differs string // what DynamoDB Local does instead
		}{
			{"an ARN that is none", none, "ValidationException", "it answers ResourceNotFoundException"},
			{"a filter without a shard", filter(streamtypes.ShardFilter{Type: streamtypes.ShardFilterTypeChildShards}), "ValidationException", "it answers without shards"},
			{"unknown stream", describe, "ResourceNotFoundException: Requested resource not found: Stream: " + arn + "0 not found", ""},
			{"unknown shard", iterator(func(in *dynamodbstreams.GetShardIteratorInput) {
				in.ShardId = aws.String("shardId-00000000000000000000-aaaaaaaa")
			}), "ResourceNotFoundException", ""},
			{"number where none belongs", iterator(func(in *dynamodbstreams.GetShardIteratorInput) {
				in.SequenceNumber = aws.String("111111111111111111111")
			}),
				invalidValues + "SequenceNumber should not be passed for this iterator type", ""},
			{"no number", iterator(func(in *dynamodbstreams.GetShardIteratorInput) {
				in.ShardIteratorType = streamtypes.ShardIteratorTypeAtSequenceNumber
			}),
				invalidValues + "Invalid SequenceNumber", ""},
			{"no iterator", read("nonsense", 1), "ValidationException: Invalid ShardIterator", ""},
			{"limit 0", read(valid, 0), "ValidationException: 1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", ""},
			{"limit 1001", read(valid, 1001), "ValidationException…", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				if c.differs != "" {
					s.differs(t, c.differs)
				}
				s.wantFault(t, c.err, c.want)
			})
		}
	})
}
