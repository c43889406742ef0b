package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/watchroute/watchroute/events"
)

// ledger is what is written, and therefore what every watcher has to see. Each item
// has one writer, so that the order of its versions is known: 1, 2, 3 …, each a put
// that carries its version or a removal. Which of two items is written first only
// DynamoDB knows.
type ledger struct {
	mu     sync.Mutex
	topics map[events.Topic]*page
}

// page is the ledger of one topic.
type page struct {
	versions map[string]int64 // the latest of each item
	there    map[string]bool  // whether that is a put
	total    int64            // of all versions
}

func newLedger(topics []events.Topic) *ledger {
	l := &ledger{topics: map[events.Topic]*page{}}
	for _, topic := range topics {
		l.topics[topic] = &page{versions: map[string]int64{}, there: map[string]bool{}}
	}
	return l
}

// enter notes that the next version of an item is about to be written.
func (l *ledger) enter(topic events.Topic, id string, put bool) (version int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.topics[topic]
	p.versions[id]++
	p.there[id] = put
	p.total++
	return p.versions[id]
}

// has tells whether an item was last put, rather than removed.
func (l *ledger) has(topic events.Topic, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.topics[topic].there[id]
}

// total is how many changes a topic has.
func (l *ledger) total(topic events.Topic) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.topics[topic].total
}

// written is how many changes all topics have.
func (l *ledger) written() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var sum int64
	for _, p := range l.topics {
		sum += p.total
	}
	return sum
}

// versions are a topic's items as they should be, and the latest version of each,
// those that are removed among them.
func (l *ledger) versions(topic events.Topic) (there map[string]int64, latest map[string]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.topics[topic]
	there, latest = map[string]int64{}, map[string]int64{}
	for id, version := range p.versions {
		latest[id] = version
		if p.there[id] {
			there[id] = version
		}
	}
	return there, latest
}

// padding makes items as large as small ones are.
var padding = strings.Repeat("x", 100)

// versionOf reads the version of an item's data.
func versionOf(data json.RawMessage) (int64, error) {
	var item struct{ V int64 }
	if err := json.Unmarshal(data, &item); err != nil || item.V == 0 {
		return 0, fmt.Errorf("data %.50s has no version", data)
	}
	return item.V, nil
}
