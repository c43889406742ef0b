// Package kinesis is the only place that knows Kinesis Data Streams: streams of shards over the AWS
// JSON protocol, kept in memory for 24 hours.
//
// Offered: CreateStream, DescribeStreamSummary, ListShards, PutRecord, PutRecords, GetShardIterator
// and GetRecords. Lambda's pollers read by a [Reader]. Shards are never split or merged. Throughput is
// not limited. PutRecords keeps the order of its records, which Kinesis does not promise.
//
// Source: https://docs.aws.amazon.com/kinesis/latest/APIReference/
package kinesis

import (
	"cmp"
	"context"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// Retention is how long a record can be read.
//
// Source: https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html
const Retention = 24 * time.Hour

// Options configure a service.
type Options struct {
	Account string           // default "000000000000"
	Region  string           // default "us-east-1"
	Now     func() time.Time // default time.Now
}

// Service holds the streams of one account and Region. Safe for concurrent use.
type Service struct {
	options Options

	mu      sync.Mutex
	streams map[string]*stream // by name
}

// New makes a service without streams.
func New(o Options) *Service {
	o.Account = cmp.Or(o.Account, "000000000000")
	o.Region = cmp.Or(o.Region, "us-east-1")
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{options: o, streams: map[string]*stream{}}
}

// Service gives the operations as they are spoken over HTTP.
func (s *Service) Service() *awsjson.Service {
	return &awsjson.Service{
		Target:    "Kinesis_20131202",
		Namespace: "com.amazonaws.kinesis.v20131202#",
		Version:   "1.1",
		Operations: map[string]awsjson.Operation{
			"CreateStream":          awsjson.Typed(s.createStream),
			"DescribeStreamSummary": awsjson.Typed(s.describeStreamSummary),
			"ListShards":            awsjson.Typed(s.listShards),
			"PutRecord":             awsjson.Typed(s.putRecord),
			"PutRecords":            awsjson.Typed(s.putRecords),
			"GetShardIterator":      awsjson.Typed(s.getShardIterator),
			"GetRecords":            awsjson.Typed(s.getRecords),
		},
	}
}

// none is the output of operations that have none.
type none struct{}

// reference names a stream in a request, by its name or ARN.
type reference struct{ StreamName, StreamARN string }

// name is the stream's name.
func (r reference) name() string {
	return cmp.Or(r.StreamName, r.StreamARN[strings.LastIndexByte(r.StreamARN, '/')+1:])
}

// find gives the stream that a request names.
func (s *Service) find(r reference) (*stream, error) {
	if r.name() == "" {
		return nil, invalid("Either StreamName or StreamARN should be provided.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[r.name()]
	if st == nil || r.StreamARN != "" && r.StreamARN != st.arn {
		return nil, awsjson.Errorf("ResourceNotFoundException", "Stream %s under account %s not found.", r.name(), s.options.Account)
	}
	return st, nil
}

// invalid makes the error of an argument that Kinesis refuses.
func invalid(format string, args ...any) error {
	return awsjson.Errorf("InvalidArgumentException", format, args...)
}

// validation makes the error of a member that is not as the API's model wants it.
func validation(format string, args ...any) error {
	return awsjson.Errorf("ValidationException", "1 validation error detected: "+format, args...)
}

var streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// Shards of a stream: of those on demand at first, and at most, as is the default for an account.
//
// Source: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
const (
	onDemandShards = 4
	mostShards     = 500
)

type createInput struct {
	StreamName        string
	ShardCount        *int
	StreamModeDetails struct{ StreamMode string }
}

// createStream makes a stream, which is active at once. Without a mode and a number of shards it is
// one on demand.
func (s *Service) createStream(_ context.Context, in createInput) (any, error) {
	shards, mode, err := in.shards()
	if err != nil {
		return nil, err
	}
	if !streamName.MatchString(in.StreamName) {
		return nil, validation("Value '%s' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+", in.StreamName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[in.StreamName] != nil {
		return nil, awsjson.Errorf("ResourceInUseException", "Stream %s under account %s already exists.", in.StreamName, s.options.Account)
	}
	s.streams[in.StreamName] = newStream(in.StreamName, mode, shards, s.options)
	return none{}, nil
}

// shards reads how many shards the stream gets, and its mode.
func (in createInput) shards() (n int, mode string, err error) {
	mode = in.StreamModeDetails.StreamMode
	if mode == "" {
		if mode = "ON_DEMAND"; in.ShardCount != nil {
			mode = "PROVISIONED"
		}
	}
	switch {
	case mode == "ON_DEMAND" && in.ShardCount == nil:
		return onDemandShards, mode, nil
	case mode == "ON_DEMAND":
		return 0, mode, awsjson.Errorf("ValidationException", "ShardCount must not be provided for streams in ON_DEMAND mode.")
	case mode != "PROVISIONED":
		return 0, mode, validation("Value '%s' at 'streamModeDetails.streamMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]", mode)
	case in.ShardCount == nil:
		return 0, mode, awsjson.Errorf("ValidationException", "ShardCount must be provided for streams in PROVISIONED mode.")
	case *in.ShardCount < 1:
		return 0, mode, validation("Value '%d' at 'shardCount' failed to satisfy constraint: Member must have value greater than or equal to 1", *in.ShardCount)
	case *in.ShardCount > mostShards:
		return 0, mode, awsjson.Errorf("LimitExceededException", "This request would exceed the shard limit for the account, which is %d.", mostShards)
	}
	return *in.ShardCount, mode, nil
}

type summaryOutput struct{ StreamDescriptionSummary summary }

type summary struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       struct{ StreamMode string }
	RetentionPeriodHours    int
	StreamCreationTimestamp float64
	EnhancedMonitoring      []monitoring
	EncryptionType          string
	OpenShardCount          int
	ConsumerCount           int
	MaxRecordSizeInKiB      int
}

type monitoring struct{ ShardLevelMetrics []string }

func (s *Service) describeStreamSummary(_ context.Context, in reference) (any, error) {
	st, err := s.find(in)
	if err != nil {
		return nil, err
	}
	out := summary{
		StreamName: st.name, StreamARN: st.arn, StreamStatus: "ACTIVE", RetentionPeriodHours: int(Retention.Hours()),
		StreamCreationTimestamp: seconds(st.created), EnhancedMonitoring: []monitoring{{[]string{}}},
		EncryptionType: "NONE", OpenShardCount: len(st.shards), MaxRecordSizeInKiB: MaxRecordBytes >> 10,
	}
	out.StreamModeDetails.StreamMode = st.mode
	return summaryOutput{out}, nil
}

// seconds is a time as the protocol has it: seconds since 1970, to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

type listInput struct {
	reference
	// Read to be refused.
	NextToken             string
	ExclusiveStartShardId string
	MaxResults            *int
	ShardFilter           *struct{}
}

type listOutput struct{ Shards []shardOutput }

type shardOutput struct {
	ShardId             string
	HashKeyRange        struct{ StartingHashKey, EndingHashKey string }
	SequenceNumberRange struct{ StartingSequenceNumber string }
}

// listShards gives all shards of a stream at once.
func (s *Service) listShards(_ context.Context, in listInput) (any, error) {
	if in.NextToken != "" || in.ExclusiveStartShardId != "" || in.MaxResults != nil || in.ShardFilter != nil {
		return nil, invalid("NextToken, ExclusiveStartShardId, MaxResults and ShardFilter of ListShards are not supported here.")
	}
	st, err := s.find(in.reference)
	if err != nil {
		return nil, err
	}
	out := listOutput{Shards: []shardOutput{}}
	for i, sh := range st.shards {
		one := shardOutput{ShardId: sh.id}
		one.HashKeyRange.StartingHashKey, one.HashKeyRange.EndingHashKey = sh.low.String(), sh.high.String()
		one.SequenceNumberRange.StartingSequenceNumber = st.number(i, 0, st.created)
		out.Shards = append(out.Shards, one)
	}
	return out, nil
}
