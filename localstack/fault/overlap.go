package fault

import (
	"encoding/json"
	"maps"
	"sync"
	"time"
)

// Overlap is a way in which two of a kind get in each other's way. Faults make overlaps
// likely; which there were is counted from what the service did.
type Overlap string

// The overlaps that are dangerous.
const (
	// SameItem is a function that was about to write, in a transaction, an item that it
	// had read, and another process of a function had written the item meanwhile.
	SameItem Overlap = "two processes at one item at once"
	// SameRecord is an invocation that a process got with a record of a stream, while
	// another process was at work on the same record.
	SameRecord Overlap = "two processes at one record at once"
	// LateWriter is a SameItem of a process whose invocation was given up long before.
	LateWriter Overlap = "an old process that woke up later"
	// Overtaken is a message of a client that got to its function after another of the
	// same connection and topic, which was sent later, had been answered.
	Overtaken Overlap = "a message that a later one overtook"
)

// overlapsOf are the overlaps that a kind of fault is there for.
var overlapsOf = map[Kind][]Overlap{
	Abandon:   {SameRecord},
	Duplicate: {SameRecord},
	LateWrite: {SameItem, LateWriter},
	Overtake:  {Overtaken},
}

// Overlaps counts those that the faults of the plan are there for, since New or
// ResetCounts. One that never was has the count 0.
func (f *Faults) Overlaps() map[Overlap]int64 {
	counts := map[Overlap]int64{}
	if f == nil {
		return counts
	}
	f.seen.mu.Lock()
	defer f.seen.mu.Unlock()
	for kind := range f.kinds {
		for _, o := range overlapsOf[kind] {
			counts[o] = f.seen.counts[o]
		}
	}
	return counts
}

// seen is what the service was seen to do.
type seen struct {
	mu       sync.Mutex
	counts   map[Overlap]int64
	running  []batch // batches of streams that processes are at work on
	items    map[string]*item
	messages map[route]*messages
}

func (s *seen) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.counts)
}

func (s *seen) countLocked(o Overlap) {
	if s.counts == nil {
		s.counts = map[Overlap]int64{}
	}
	s.counts[o]++
}

// batch is an invocation with records of a stream.
type batch struct {
	Invocation
	records map[string]bool // by stream and position
}

// started takes in that a process has got an invocation.
func (s *seen) started(i Invocation) {
	b := batch{i, records(i.Payload())}
	if len(b.records) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var running []batch
	shared := false
	for _, other := range s.running {
		if other.Runs() {
			running = append(running, other)
			shared = shared || intersect(other.records, b.records)
		}
	}
	s.running = append(running, b)
	if shared {
		s.countLocked(SameRecord)
	}
}

func intersect(a, b map[string]bool) bool {
	for record := range a {
		if b[record] {
			return true
		}
	}
	return false
}

// records are those of a stream's event, none of another event.
func records(payload []byte) map[string]bool {
	var event struct {
		Records []struct {
			EventSourceARN string
			DynamoDB       struct{ SequenceNumber string }
		}
	}
	if json.Unmarshal(payload, &event) != nil {
		return nil
	}
	found := map[string]bool{}
	for _, r := range event.Records {
		if r.DynamoDB.SequenceNumber != "" {
			found[r.EventSourceARN+" "+r.DynamoDB.SequenceNumber] = true
		}
	}
	return found
}

// item is what a transaction may write.
type item struct {
	writes  int64 // how often one has
	readers map[string]reading
}

// reading is the latest look of a process at an item.
type reading struct {
	at     time.Time
	writes int64 // that there had been
}

// readingKept is how long a process is taken for one that may write what it has read. It
// is longer than any function runs.
const readingKept = 2 * time.Minute

// mostReadings is how many readings of an item are kept before old ones are dropped.
const mostReadings = 64

// read takes in that a process has read an item. Items that no transaction has written yet
// are left out.
func (s *seen) read(process, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, now := s.items[name], time.Now()
	if i == nil {
		return
	}
	if len(i.readers) >= mostReadings {
		maps.DeleteFunc(i.readers, func(_ string, r reading) bool { return now.Sub(r.at) > readingKept })
	}
	i.readers[process] = reading{now, i.writes}
}

// writing takes in that a process is about to write items, late or not.
func (s *seen) writing(process string, names []string, late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		i := s.items[name]
		if i == nil {
			continue
		}
		before, has := i.readers[process]
		delete(i.readers, process)
		if !has || i.writes == before.writes {
			continue
		}
		s.countLocked(SameItem)
		if late {
			s.countLocked(LateWriter)
		}
	}
}

// wrote takes in that items were written.
func (s *seen) wrote(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.items == nil {
			s.items = map[string]*item{}
		}
		if s.items[name] == nil {
			s.items[name] = &item{readers: map[string]reading{}}
		}
		s.items[name].writes++
	}
}
