package stream

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// Limits of the Streams API.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html
const (
	maxListed       = 100     // streams of ListStreams, shards of DescribeStream
	maxRecords      = 1000    // records of GetRecords
	maxRecordsBytes = 1 << 20 // records of GetRecords, together
)

// Service speaks the Streams API: ListStreams, DescribeStream,
// GetShardIterator and GetRecords.
func (r *Registry) Service() *awsjson.Service {
	return &awsjson.Service{
		Target:    "DynamoDBStreams_20120810",
		Namespace: "com.amazonaws.dynamodb.v20120810#",
		Operations: map[string]awsjson.Operation{
			"ListStreams":      operation(r.listStreams),
			"DescribeStream":   operation(r.describeStream),
			"GetShardIterator": operation(r.getShardIterator),
			"GetRecords":       operation(r.getRecords),
		},
	}
}

// operation decodes a call's input for a handler.
func operation[In, Out any](handle func(In) (Out, error)) awsjson.Operation {
	return func(_ context.Context, body []byte) (any, error) {
		var in In
		if err := awsjson.Decode(body, &in); err != nil {
			return nil, err
		}
		return handle(in)
	}
}

// pageSize checks a Limit; absent means the most there can be.
func pageSize(limit *int, most int, tooMuch string) (int, error) {
	switch {
	case limit == nil:
		return most, nil
	case *limit < 1:
		return 0, awsjson.Errorf("ValidationException",
			"1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *limit)
	case *limit > most:
		return 0, invalid("%s %d", tooMuch, most)
	}
	return *limit, nil
}

// minARNBytes is the least length of a stream's ARN in the API model.
const minARNBytes = 37

// checkARN refuses what is no ARN of a stream. One that is, of a stream that is not there,
// is another matter.
func checkARN(arn string) error {
	switch {
	case arn == "":
		return awsjson.Errorf("ValidationException", "1 validation error detected: Value null at 'streamArn' failed to satisfy constraint: Member must not be null")
	case len(arn) < minARNBytes:
		return awsjson.Errorf("ValidationException", "1 validation error detected: Value '%s' at 'streamArn' failed to satisfy constraint: "+
			"Member must have length greater than or equal to %d", arn, minARNBytes)
	case !strings.HasPrefix(arn, "arn:") || !strings.Contains(arn, ":table/") || !strings.Contains(arn, "/stream/"):
		return awsjson.Errorf("ValidationException", "Invalid StreamArn: %s is no ARN of a stream", arn)
	}
	return nil
}

type iteratorInput struct {
	StreamArn         string
	ShardId           string
	ShardIteratorType string
	SequenceNumber    *string
}

type iteratorOutput struct{ ShardIterator string }

func (r *Registry) getShardIterator(in iteratorInput) (*iteratorOutput, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	s, err := r.fresh(in.StreamArn)
	if err != nil {
		return nil, err
	}
	number := ""
	if in.SequenceNumber != nil {
		number = *in.SequenceNumber
	}
	count, err := s.iteratorAt(in.ShardId, in.ShardIteratorType, number)
	if err != nil {
		return nil, err
	}
	at := iterator{arn: s.arn, shard: in.ShardId, count: count, issued: r.options.Now()}
	return &iteratorOutput{ShardIterator: at.String()}, nil
}

// check refuses what DynamoDB refuses before it looks at the stream.
func (in *iteratorInput) check() error {
	if err := checkARN(in.StreamArn); err != nil {
		return err
	}
	if in.ShardId == "" {
		return awsjson.Errorf("ValidationException", "No ShardId specified.")
	}
	switch in.ShardIteratorType {
	case "TRIM_HORIZON", "LATEST":
		if in.SequenceNumber != nil {
			return invalid("SequenceNumber should not be passed for this iterator type")
		}
	case "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER":
		if in.SequenceNumber == nil {
			return invalid("Invalid SequenceNumber")
		}
	default:
		return awsjson.Errorf("ValidationException", "1 validation error detected: Value '%s' at 'shardIteratorType' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [TRIM_HORIZON, LATEST, AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER]", in.ShardIteratorType)
	}
	return nil
}

type recordsInput struct {
	ShardIterator string
	Limit         *int
}

type recordsOutput struct {
	Records           []json.RawMessage
	NextShardIterator string `json:",omitempty"`
}

func (r *Registry) getRecords(in recordsInput) (*recordsOutput, error) {
	at, err := parseIterator(in.ShardIterator)
	if err != nil {
		return nil, err
	}
	limit, err := pageSize(in.Limit, maxRecords, "Limit should be less than or equal to")
	if err != nil {
		return nil, err
	}
	now := r.options.Now()
	if now.Sub(at.issued) >= IteratorLife {
		return nil, awsjson.Errorf("ExpiredIteratorException", "The ShardIterator has expired: it was issued at %s", at.issued.UTC())
	}
	s, err := r.fresh(at.arn)
	if err != nil {
		return nil, err
	}
	found, closed, _, err := s.poll(at.shard, at.count, limit)
	if err != nil {
		return nil, err
	}
	out := &recordsOutput{Records: []json.RawMessage{}}
	taken := out.fill(found)
	if closed && taken == len(found) {
		return out, nil
	}
	if taken > 0 {
		at.count = found[taken-1].count + 1
	}
	at.issued = now
	out.NextShardIterator = at.String()
	return out, nil
}

// fill takes in records up to the size an answer may have, one at least. It
// gives their number.
func (out *recordsOutput) fill(found []*record) int {
	size := 0
	for i, rec := range found {
		encoded := rec.apiJSON()
		if size += len(encoded); i > 0 && size > maxRecordsBytes {
			return i
		}
		out.Records = append(out.Records, encoded)
	}
	return len(found)
}
