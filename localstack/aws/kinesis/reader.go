package kinesis

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/feed"
)

// Reader reads streams as Lambda's event source mappings do. Make one with [Service.Reader].
type Reader struct {
	s    *Service
	role string
}

// Reader gives a reader for a function with a role, whose ARN its records name.
func (s *Service) Reader(roleARN string) Reader { return Reader{s, roleARN} }

// Shards lists a stream's shards. The error is a ResourceNotFoundException if there is no such
// stream.
func (r Reader) Shards(arn string) ([]feed.Shard, error) {
	st, err := r.s.find(reference{StreamARN: arn})
	if err != nil {
		return nil, err
	}
	var shards []feed.Shard
	for _, sh := range st.shards {
		shards = append(shards, feed.Shard{ID: sh.id})
	}
	return shards, nil
}

// ShardsChanged gives nil: shards never change.
func (r Reader) ShardsChanged(string) <-chan struct{} { return nil }

// Latest gives the position behind everything that a shard holds now, as Read's after.
func (r Reader) Latest(arn, shardID string) (sequenceNumber string, err error) {
	st, shard, err := r.shard(arn, shardID)
	if err != nil {
		return "", err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.number(shard, st.last, st.now()), nil
}

func (r Reader) shard(arn, shardID string) (*stream, int, error) {
	st, err := r.s.find(reference{StreamARN: arn})
	if err != nil {
		return nil, 0, err
	}
	shard, ok := st.shardAt(shardID)
	if !ok {
		return nil, 0, st.errNoShard(shardID)
	}
	return st, shard, nil
}

// errTrimmed tells a mapping that it has missed records. Readers over HTTP are not told.
var errTrimmed = awsjson.Errorf("TrimmedDataAccessException", "The data you are trying to access has been trimmed")

// Read gives the records of a shard that follow the sequence number after, at most limit of them; ""
// begins at the oldest there is. It waits until there is a record, or ctx is done, which is its error
// then. A shard never ends, so closed is always false.
//
// Errors: ResourceNotFoundException for an unknown stream or shard, InvalidArgumentException if after
// is no number of the shard, TrimmedDataAccessException if records after it were trimmed unread.
func (r Reader) Read(ctx context.Context, arn, shardID, after string, limit int) (records []feed.Record, closed bool, err error) {
	st, shard, err := r.shard(arn, shardID)
	if err != nil {
		return nil, false, err
	}
	for {
		found, wake, err := st.poll(shard, after, max(limit, 1))
		if err != nil {
			return nil, false, fmt.Errorf("read %s of %s: %w", shardID, arn, err)
		}
		if len(found) > 0 {
			for _, one := range found {
				records = append(records, st.export(one, r.role))
			}
			return records, false, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// poll gives records without waiting; if there are none, wake tells when to look again.
func (st *stream) poll(shard int, after string, limit int) (found []*record, wake <-chan struct{}, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	from := uint64(0)
	if after != "" {
		if from, err = st.positionLocked(shard, after, true); err != nil {
			return nil, nil, err
		}
	}
	found = st.fromLocked(shard, from, limit)
	sh := st.shards[shard]
	switch {
	case from > 0 && sh.trimmed >= from:
		return nil, nil, errTrimmed
	case len(found) == 0 && sh.wake == nil:
		sh.wake = make(chan struct{})
	}
	return found, sh.wake, nil
}

// export makes a record as Lambda delivers it.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
func (st *stream) export(r *record, role string) feed.Record {
	b := append(make([]byte, 0, 512+base64.StdEncoding.EncodedLen(len(r.data))), `{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":`...)
	b = append(b, quote(r.key)...)
	b = append(b, `,"sequenceNumber":"`...)
	b = append(b, r.sequence...)
	b = append(b, `","data":"`...)
	b = base64.StdEncoding.AppendEncode(b, r.data)
	b = append(b, `","approximateArrivalTimestamp":`...)
	b = strconv.AppendFloat(b, seconds(r.arrived), 'f', -1, 64)
	b = append(b, `},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"`...)
	b = append(b, shardID(r.shard)+":"+r.sequence...)
	b = append(b, `","eventName":"aws:kinesis:record","invokeIdentityArn":`...)
	b = append(b, quote(role)...)
	b = append(b, `,"awsRegion":`...)
	b = append(b, quote(st.region)...)
	b = append(b, `,"eventSourceARN":`...)
	b = append(b, quote(st.arn)...)
	b = append(b, '}')
	return feed.Record{SequenceNumber: r.sequence, Created: r.arrived, Appended: r.arrived, Size: len(b), JSON: b}
}

// quote writes a text as JSON.
func quote(text string) []byte {
	encoded, err := exactjson.Marshal(text)
	if err != nil { // texts always encode
		return []byte(`""`)
	}
	return encoded
}
