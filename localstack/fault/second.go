package fault

import (
	"context"
	"sync"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/dynamodb/stream"
)

// mostShards is how many open shards a stream has at most by SplitShard.
const mostShards = 8

// Targets are what is broken by the second.
type Targets struct {
	Streams *stream.Registry
	// Connections lists the ids of the open connections.
	Connections func() []string
	// Forget deletes the row of a connection, and reports whether there was one.
	Forget func(ctx context.Context, id string) bool
}

// Run breaks things by the second until ctx ends: SplitShard, Forget and Pause. It looks every second
// which of them may happen.
func (f *Faults) Run(ctx context.Context, t Targets) {
	if f == nil {
		return
	}
	var running sync.WaitGroup
	for kind, act := range map[Kind]func(){
		SplitShard: func() { f.split(t.Streams) },
		Forget:     func() { f.forget(ctx, t) },
		Pause:      func() { f.pause(ctx) },
	} {
		running.Go(func() {
			everySecond(ctx, func() {
				if f.sequence(kind) != nil {
					act()
				}
			})
		})
	}
	running.Wait()
}

func everySecond(ctx context.Context, act func()) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			act()
		case <-ctx.Done():
			return
		}
	}
}

// split may split a random one of the shards that may be.
func (f *Faults) split(streams *stream.Registry) {
	open := splittable(streams)
	if len(open) == 0 || !f.Hit(SplitShard) {
		return
	}
	chosen := open[f.IntN(SplitShard, len(open))]
	if streams.Split(chosen.stream, chosen.id) != nil { // it was closed meanwhile
		f.Miss(SplitShard)
	}
}

// openShard is a shard of a stream.
type openShard struct{ stream, id string }

// splittable lists the open shards of the streams that do not have enough of them.
func splittable(streams *stream.Registry) []openShard {
	var all []openShard
	for _, arn := range streams.ARNs() {
		shards, err := streams.Shards(arn)
		if err != nil {
			continue // gone since it was listed
		}
		var open []openShard
		for _, shard := range shards {
			if !shard.Closed {
				open = append(open, openShard{arn, shard.ID})
			}
		}
		if len(open) < mostShards {
			all = append(all, open...)
		}
	}
	return all
}

// forget may let a random connection's row go.
func (f *Faults) forget(ctx context.Context, t Targets) {
	ids := t.Connections()
	if len(ids) == 0 || !f.Hit(Forget) {
		return
	}
	if !t.Forget(ctx, ids[f.IntN(Forget, len(ids))]) {
		f.Miss(Forget)
	}
}
