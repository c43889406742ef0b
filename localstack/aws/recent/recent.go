// Package recent is the only place that knows how FIFO queues and topics remember for a while what
// they have accepted.
package recent

import "time"

// Interval is how long a FIFO queue or topic remembers a message that it has accepted, even if it
// is deleted.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html,
// https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
const Interval = 5 * time.Minute

// Memory holds values by key, each for the Interval. The zero value is empty. Callers guard it.
type Memory[K comparable, V any] struct {
	entries map[K]entry[V]
	oldest  []K // the keys of entries, the oldest first
}

type entry[V any] struct {
	at    time.Time
	value V
}

// Get gives what was put under a key less than an Interval ago.
func (m *Memory[K, V]) Get(key K, now time.Time) (value V, ok bool) {
	for len(m.oldest) > 0 && now.Sub(m.entries[m.oldest[0]].at) >= Interval {
		delete(m.entries, m.oldest[0])
		m.oldest = m.oldest[1:]
	}
	e, ok := m.entries[key]
	return e.value, ok
}

// Put remembers a value from now on. The key must not be there, as Get tells.
func (m *Memory[K, V]) Put(key K, value V, now time.Time) {
	if m.entries == nil {
		m.entries = map[K]entry[V]{}
	}
	m.entries[key] = entry[V]{now, value}
	m.oldest = append(m.oldest, key)
}
