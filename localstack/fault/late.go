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

// late holds back writes of the log until others have overtaken them.
type late struct {
	mu    sync.Mutex
	holds map[*hold]struct{}
}

// hold is a write that waits.
type hold struct {
	transaction
	others   int           // puts of others who update one of the items, so far
	exceeded chan struct{} // closed when they are more than its own
}

// hold adds a write that waits for others. It gives nil if enough wait already.
func (l *late) hold(t transaction) *hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.holds) == mostLate {
		return nil
	}
	if l.holds == nil {
		l.holds = map[*hold]struct{}{}
	}
	h := &hold{transaction: t, exceeded: make(chan struct{})}
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
	case <-h.exceeded:
		return true
	case <-time.After(longestLate):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.holds, h)
	return false
}

// wrote takes in that a write was carried out.
func (l *late) wrote(t transaction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := range l.holds {
		if !slices.ContainsFunc(h.updates, func(item string) bool { return slices.Contains(t.updates, item) }) {
			continue
		}
		if h.others += t.puts; h.others > h.puts {
			close(h.exceeded)
			delete(l.holds, h)
		}
	}
}

// oversleep may hold back a write of a process until others have overtaken it, and
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

// transact carries out a write of a process.
func (f *Faults) transact(c *Caller, t transaction, operation func() (any, error)) (any, error) {
	late := f.oversleep(c, t)
	f.seen.writing(c.Process, t.updates, late)
	result, err := operation()
	if err == nil {
		f.seen.wrote(t.updates)
		f.late.wrote(t)
	}
	return result, err
}

// oversleepRow may hold back a process before it puts the row of a change.
func (f *Faults) oversleepRow(c *Caller, t transaction) {
	if f.oversleep(c, t) {
		f.seen.writing(c.Process, t.updates, true)
	}
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

// read gives the items that a GetItem or a BatchGetItem reads; none for another operation.
func read(name string, body []byte) (items []string) {
	switch name {
	case "GetItem":
		var k itemKey
		_ = json.Unmarshal(body, &k) // the operation refuses what cannot be read
		return []string{k.String()}
	case "BatchGetItem":
		var request struct {
			RequestItems map[string]struct{ Keys []map[string]json.RawMessage }
		}
		_ = json.Unmarshal(body, &request) // as above
		for table, get := range request.RequestItems {
			for _, key := range get.Keys {
				items = append(items, itemKey{table, key}.String())
			}
		}
	}
	return items
}

// transaction is what a process writes at once: a TransactWriteItems, or a single change of a log.
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

// The log numbers a single change without a transaction. It puts the change's row, whose sort key
// is its seq. Then it moves the head, which has the sort key 0: an UpdateItem that sets last.
const (
	seqAttribute  = "seq"
	lastAttribute = "last"
)

// moveOf gives what an UpdateItem does that moves the head of a log. It counts as one put, that of
// the row to which the head moves. Any other UpdateItem gives the zero transaction, which is never
// late.
func moveOf(body []byte) transaction {
	var request struct {
		itemKey
		ExpressionAttributeNames map[string]string
	}
	_ = json.Unmarshal(body, &request) // as above
	if request.ExpressionAttributeNames["#"+lastAttribute] != lastAttribute {
		return transaction{}
	}
	return transaction{updates: []string{request.String()}, puts: 1}
}

// rowOf gives what the PutItem of a change's row is about to do: to move the head. Any other PutItem
// gives the zero transaction.
func rowOf(body []byte) transaction {
	var request struct {
		TableName string
		Item      map[string]json.RawMessage
	}
	_ = json.Unmarshal(body, &request) // as above
	topic, seq := request.Item["topic"], request.Item[seqAttribute]
	if topic == nil || seq == nil {
		return transaction{}
	}
	head := itemKey{request.TableName, map[string]json.RawMessage{"topic": topic, seqAttribute: json.RawMessage(`{"N":"0"}`)}}
	return transaction{updates: []string{head.String()}, puts: 1}
}
