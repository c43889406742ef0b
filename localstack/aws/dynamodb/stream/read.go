package stream

import (
	"context"
	"fmt"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/feed"
)

// Shard is one shard of a stream as readers see it.
type Shard = feed.Shard

// Shards lists a stream's shards, parents before children. The error is a
// ResourceNotFoundException if there is no such stream.
func (r *Registry) Shards(arn string) ([]Shard, error) {
	s, err := r.fresh(arn)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	shards := make([]Shard, len(s.shards))
	for i, sh := range s.shards {
		shards[i] = Shard{ID: sh.id, Parent: sh.parent, Closed: sh.closed}
	}
	return shards, nil
}

// ShardsChanged gives a channel that is closed when the stream's shards next
// change: one is split, closed or gone. Ask for the channel first and for
// Shards then, so that no change is missed. It is nil if there is no such
// stream.
func (r *Registry) ShardsChanged(arn string) <-chan struct{} {
	s, err := r.stream(arn)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Latest gives the position behind everything a shard holds now, as Read's
// after: where StartingPosition LATEST begins.
func (r *Registry) Latest(arn, shardID string) (sequenceNumber string, err error) {
	s, err := r.stream(arn)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shard(shardID) == nil {
		return "", errShardNotFound
	}
	return s.numbers.text(s.last), nil
}

// Read gives the records of a shard that follow the sequence number after, at
// most limit of them (below 1 counts as 1); "" begins at the oldest there is.
// It waits until there is a record, the shard ends, or ctx is done, which is its
// error then. closed reports that nothing will ever follow what was returned.
//
// Errors: ResourceNotFoundException for an unknown stream or shard,
// ValidationException if after is no sequence number, and
// TrimmedDataAccessException if records after it were trimmed unread.
func (r *Registry) Read(ctx context.Context, arn, shardID, after string, limit int) (records []Record, closed bool, err error) {
	s, err := r.stream(arn)
	if err != nil {
		return nil, false, err
	}
	var from uint64
	if after != "" {
		count, ok := s.numbers.parse(after)
		if !ok {
			return nil, false, invalid("Invalid SequenceNumber")
		}
		from = count + 1
	}
	for {
		found, closed, wake, err := s.poll(shardID, from, max(limit, 1))
		if err != nil {
			return nil, false, fmt.Errorf("read %s of %s: %w", shardID, arn, err)
		}
		if len(found) > 0 || closed {
			return export(found), closed, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// poll gives the records from a count on (0: from the oldest) without waiting;
// if there are none and there may be some later, wake tells when to look again.
func (s *Stream) poll(shardID string, from uint64, limit int) (found []*record, closed bool, wake <-chan struct{}, err error) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := s.shard(shardID)
	if sh == nil {
		return nil, false, nil, errShardNotFound
	}
	sh.trim(now, s.retention)
	if from > 0 && from <= sh.trimmed {
		return nil, false, nil, errTrimmed
	}
	found = sh.from(from, limit)
	next := from
	if len(found) > 0 {
		next = found[len(found)-1].count + 1
	}
	if closed = sh.drained(next); !closed && len(found) == 0 {
		wake = sh.waiting()
	}
	return found, closed, wake, nil
}

func export(found []*record) []Record {
	records := make([]Record, len(found))
	for i, r := range found {
		records[i] = r.export()
	}
	return records
}

// fresh finds a stream and lets go of its shards that are over.
func (r *Registry) fresh(arn string) (*Stream, error) {
	r.Expire()
	return r.stream(arn)
}

// errTrimmed answers for a position whose records are older than the retention.
var errTrimmed = awsjson.Errorf("TrimmedDataAccessException", "The data you are trying to access has been trimmed")

func invalid(format string, args ...any) *awsjson.Error {
	return awsjson.Errorf("ValidationException", "One or more parameter values were invalid: "+format, args...)
}
