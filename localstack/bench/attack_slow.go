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

// slowData makes one version of a large item after another.
func slowData() func(n int) (id string, data attributes) {
	large := text(strings.Repeat("x", largeBytes))
	return func(n int) (string, attributes) { return "1", attributes{"text": large, "n": number(n)} }
}

func prepareSlow(ctx context.Context, m *attacker) error {
	if err := m.connectSlowly(ctx, slowReaders); err != nil {
		return err
	}
	if err := m.subscribe(ctx, func(reader int) events.Request { return events.Request{Topic: slowTopic(reader)} }); err != nil {
		return err
	}
	var topics []string
	for i := range slowTopics {
		topics = append(topics, slowTopic(i))
	}
	return m.fill(ctx, topics, slowBacklog, slowData())
}

func attackSlow(ctx context.Context, m *attacker) error {
	version := slowData()
	return m.putEach(ctx, 100*time.Millisecond, func(n int) item {
		id, data := version(n)
		return item{slowTopic(n), id, data}
	})
}
