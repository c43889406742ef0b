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
	// SameStanding is an invocation that a process got with a message for a topic of a
	// destination, while another process was delivering this topic to it.
	SameStanding Overlap = "two deliveries of one standing at once"
	// OvertakenDelivery is a delivery that was about to write to a standing after a later one had
	// begun.
	OvertakenDelivery Overlap = "a delivery that a later one overtook"
	// WokenMeanwhile is a standing that was marked by another process while it was delivered.
	WokenMeanwhile Overlap = "a wake during a delivery"
)

// overlapsOf are the overlaps that a kind of fault is there for.
var overlapsOf = map[Kind][]Overlap{
	Abandon:   {SameRecord},
	Duplicate: {SameRecord},
	LateWrite: {SameItem, LateWriter},
	Overtake:  {Overtaken},
	Reappear:  {SameStanding, OvertakenDelivery},
	Slow:      {WokenMeanwhile},
}

// Overlaps counts those that the faults which may happen are there for, since New or
// ResetCounts. One that never was has the count 0.
func (f *Faults) Overlaps() map[Overlap]int64 {
	counts := map[Overlap]int64{}
	if f == nil {
		return counts
	}
	f.seen.mu.Lock()
	defer f.seen.mu.Unlock()
	for kind := range f.Rates() {
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
	running  []batch // batches that processes are at work on
	items    map[string]*item
	messages map[route]*messages
	begun    map[standing]string // the process whose delivery has begun last
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

// batch is an invocation with records of a stream, or with messages for destinations.
type batch struct {
	Invocation
	records   map[string]bool // by stream and position
	standings map[standing]bool
}

// started takes in that a process has got an invocation.
func (s *seen) started(i Invocation) {
	b := batchOf(i)
	if len(b.records) == 0 && len(b.standings) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var running []batch
	sameRecord, sameStanding := false, false
	for _, other := range s.running {
		if other.Runs() {
			running = append(running, other)
			sameRecord = sameRecord || intersect(other.records, b.records)
			sameStanding = sameStanding || intersect(other.standings, b.standings)
		}
	}
	s.running = append(running, b)
	if sameRecord {
		s.countLocked(SameRecord)
	}
	if sameStanding {
		s.countLocked(SameStanding)
	}
}

func intersect[K comparable](a, b map[K]bool) bool {
	for record := range a {
		if b[record] {
			return true
		}
	}
	return false
}

// batchOf reads the event of a stream or a queue; another event gives an empty batch.
func batchOf(i Invocation) batch {
	b := batch{i, map[string]bool{}, map[standing]bool{}}
	var event struct {
		Records []struct {
			EventSourceARN string
			DynamoDB       struct{ SequenceNumber string }
			Body           string
		}
	}
	if json.Unmarshal(i.Payload(), &event) != nil {
		return b
	}
	for _, r := range event.Records {
		if r.DynamoDB.SequenceNumber != "" {
			b.records[r.EventSourceARN+" "+r.DynamoDB.SequenceNumber] = true
		}
		if of, ok := standingIn(r.Body); ok {
			b.standings[of] = true
		}
	}
	return b
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
