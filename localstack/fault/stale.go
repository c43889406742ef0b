package fault

import (
	"bytes"
	"maps"
	"slices"
	"sync"
	"time"
)

// longestStale bounds the age of the answers of StaleRead. Most writes of DynamoDB are visible
// everywhere within a second.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
const longestStale = time.Second

// staleOperations are the reads that may be eventually consistent.
var staleOperations = []string{"GetItem", "BatchGetItem", "Query"}

// stale keeps the answers of eventually consistent reads.
type stale struct {
	mu      sync.Mutex
	answers map[string]staleAnswer // by operation and request
	cleared time.Time
}

// staleAnswer is the answer of one read. It is not changed after it was given.
type staleAnswer struct {
	result any
	at     time.Time
}

// eventual reports whether an operation is a read that is eventually consistent in all its parts.
func eventual(name string, body []byte) bool {
	return slices.Contains(staleOperations, name) && !bytes.Contains(body, []byte(`"ConsistentRead":true`))
}

// staleRead gives an earlier answer to a read, if the fault happens.
func (f *Faults) staleRead(name string, body []byte) (result any, ok bool) {
	if !eventual(name, body) {
		return nil, false
	}
	f.stale.mu.Lock()
	defer f.stale.mu.Unlock()
	before, ok := f.stale.answers[name+string(body)]
	if !ok || time.Since(before.at) > longestStale || !f.Hit(StaleRead) {
		return nil, false
	}
	return before.result, true
}

// keep keeps an answer, unless it has one from the last second. Some kept answers are therefore
// old.
func (s *stale) keep(name string, body []byte, result any) {
	if !eventual(name, body) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	old := func(_ string, a staleAnswer) bool { return now.Sub(a.at) > longestStale }
	if now.Sub(s.cleared) > longestStale {
		maps.DeleteFunc(s.answers, old)
		s.cleared = now
	}
	if s.answers == nil {
		s.answers = map[string]staleAnswer{}
	}
	if _, there := s.answers[name+string(body)]; !there {
		s.answers[name+string(body)] = staleAnswer{result, now}
	}
}
