package stack_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
)

// The load of each test here.
const (
	loadItems    = 10_000
	loadWriters  = 8
	loadTopics   = 20
	loadWatchers = 50
	perTopic     = loadItems / loadTopics
)

func loadTopic(n int) string { return fmt.Sprintf("load/%d", n%loadTopics) }

// follower reads a watcher's changes and keeps what they show of each topic.
type follower struct {
	*client
	topics   []string
	last     map[events.Topic]int64
	ids      map[events.Topic]map[string]bool
	repeated int
}

// follow subscribes a new client to two topics.
func (s *running) follow(t *testing.T, n int) *follower {
	t.Helper()
	f := &follower{client: s.connect(t), topics: []string{loadTopic(n), loadTopic(n + 7)},
		last: map[events.Topic]int64{}, ids: map[events.Topic]map[string]bool{}}
	for _, topic := range f.topics {
		f.subscribe(topic)
		f.ids[events.Topic(topic)] = map[string]bool{}
	}
	return f
}

// readAll reads until every topic is complete. Dropping repeats, the numbers of each
// topic must be 1, 2, 3 … and every item be there once.
func (f *follower) readAll(ctx context.Context) error {
	for done := 0; done < len(f.topics); {
		_, data, err := f.conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("%w; last seen %v", err, f.last)
		}
		frame, err := events.Decode(data)
		if err != nil {
			return fmt.Errorf("%w: %s", err, data)
		}
		changes, ok := frame.(*events.Changes)
		if !ok {
			continue // a second answer to a subscribe that was sent twice
		}
		for _, c := range changes.Changes {
			if c.Seq <= f.last[c.Topic] {
				f.repeated++
				continue
			}
			if c.Seq != f.last[c.Topic]+1 {
				return fmt.Errorf("%s: %d comes after %d", c.Topic, c.Seq, f.last[c.Topic])
			}
			f.last[c.Topic] = c.Seq
			f.ids[c.Topic][c.ID] = true
			if c.Seq == perTopic {
				done++
			}
		}
	}
	for topic, ids := range f.ids {
		if len(ids) != perTopic || f.last[topic] != perTopic {
			return fmt.Errorf("%s: %d items in %d changes", topic, len(ids), f.last[topic])
		}
	}
	return nil
}

// writeAll puts the items, each writer its share of every topic.
func (s *running) writeAll(t *testing.T) {
	t.Helper()
	var writers sync.WaitGroup
	for w := range loadWriters {
		writers.Go(func() {
			for n := w; n < loadItems; n += loadWriters {
				s.putItem(t, map[string]types.AttributeValue{
					"topic": &types.AttributeValueMemberS{Value: loadTopic(n)},
					"id":    &types.AttributeValueMemberS{Value: fmt.Sprint(n)},
					"n":     &types.AttributeValueMemberN{Value: fmt.Sprint(n)},
				})
			}
		})
	}
	writers.Wait()
}

// load runs the whole load while disturb disturbs; watchers that disturb takes as
// lost need not see it to the end.
func load(t *testing.T, disturb func(ctx context.Context, s *running, followers []*follower) (lost map[*follower]bool)) {
	s := start(t, func(o *stack.Options) { o.Shards = 4; o.MaxProcesses = 4 })
	var followers []*follower
	for n := range loadWatchers {
		followers = append(followers, s.follow(t, n))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience) // others run at the same time
	defer cancel()
	lost := map[*follower]bool{}
	var disturbing sync.WaitGroup
	disturbing.Go(func() { lost = disturb(ctx, s, followers) })
	errs := make([]error, len(followers))
	var reading sync.WaitGroup
	for i, f := range followers {
		reading.Go(func() { errs[i] = f.readAll(ctx) })
	}
	s.writeAll(t)
	reading.Wait()
	cancel()
	disturbing.Wait()
	repeated := 0
	for i, f := range followers {
		if errs[i] != nil && !lost[f] {
			t.Errorf("watcher %d of %v: %v", i, f.topics, errs[i])
		}
		repeated += f.repeated
	}
	t.Logf("%d changes repeated", repeated)
}

func TestLoad(t *testing.T) {
	t.Parallel()
	load(t, func(context.Context, *running, []*follower) map[*follower]bool { return nil })
}

// TestLoadWhileFunctionsAreKilled kills one function process after another, wherever
// it is in its work.
func TestLoadWhileFunctionsAreKilled(t *testing.T) {
	t.Parallel()
	load(t, func(ctx context.Context, s *running, _ []*follower) map[*follower]bool {
		kills := 0
		for ctx.Err() == nil {
			time.Sleep(time.Duration(50+rand.IntN(150)) * time.Millisecond)
			if pids := s.Processes(""); len(pids) > 0 {
				_ = syscall.Kill(pids[rand.IntN(len(pids))], syscall.SIGKILL) // it may have ended by itself
				kills++
			}
		}
		t.Logf("%d processes killed", kills)
		return nil
	})
}

// TestLoadWhileWatchersVanish cuts every third watcher off without a close frame.
func TestLoadWhileWatchersVanish(t *testing.T) {
	t.Parallel()
	load(t, func(_ context.Context, _ *running, followers []*follower) map[*follower]bool {
		lost := map[*follower]bool{}
		for i, f := range followers {
			if i%3 == 0 {
				time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
				_ = f.conn.CloseNow()
				lost[f] = true
			}
		}
		return lost
	})
}
