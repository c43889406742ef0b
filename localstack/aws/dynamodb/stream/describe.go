package stream

import (
	"encoding/json"
	"strconv"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
)

type listInput struct {
	TableName               string
	Limit                   *int
	ExclusiveStartStreamArn string
}

type listOutput struct {
	Streams                []summary
	LastEvaluatedStreamArn string `json:",omitempty"`
}

// summary is a stream in the answer of ListStreams.
type summary struct{ StreamArn, StreamLabel, TableName string }

// listStreams answers in the order of ARNs, so that a page can begin after a
// stream that is gone by then.
func (r *Registry) listStreams(in listInput) (*listOutput, error) {
	limit, err := pageSize(in.Limit, maxListed, "Limit cannot be greater than the maximum allowed size:")
	if err != nil {
		return nil, err
	}
	r.Expire()
	out := &listOutput{Streams: []summary{}}
	for _, s := range r.list(in.TableName) {
		if s.arn <= in.ExclusiveStartStreamArn {
			continue
		}
		if len(out.Streams) == limit {
			out.LastEvaluatedStreamArn = out.Streams[limit-1].StreamArn
			break
		}
		out.Streams = append(out.Streams, summary{s.arn, s.label, s.table})
	}
	return out, nil
}

type describeInput struct {
	StreamArn             string
	Limit                 *int
	ExclusiveStartShardId string
	ShardFilter           *shardFilter
}

// shardFilter narrows an answer to the children of one shard.
type shardFilter struct{ Type, ShardId string }

func (f *shardFilter) check() error {
	switch {
	case f == nil:
		return nil
	case f.Type != "CHILD_SHARDS":
		return awsjson.Errorf("ValidationException", "1 validation error detected: Value '%s' at 'shardFilter.type' failed to satisfy constraint: "+
			"Member must satisfy enum value set: [CHILD_SHARDS]", f.Type)
	case f.ShardId == "":
		return invalid("ShardFilter.ShardId must be specified when ShardFilter.Type is CHILD_SHARDS")
	}
	return nil
}

type describeOutput struct{ StreamDescription description }

type description struct {
	StreamArn               string
	StreamLabel             string
	StreamStatus            string
	StreamViewType          ViewType
	CreationRequestDateTime json.Number // seconds
	TableName               string
	KeySchema               []KeySchemaElement
	Shards                  []shardDescription
	LastEvaluatedShardId    string `json:",omitempty"`
}

type shardDescription struct {
	ShardId             string
	ParentShardId       string `json:",omitempty"`
	SequenceNumberRange sequenceNumberRange
}

type sequenceNumberRange struct {
	StartingSequenceNumber string
	EndingSequenceNumber   string `json:",omitempty"` // absent while the shard is open
}

func (r *Registry) describeStream(in describeInput) (*describeOutput, error) {
	if err := checkARN(in.StreamArn); err != nil {
		return nil, err
	}
	limit, err := pageSize(in.Limit, maxListed, "Limit cannot be greater than the maximum:")
	if err != nil {
		return nil, err
	}
	if err := in.ShardFilter.check(); err != nil {
		return nil, err
	}
	s, err := r.fresh(in.StreamArn)
	if err != nil {
		return nil, err
	}
	d := s.describe()
	d.page(in.ShardFilter, in.ExclusiveStartShardId, limit)
	return &describeOutput{StreamDescription: d}, nil
}

// describe shows the stream with all its shards.
func (s *Stream) describe() description {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := description{
		StreamArn:               s.arn,
		StreamLabel:             s.label,
		StreamStatus:            "ENABLED",
		StreamViewType:          s.view,
		CreationRequestDateTime: json.Number(strconv.FormatFloat(float64(s.created.UnixMilli())/1000, 'f', 3, 64)),
		TableName:               s.table,
		KeySchema:               s.keySchema,
		Shards:                  []shardDescription{},
	}
	if s.disabled {
		d.StreamStatus = "DISABLED"
	}
	for _, sh := range s.shards {
		d.Shards = append(d.Shards, sh.describe(s.numbers))
	}
	return d
}

func (sh *shard) describe(n numbering) shardDescription {
	d := shardDescription{ShardId: sh.id, ParentShardId: sh.parent}
	d.SequenceNumberRange.StartingSequenceNumber = n.text(sh.start)
	if sh.closed {
		d.SequenceNumberRange.EndingSequenceNumber = n.text(sh.end) // its start, if there was no change
	}
	return d
}

// page cuts the shards down to those asked for.
func (d *description) page(filter *shardFilter, after string, limit int) {
	kept := []shardDescription{}
	for _, sh := range d.Shards {
		// Identifiers ascend in the order of making, so the shard to begin after
		// may be gone.
		if sh.ShardId <= after || filter != nil && sh.ParentShardId != filter.ShardId {
			continue
		}
		if len(kept) == limit {
			d.LastEvaluatedShardId = kept[limit-1].ShardId
			break
		}
		kept = append(kept, sh)
	}
	d.Shards = kept
}
