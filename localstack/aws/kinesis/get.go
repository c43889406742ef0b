package kinesis

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// IteratorLife is how long a shard iterator can be used.
//
// Source: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html
const IteratorLife = 5 * time.Minute

// Limits of GetRecords.
//
// Source: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
const (
	maxGet      = 10_000
	maxGetBytes = 10 << 20
)

// iterator is a place in a shard: the next record has at least this count.
type iterator struct {
	stream string // its name
	shard  int
	count  uint64
	issued time.Time // to the millisecond
}

// String is the token that clients hold. It says everything: nothing is kept for an iterator.
func (i iterator) String() string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s/%d/%d/%d", i.stream, i.shard, i.count, i.issued.UnixMilli()))
}

func parseIterator(token string) (iterator, error) {
	text, err := base64.StdEncoding.DecodeString(token)
	parts := strings.Split(string(text), "/")
	if err != nil || len(parts) != 4 {
		return iterator{}, errIterator
	}
	shard, badShard := strconv.ParseUint(parts[1], 10, 31)
	count, badCount := strconv.ParseUint(parts[2], 10, 63)
	issued, badIssued := strconv.ParseInt(parts[3], 10, 64)
	if badShard != nil || badCount != nil || badIssued != nil {
		return iterator{}, errIterator
	}
	return iterator{parts[0], int(shard), count, time.UnixMilli(issued)}, nil
}

// StreamOf gives the name of the stream that a shard iterator is of, "" if it is no iterator.
func StreamOf(iterator string) string {
	at, err := parseIterator(iterator)
	if err != nil {
		return ""
	}
	return at.stream
}

var errIterator = invalid("Invalid ShardIterator.")

type iteratorInput struct {
	reference
	ShardId                string
	ShardIteratorType      string
	StartingSequenceNumber *string
	Timestamp              *float64 // seconds since 1970
	DryRun                 *bool
}

type iteratorOutput struct{ ShardIterator string }

func (s *Service) getShardIterator(_ context.Context, in iteratorInput) (any, error) {
	if err := refuseDryRun(in.DryRun); err != nil {
		return nil, err
	}
	st, err := s.find(in.reference)
	if err != nil {
		return nil, err
	}
	shard, ok := st.shardAt(in.ShardId)
	if !ok {
		return nil, st.errNoShard(in.ShardId)
	}
	count, err := st.position(shard, in)
	if err != nil {
		return nil, err
	}
	return iteratorOutput{iterator{st.name, shard, count, s.options.Now()}.String()}, nil
}

func (st *stream) errNoShard(id string) error {
	return awsjson.Errorf("ResourceNotFoundException", "Shard %s in stream %s under account %s does not exist", id, st.name, st.account)
}

// position gives the count at which an iterator begins.
func (st *stream) position(shard int, in iteratorInput) (count uint64, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch in.ShardIteratorType {
	case "TRIM_HORIZON", "LATEST":
		switch {
		case in.StartingSequenceNumber != nil:
			return 0, errPosition(in.ShardIteratorType, "also a StartingSequenceNumber")
		case in.ShardIteratorType == "LATEST":
			return st.last + 1, nil
		}
		return 0, nil
	case "AT_TIMESTAMP":
		if in.Timestamp == nil {
			return 0, invalid("Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
		}
		at := time.UnixMilli(int64(*in.Timestamp * 1000))
		for _, r := range st.fromLocked(shard, 0, len(st.shards[shard].records)) {
			if !r.arrived.Truncate(time.Millisecond).Before(at) {
				return r.count, nil
			}
		}
		return st.last + 1, nil
	case "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER":
		if in.StartingSequenceNumber == nil {
			return 0, errPosition(in.ShardIteratorType, "no StartingSequenceNumber")
		}
		return st.positionLocked(shard, *in.StartingSequenceNumber, in.ShardIteratorType == "AFTER_SEQUENCE_NUMBER")
	}
	return 0, validation("Value '%s' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: "+
		"[AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]", in.ShardIteratorType)
}

func errPosition(kind, what string) error {
	return invalid("Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or "+
		"(2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and %s.", kind, what)
}

// positionLocked gives the count of a sequence number of a shard, or the one after it.
func (st *stream) positionLocked(shard int, sequence string, after bool) (uint64, error) {
	p, ok := st.parse(sequence)
	wrong := fmt.Sprintf("StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account %s is invalid", sequence, shardID(shard), st.name, st.account)
	switch {
	case !ok:
		return 0, invalid("%s.", wrong)
	case p.shard != shard:
		return 0, invalid("Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s", shardID(p.shard), shardID(shard))
	case !p.ours || p.count > st.last:
		return 0, invalid("%s because it did not come from this stream.", wrong)
	case after:
		return p.count + 1, nil
	}
	return p.count, nil
}

type getInput struct {
	ShardIterator string
	Limit         *int
	StreamARN     string
}

type getOutput struct {
	Records            []recordOutput
	NextShardIterator  string
	MillisBehindLatest int64
}

type recordOutput struct {
	SequenceNumber              string
	ApproximateArrivalTimestamp float64
	Data                        []byte
	PartitionKey                string
}

// getRecords gives the records from an iterator on, oldest first. Records that were trimmed are left
// out, as on AWS.
func (s *Service) getRecords(_ context.Context, in getInput) (any, error) {
	at, err := parseIterator(in.ShardIterator)
	if err != nil {
		return nil, err
	}
	limit := maxGet
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > maxGet {
			return nil, validation("Value '%d' at 'limit' failed to satisfy constraint: Member must have value from 1 to %d", limit, maxGet)
		}
	}
	now := s.options.Now()
	if now.Sub(at.issued) > IteratorLife {
		return nil, awsjson.Errorf("ExpiredIteratorException", "Iterator expired. The iterator was created at time %s while right now it is %s "+
			"which is further in the future than the tolerated delay of %d milliseconds.", clock(at.issued), clock(now), IteratorLife.Milliseconds())
	}
	st, err := s.find(reference{StreamName: at.stream, StreamARN: in.StreamARN})
	if err != nil {
		return nil, err
	}
	if at.shard >= len(st.shards) {
		return nil, st.errNoShard(shardID(at.shard))
	}
	return st.get(at, limit, now), nil
}

// clock writes a time as Kinesis's errors do.
func clock(t time.Time) string { return t.UTC().Format("Mon Jan 02 15:04:05 UTC 2006") }

func (st *stream) get(at iterator, limit int, now time.Time) getOutput {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.usage.GetRequests++
	out, size := getOutput{Records: []recordOutput{}}, 0
	for _, r := range st.fromLocked(at.shard, at.count, limit) {
		if size += len(r.data) + len(r.key); size > maxGetBytes && len(out.Records) > 0 {
			break
		}
		out.Records = append(out.Records, recordOutput{r.sequence, seconds(r.arrived), r.data, r.key})
		at.count = r.count + 1
	}
	if next := st.fromLocked(at.shard, at.count, 1); len(next) > 0 {
		out.MillisBehindLatest = max(1, now.Sub(next[0].arrived).Milliseconds())
	}
	at.issued = now
	out.NextShardIterator = at.String()
	return out
}
