package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

const (
	pingers      = 4
	pingsPending = 4 // over each connection: together more than the functions that answer at a time
	// pingEvery is a little more often than the 20 times a second that a connection may.
	pingEvery = 45 * time.Millisecond
	// fromStart is the cursor before a topic's first change, and that of a pattern.
	fromStart = ":0"
)

// connectPingers opens connections that are subscribed to some patterns.
func (m *attacker) connectPingers(ctx context.Context, patterns ...string) error {
	if err := m.connect(ctx, pingers, pingsPending); err != nil {
		return err
	}
	for _, pattern := range patterns {
		if err := m.subscribe(ctx, func(int) events.Request { return events.Request{Topic: pattern} }); err != nil {
			return err
		}
	}
	return nil
}

// pingFromStart asks for all that there is of some topics or patterns.
func (m *attacker) pingFromStart(ctx context.Context, topics []string) error {
	cursors := map[string]string{}
	for _, topic := range topics {
		cursors[topic] = fromStart
	}
	return m.ask(ctx, pingEvery, func(int) events.Request { return events.Request{Action: events.ActionPing, Cursors: cursors} })
}

// Attack “pings”: each topic's log is a little more than one answer brings, so all of it is
// read before it is known that nothing of it can be told.

const (
	logTopics  = 20
	logEntries = 55
	largeBytes = 100_000 // of an item
)

func logs() []string {
	var topics []string
	for i := range logTopics {
		topics = append(topics, fmt.Sprintf("%slogs/%d", malloryTopics, i))
	}
	return topics
}

func preparePings(ctx context.Context, m *attacker) error {
	large := text(strings.Repeat("x", largeBytes))
	err := m.fill(ctx, logs(), logEntries, func(n int) (string, attributes) { return fmt.Sprint(n), attributes{"text": large} })
	if err != nil {
		return err
	}
	return m.connectPingers(ctx, malloryTopics+"logs/*")
}

func attackPings(ctx context.Context, m *attacker) error { return m.pingFromStart(ctx, logs()) }

// Attack “patterns”: several patterns cover the same topics, each of which has a head to be
// read.

const (
	deepTopics = 500 // which is what one pattern names at most
	deep       = malloryTopics + "a/b/c/d/e/"
)

// coveringPatterns are mallory/**, mallory/a/** and so on, and at last mallory/a/b/c/d/e/*.
func coveringPatterns() []string {
	var patterns []string
	for i, letter := range deep {
		if letter == '/' {
			patterns = append(patterns, deep[:i]+"/**")
		}
	}
	return append(patterns, deep+"*")
}

func preparePatterns(ctx context.Context, m *attacker) error {
	var topics []string
	for n := range deepTopics {
		topics = append(topics, fmt.Sprint(deep, n))
	}
	if err := m.fill(ctx, topics, 1, func(n int) (string, attributes) { return "1", attributes{"n": number(n)} }); err != nil {
		return err
	}
	return m.connectPingers(ctx, coveringPatterns()...)
}

func attackPatterns(ctx context.Context, m *attacker) error {
	return m.pingFromStart(ctx, coveringPatterns())
}

// pingsBounded wants the pings to have read no more than the table of worst costs says. Those
// that are under way when the allowance is spent are refused after they have read, too.
func pingsBounded(o *outcome, cost usage) error {
	bounds := watch.Bounds(1)
	most := bounds[slices.IndexFunc(bounds, func(b watch.Bound) bool { return b.Action == "ping with cursors" })].Reads
	carriedOut := o.Sent - o.tooMany()
	if read := cost.readUnits; read > float64(most*(carriedOut+pingers*pingsPending)) {
		return fmt.Errorf("%d pings read %.0f units, at most %d each are right", carriedOut, read, most)
	}
	return nil
}
