package kinesis

import (
	"context"
	"math/big"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// Limits of records.
//
// Source: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
const (
	MaxRecordBytes  = 1 << 20 // of data and partition key
	MaxRecords      = 500     // of PutRecords
	MaxRequestBytes = 10 << 20
	maxKey          = 256 // characters of a partition key
)

var explicitKey = regexp.MustCompile(`^(0|[1-9]\d{0,38})$`)

// entry is a record to be put.
type entry struct {
	Data            []byte
	PartitionKey    *string
	ExplicitHashKey *string
}

// size is what counts against the limits.
func (e entry) size() int { return len(e.Data) + len(*e.PartitionKey) }

// check gives what is wrong with an entry. before stands before the names of members.
func (e entry) check(before string) error {
	switch {
	case e.PartitionKey == nil:
		return validation("Value null at '%spartitionKey' failed to satisfy constraint: Member must not be null", before)
	case *e.PartitionKey == "":
		return validation("Value '' at '%spartitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1", before)
	case utf8.RuneCountInString(*e.PartitionKey) > maxKey:
		return validation("Value '%s' at '%spartitionKey' failed to satisfy constraint: Member must have length less than or equal to %d", *e.PartitionKey, before, maxKey)
	case e.Data == nil:
		return validation("Value null at '%sdata' failed to satisfy constraint: Member must not be null", before)
	case e.size() > MaxRecordBytes:
		return validation("Value at '%sdata' failed to satisfy constraint: Member must have length less than or equal to %d", before, MaxRecordBytes)
	case e.ExplicitHashKey != nil && !explicitKey.MatchString(*e.ExplicitHashKey):
		return validation("Value '%s' at '%sexplicitHashKey' failed to satisfy constraint: Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})", *e.ExplicitHashKey, before)
	}
	if e.hashKey().Cmp(hashKeys) >= 0 {
		return invalid("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", *e.ExplicitHashKey)
	}
	return nil
}

// hashKey is the explicit one, or else that of the partition key.
func (e entry) hashKey() *big.Int {
	if e.ExplicitHashKey != nil {
		n, _ := new(big.Int).SetString(*e.ExplicitHashKey, 10) // check has seen its digits
		return n
	}
	return hashKey(*e.PartitionKey)
}

type putRecordInput struct {
	reference
	entry
	SequenceNumberForOrdering *string
	DryRun                    *bool
}

type putRecordOutput struct{ ShardId, SequenceNumber string }

// putRecord appends a record. Each gets a greater number than the one before, so that
// SequenceNumberForOrdering need only be a number of this stream.
func (s *Service) putRecord(_ context.Context, in putRecordInput) (any, error) {
	if err := in.check(""); err != nil {
		return nil, err
	}
	if err := refuseDryRun(in.DryRun); err != nil {
		return nil, err
	}
	st, err := s.find(in.reference)
	if err != nil {
		return nil, err
	}
	st.count(func(u *StreamUsage) { u.PutRequests++ })
	if before := in.SequenceNumberForOrdering; before != nil {
		if p, ok := st.parse(*before); !ok || !p.ours || p.count > st.latest() {
			return nil, invalid("ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.", *before, st.name, st.account)
		}
	}
	return st.put(in.entry), nil
}

func refuseDryRun(dryRun *bool) error {
	if dryRun != nil {
		return invalid("DryRun is not supported here.")
	}
	return nil
}

func (st *stream) put(e entry) putRecordOutput {
	r := st.append(e.hashKey(), *e.PartitionKey, e.Data)
	return putRecordOutput{shardID(r.shard), r.sequence}
}

// latest is the count of the latest record.
func (st *stream) latest() uint64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.last
}

type putRecordsInput struct {
	reference
	Records []entry
	DryRun  *bool
}

type putRecordsOutput struct {
	FailedRecordCount int // none: a wrong record fails the whole request, and throughput is not limited
	Records           []putRecordOutput
}

func (s *Service) putRecords(_ context.Context, in putRecordsInput) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	st, err := s.find(in.reference)
	if err != nil {
		return nil, err
	}
	st.count(func(u *StreamUsage) { u.PutRequests++ })
	out := putRecordsOutput{Records: []putRecordOutput{}}
	for _, e := range in.Records {
		out.Records = append(out.Records, st.put(e))
	}
	return out, nil
}

func (in putRecordsInput) check() error {
	if err := refuseDryRun(in.DryRun); err != nil {
		return err
	}
	switch n := len(in.Records); {
	case n < 1:
		return validation("Value '[]' at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case n > MaxRecords:
		return validation("Value at 'records' failed to satisfy constraint: Member must have length less than or equal to %d", MaxRecords)
	}
	size := 0
	for i, e := range in.Records {
		if err := e.check("records." + strconv.Itoa(i+1) + ".member."); err != nil {
			return err
		}
		size += e.size()
	}
	if size > MaxRequestBytes {
		return awsjson.Errorf("InvalidArgumentException", "Records size exceeds %d MB limit", MaxRequestBytes>>20)
	}
	return nil
}
