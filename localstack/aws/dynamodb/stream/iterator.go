package stream

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

// IteratorLife is how long a shard iterator can be used.
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetShardIterator.html
const IteratorLife = 15 * time.Minute

// iterator is a place in a shard: the next record has at least this count.
type iterator struct {
	arn    string
	shard  string
	count  uint64
	issued time.Time // milliseconds
}

// String gives the token clients hold, which says everything: nothing is kept
// for an iterator. Its form is DynamoDB's "{arn}|{version}|{opaque}".
func (i iterator) String() string {
	opaque := fmt.Sprintf("%s|%d|%d", i.shard, i.count, i.issued.UnixMilli())
	return i.arn + "|1|" + base64.StdEncoding.EncodeToString([]byte(opaque))
}

// parseIterator is the inverse of String. The error is a ValidationException.
func parseIterator(token string) (iterator, error) {
	bad := awsjson.Errorf("ValidationException", "Invalid ShardIterator")
	parts := strings.Split(token, "|")
	if len(parts) != 3 || parts[1] != "1" {
		return iterator{}, bad
	}
	opaque, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return iterator{}, bad
	}
	fields := strings.Split(string(opaque), "|")
	if len(fields) != 3 {
		return iterator{}, bad
	}
	count, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil || count > maxCount+1 {
		return iterator{}, bad
	}
	issued, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return iterator{}, bad
	}
	return iterator{arn: parts[0], shard: fields[0], count: count, issued: time.UnixMilli(issued)}, nil
}

// iteratorAt finds the count at which an iterator of a type begins.
func (s *Stream) iteratorAt(shardID, kind, sequenceNumber string) (count uint64, err error) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shard(shardID)
	if sh == nil {
		return 0, errShardNotFound
	}
	sh.trim(now, s.retention)
	switch kind {
	case "TRIM_HORIZON":
		return max(sh.start, sh.trimmed+1), nil
	case "LATEST":
		return s.last + 1, nil
	}
	at, ok := s.numbers.parse(sequenceNumber)
	if !ok || at > s.last {
		return 0, invalid("Invalid SequenceNumber")
	}
	if at < sh.start || at <= sh.trimmed {
		return 0, errTrimmed
	}
	if kind == "AFTER_SEQUENCE_NUMBER" {
		at++
	}
	return at, nil
}
