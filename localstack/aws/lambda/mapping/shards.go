package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"sync"

	"github.com/watchroute/watchroute/localstack/aws/awsjson"
	"github.com/watchroute/watchroute/localstack/aws/feed"
)

// readLimit is the most records taken at once, that of GetRecords.
const readLimit = 1000

// positions are where reading begins in the shards that exist at the start; a
// shard that is missing, or comes later, is read from its beginning.
func (p *Poller) positions() (map[string]string, error) {
	shards, err := p.streams.Shards(p.m.StreamARN)
	if err != nil || p.m.StartingPosition == trimHorizon {
		return nil, err
	}
	positions := map[string]string{}
	for _, shard := range shards {
		if positions[shard.ID], err = p.streams.Latest(p.m.StreamARN, shard.ID); err != nil {
			return nil, err
		}
	}
	return positions, nil
}

// follow reads every shard of the stream as it appears, once its parent is done.
func (p *Poller) follow(ctx context.Context) {
	var readers sync.WaitGroup
	defer readers.Wait()
	started, finished := map[string]bool{}, map[string]bool{}
	ends := make(chan string)
	for {
		changed := p.streams.ShardsChanged(p.m.StreamARN) // before Shards, so that no change is missed
		shards, err := p.streams.Shards(p.m.StreamARN)
		if err != nil {
			p.o.Logger.Info("stream is gone", "stream", p.m.StreamARN, "err", err)
			changed = nil
		}
		for _, shard := range due(shards, started, finished) {
			started[shard.ID] = true
			readers.Go(func() {
				p.readShard(ctx, shard.ID)
				select {
				case ends <- shard.ID:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-changed:
		case id := <-ends:
			finished[id] = true
		case <-ctx.Done():
			return
		}
	}
}

// due gives the shards to be read next: those whose parent is finished or no
// longer there.
func due(shards []feed.Shard, started, finished map[string]bool) []feed.Shard {
	there := map[string]bool{}
	for _, shard := range shards {
		there[shard.ID] = true
	}
	var next []feed.Shard
	for _, shard := range shards {
		waits := there[shard.Parent] || started[shard.Parent]
		if !started[shard.ID] && (!waits || finished[shard.Parent]) {
			next = append(next, shard)
		}
	}
	return next
}

// readShard reads a shard to its end and returns when all of it is processed.
func (p *Poller) readShard(ctx context.Context, id string) {
	lanes := make([]*lane, p.m.ParallelizationFactor)
	var working sync.WaitGroup
	for i := range lanes {
		l := newLane(p, id)
		lanes[i] = l
		working.Go(func() { l.run(ctx) })
	}
	defer working.Wait()
	defer func() {
		for _, l := range lanes {
			l.close()
		}
	}()
	after := p.begin[id]
	for {
		records, closed, err := p.streams.Read(ctx, p.m.StreamARN, id, after, readLimit)
		if trimmed(err) {
			p.o.Logger.Warn("records were trimmed before they were processed", "shard", id, "after", after)
			after = ""
			continue
		}
		if err != nil {
			if ctx.Err() == nil {
				p.o.Logger.Warn("shard cannot be read further", "shard", id, "err", err)
			}
			return
		}
		if len(records) > 0 {
			after = records[len(records)-1].SequenceNumber
		}
		if !p.distribute(ctx, lanes, records) || closed {
			return
		}
	}
}

func trimmed(err error) bool {
	var e *awsjson.Error
	return errors.As(err, &e) && e.Type == "TrimmedDataAccessException"
}

// distribute filters records and gives them to their lanes; false if ctx ended.
func (p *Poller) distribute(ctx context.Context, lanes []*lane, records []feed.Record) bool {
	parts := make([][]feed.Record, len(lanes))
	for _, r := range records {
		if p.wanted(r) {
			i := laneOf(r, len(lanes))
			parts[i] = append(parts[i], r)
		}
	}
	for i, part := range parts {
		if !lanes[i].put(ctx, part) {
			return false
		}
	}
	return true
}

// wanted tells whether a record matches one of the filters.
func (p *Poller) wanted(r feed.Record) bool {
	for _, f := range p.filters {
		if f.Match(r.JSON) {
			return true
		}
	}
	return len(p.filters) == 0
}

// laneOf chooses by the item's key, or the partition key of Kinesis, so that what has one key stays in
// order.
func laneOf(r feed.Record, lanes int) int {
	if lanes == 1 {
		return 0
	}
	var keyed struct {
		Dynamodb struct{ Keys json.RawMessage }
		Kinesis  struct{ PartitionKey json.RawMessage }
	}
	if json.Unmarshal(r.JSON, &keyed) != nil { // records are JSON; without keys all goes to one lane
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write(keyed.Dynamodb.Keys)
	_, _ = h.Write(keyed.Kinesis.PartitionKey)
	return int(h.Sum32() % uint32(lanes))
}
