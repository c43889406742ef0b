package fault

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

const (
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
	transaction
	others int           // puts of others who update one of the items, so far
	over   chan struct{} // closed when they are more than its own
}

// hold adds a transaction that waits for others. It gives nil if enough wait already.
func (l *late) hold(t transaction) *hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.holds) == mostLate {
		return nil
	}
	if l.holds == nil {
		l.holds = map[*hold]struct{}{}
	}
	h := &hold{transaction: t, over: make(chan struct{})}
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
func (l *late) wrote(t transaction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := range l.holds {
		if !slices.ContainsFunc(h.updates, func(item string) bool { return slices.Contains(t.updates, item) }) {
			continue
		}
		if h.others += t.puts; h.others > h.puts {
			close(h.over)
			delete(l.holds, h)
		}
	}
}

// oversleep may hold back a transaction of a process until others have overtaken it, and
// reports whether they have: LateWrite.
func (f *Faults) oversleep(c *Caller, t transaction) bool {
	if len(t.updates) == 0 || f.late.full() || !f.Hit(LateWrite) {
		return false
	}
	h := f.late.hold(t)
	if h == nil || !c.Abandon() || !f.late.await(h) {
		f.Miss(LateWrite)
		return false
	}
	return true
}

// transact carries out a transaction of a process.
func (f *Faults) transact(c *Caller, body []byte, operation func() (any, error)) (any, error) {
	t := transactionOf(body)
	late := f.oversleep(c, t)
	f.seen.writing(c.Process, t.updates, late)
	result, err := operation()
	if err == nil {
		f.seen.wrote(t.updates)
		f.late.wrote(t)
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

// transaction is what a TransactWriteItems does.
type transaction struct {
	updates []string // items
	puts    int      // how many
}

func transactionOf(body []byte) (t transaction) {
	var request struct {
		TransactItems []struct {
			Update *itemKey
			Put    *struct{}
		}
	}
	_ = json.Unmarshal(body, &request) // as above
	for _, action := range request.TransactItems {
		if action.Update != nil {
			t.updates = append(t.updates, action.Update.String())
		}
		if action.Put != nil {
			t.puts++
		}
	}
	return t
}
