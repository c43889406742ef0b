package fault

import (
	"encoding/json"
	"sync"
	"time"
)

const (
	// fewestOthers and mostOthers are how many others write an item before one that is
	// late does.
	fewestOthers = 2
	mostOthers   = 4
	// longestLate is how long one that is late waits for the others, at most.
	longestLate = 20 * time.Second
	// mostLate is how many may be late at once, so that processes are left for the others.
	mostLate = 2
)

// Caller is the process of a function that calls a service.
type Caller struct {
	Process string // tells it from all others
	// Abandon tells who waits for what the process runs that it timed out. It is false
	// if the process runs nothing.
	Abandon func() bool
}

// late holds back transactions until others have overtaken them.
type late struct {
	mu    sync.Mutex
	holds map[*hold]struct{}
}

// hold is a transaction that waits.
type hold struct {
	items  []string
	others int           // that have to write one of the items yet
	over   chan struct{} // closed when they have
}

// hold adds a transaction that waits for n others. It gives nil if enough wait already.
func (l *late) hold(items []string, n int) *hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.holds) == mostLate {
		return nil
	}
	if l.holds == nil {
		l.holds = map[*hold]struct{}{}
	}
	h := &hold{items: items, others: n, over: make(chan struct{})}
	l.holds[h] = struct{}{}
	return h
}

// full tells whether enough wait.
func (l *late) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.holds) == mostLate
}

// await waits until the others have written, and reports whether they have in time.
func (l *late) await(h *hold) bool {
	select {
	case <-h.over:
		return true
	case <-time.After(longestLate):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.holds, h)
	return false
}

// wrote takes in that a transaction was carried out.
func (l *late) wrote(items []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := range l.holds {
		if !overlap(h.items, items) {
			continue
		}
		if h.others--; h.others == 0 {
			close(h.over)
			delete(l.holds, h)
		}
	}
}

func overlap(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

// oversleep may hold back a transaction of a process until others have overtaken it, and
// reports whether they have: LateWrite.
func (f *Faults) oversleep(c *Caller, items []string) bool {
	if len(items) == 0 || f.late.full() || !f.Hit(LateWrite) {
		return false
	}
	h := f.late.hold(items, fewestOthers+f.IntN(LateWrite, mostOthers-fewestOthers+1))
	if h == nil || !c.Abandon() || !f.late.await(h) {
		f.Miss(LateWrite)
		return false
	}
	return true
}

// transact carries out a transaction of a process.
func (f *Faults) transact(c *Caller, body []byte, operation func() (any, error)) (any, error) {
	items := updated(body)
	late := f.oversleep(c, items)
	f.seen.writing(c.Process, items, late)
	result, err := operation()
	if err == nil {
		f.seen.wrote(items)
		f.late.wrote(items)
	}
	return result, err
}

// itemKey is what tells an item from others.
type itemKey struct {
	TableName string
	Key       map[string]json.RawMessage
}

func (k itemKey) String() string {
	key, _ := json.Marshal(k.Key) // came as JSON; sorted by name
	return k.TableName + " " + string(key)
}

// read gives the item that a GetItem reads.
func read(body []byte) string {
	var k itemKey
	_ = json.Unmarshal(body, &k) // what cannot be read is refused by the operation
	return k.String()
}

// updated gives the items that a TransactWriteItems updates.
func updated(body []byte) (items []string) {
	var transaction struct {
		TransactItems []struct{ Update *itemKey }
	}
	_ = json.Unmarshal(body, &transaction) // as above
	for _, t := range transaction.TransactItems {
		if t.Update != nil {
			items = append(items, t.Update.String())
		}
	}
	return items
}
