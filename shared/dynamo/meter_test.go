package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

// TestMeterCountsWhatDynamoDBDoes, for each kind of call, on rows of several units.
func TestMeterCountsWhatDynamoDBDoes(t *testing.T) {
	d := dynamotest.Start(t)
	s := d.Store()
	c := connection("c1", time.Now())
	long := func(n int) events.Topic {
		return events.Topic(fmt.Sprintf("%0*d", events.MaxTopicBytes, n))
	}
	item := events.Item{ID: "i", Data: []byte(`{"x":"` + strings.Repeat("x", 9_000) + `"}`)}
	wide := subscription(c, long(0))
	wide.Filter = []byte(`{"x":["` + strings.Repeat("x", 5_000) + `"]}`)
	var topics []events.Topic
	for n := range 30 {
		topics = append(topics, long(n))
	}
	for _, call := range []struct {
		name          string
		do            func(context.Context) error
		reads, writes float64
	}{
		{"put a connection", func(ctx context.Context) error { return s.Connect(ctx, c) }, 0, 1},
		{"subscribe", func(ctx context.Context) error { _, err := s.Subscribe(ctx, wide); return err }, 1, 7},
		{"subscribe to the others", func(ctx context.Context) error {
			for _, topic := range topics[1:] {
				if _, err := s.Subscribe(ctx, subscription(c, topic)); err != nil {
					return err
				}
			}
			return nil
		}, 29, 163}, // the connection's row grows to 8 KB
		{"renew", func(ctx context.Context) error { _, err := s.Renew(ctx, wide); return err }, 0, 6},
		{"read a session", func(ctx context.Context) error { _, err := s.Session(ctx, c.Key); return err }, 2, 0},
		{"read subscriptions", func(ctx context.Context) error { _, err := s.Subscriptions(ctx, c.Key, topics, nil); return err }, 31, 0},
		{"refresh", func(ctx context.Context) error { return s.Refresh(ctx, c.Key, c.Access) }, 0, 8},
		{"draw", func(ctx context.Context) error { return s.Draw(ctx, c.Key, time.Now(), 5, 10) }, 0, 1},
		{"put an item", func(ctx context.Context) error { return s.Put(ctx, watch.Publication{Topic: "a", Item: item}) }, 1, 9},
		{"read items", func(ctx context.Context) error { _, _, err := s.Page(ctx, "a", "", 10); return err }, 3, 0},
		{"remove an item", func(ctx context.Context) error {
			return s.Remove(ctx, watch.Publication{Topic: "a", Item: events.Item{ID: "i"}})
		}, 0, 9},
		{"read a head", func(ctx context.Context) error { _, err := s.Head(ctx, "a"); return err }, 1, 0},
		{"read a log", func(ctx context.Context) error { _, err := s.Since(ctx, "a", 0, 9); return err }, 1, 0},
		{"read a list", func(ctx context.Context) error { _, _, err := s.Below(ctx, "a/*", "", 9); return err }, 1, 0},
		{"read connections", func(ctx context.Context) error { _, err := s.Connections(ctx, c.Subject); return err }, 2, 0},
		{"read revocations", func(ctx context.Context) error { _, err := s.Revocations(ctx, c.Subject, "t"); return err }, 2, 0},
		{"unsubscribe", func(ctx context.Context) error { return s.Unsubscribe(ctx, c.Key, wide.Topic, 1) }, 0, 14},
		{"forget", func(ctx context.Context) error { return s.Forget(ctx, c.Key, nil) }, 0, 37},
	} {
		d.Engine.ResetUsage()
		ctx, meter := watch.Metered(t.Context())
		if err := call.do(ctx); err != nil {
			t.Errorf("%s: %v", call.name, err)
		}
		reads, writes := meter.Units()
		if usedReads, usedWrites := d.Units(); reads != usedReads || writes != usedWrites {
			t.Errorf("%s: counted are %v reads and %v writes, used %v and %v", call.name, reads, writes, usedReads, usedWrites)
		}
		if reads != call.reads || writes != call.writes {
			t.Errorf("%s: %v reads and %v writes, want %v and %v", call.name, reads, writes, call.reads, call.writes)
		}
	}
}

// TestMeterCountsWhatIsRefused: a condition that does not hold costs a write, as a rule of one
// unit: there is no row, or a small one.
func TestMeterCountsWhatIsRefused(t *testing.T) {
	d := dynamotest.Start(t)
	s, c := d.Store(), connection("c1", time.Now())
	now := time.Now()
	if err := s.Draw(t.Context(), c.Key, now, 5, 5); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(context.Context) error{
		"subscribe": func(ctx context.Context) error { _, err := s.Subscribe(ctx, subscription(c, "a")); return err },
		"refresh":   func(ctx context.Context) error { return s.Refresh(ctx, c.Key, c.Access) },
		"renew": func(ctx context.Context) error {
			there, err := s.Renew(ctx, subscription(c, "a"))
			return refusedIf(!there, err)
		},
		"draw":        func(ctx context.Context) error { return s.Draw(ctx, c.Key, now, 5, 5) },
		"unsubscribe": func(ctx context.Context) error { return refusedIf(true, s.Unsubscribe(ctx, c.Key, "a", 1)) },
	} {
		d.Engine.ResetUsage()
		ctx, meter := watch.Metered(t.Context())
		if err := do(ctx); err == nil {
			t.Errorf("%s is not refused", name)
		}
		_, writes := meter.Units()
		if _, used := d.Units(); writes != used || used == 0 {
			t.Errorf("%s: counted are %v writes, used %v", name, writes, used)
		}
	}
}

// refusedIf is an error for what tells otherwise that it was refused.
func refusedIf(refused bool, err error) error {
	if refused && err == nil {
		return errors.New("refused")
	}
	return err
}
