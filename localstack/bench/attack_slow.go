package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
)

// Attack “slow”: connections read slowly what comes to them fast, so that posts to them are
// refused.

const (
	slowReaders = 16
	slowTopics  = 4
	slowBacklog = 60 // changes of a topic, about what the kernel and API Gateway hold for a connection that does not read
)

func slowTopic(n int) string { return fmt.Sprintf("%sslow/%d", malloryTopics, n%slowTopics) }

// slowItem makes large items for the topics in turn.
func slowItem() func(n int) item {
	large := text(strings.Repeat("x", largeBytes))
	return func(n int) item { return item{slowTopic(n), "1", attributes{"text": large, "n": number(n)}} }
}

func prepareSlow(ctx context.Context, m *attacker) error {
	if err := m.connectSlowly(ctx, slowReaders); err != nil {
		return err
	}
	if err := m.subscribe(ctx, func(reader int) events.Request { return events.Request{Topic: slowTopic(reader)} }); err != nil {
		return err
	}
	err := m.putAll(ctx, slowTopics*slowBacklog, slowItem())
	for i := range slowTopics {
		if err == nil {
			err = awaitHead(ctx, m.db, slowTopic(i), slowBacklog)
		}
	}
	return err
}

func attackSlow(ctx context.Context, m *attacker) error {
	return m.putEach(ctx, 100*time.Millisecond, slowItem())
}
