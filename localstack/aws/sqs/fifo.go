package sqs

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/recent"
	"github.com/watchroute/watchroute/localstack/aws/throttle"
)

// callsASecond is how many calls of an action a FIFO queue allows in a second, without high
// throughput. With it the limits are per Region, thousands of calls a second, and are not counted
// here.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
const callsASecond = 300

// lookahead is how many messages of a FIFO queue are searched, from the first, for one that may be
// received. Messages in flight count, so no more than that are in flight at once.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-fifo.html
const lookahead = 120_000

// orderedID matches a MessageGroupId or MessageDeduplicationId: ASCII letters, digits and
// punctuation.
var orderedID = regexp.MustCompile(`^[!-~]{1,128}$`)

// fifo is the state that only FIFO queues have.
type fifo struct {
	lookahead int
	sequence  uint64 // the last one that was given
	accepted  recent.Memory[deduplication, accepted]
	groups    map[string]*group           // those that the last receive has found
	calls     map[string]*throttle.Bucket // by action
}

// limitLocked refuses a call of an action beyond callsASecond.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/troubleshooting-fifo-throttling-issues.html
func (f *fifo) limitLocked(s settings, action string) error {
	if s.kept["FifoThroughputLimit"] != "perQueue" { // empty for a standard queue
		return nil
	}
	if f.calls == nil {
		f.calls = map[string]*throttle.Bucket{}
	}
	if f.calls[action] == nil {
		f.calls[action] = throttle.New(throttle.Limit{Rate: callsASecond, Burst: callsASecond})
	}
	if !f.calls[action].Take() {
		return errorf("ThrottlingException", "Rate exceeded")
	}
	return nil
}

// deduplication is the key by which a FIFO queue recognises repeated messages.
type deduplication struct{ group, id string } // group is "" if the id counts in the whole queue

// accepted is a message that a FIFO queue has accepted.
type accepted struct{ id, sequence string }

// group is a message group.
type group struct {
	turn     uint64     // groups are served in this order
	messages []*message // in order of arrival
}

// appendLocked puts a message at the end of its group.
func (f *fifo) appendLocked(m *message) {
	if f.groups == nil {
		f.groups = map[string]*group{}
	}
	g := f.groups[m.group]
	if g == nil {
		g = &group{turn: f.nextLocked()}
		f.groups[m.group] = g
	}
	g.messages = append(g.messages, m)
}

// removeLocked takes a message out of its group. A group without messages is deleted.
func (f *fifo) removeLocked(m *message) {
	g := f.groups[m.group]
	if g.messages = without(g.messages, m); len(g.messages) == 0 {
		delete(f.groups, m.group)
	}
}

// checkQueueType refuses parameters of the other type of queue, and missing parameters of this
// type.
func (o *outgoing) checkQueueType(s settings) error {
	switch {
	case s.fifo() && o.MessageGroupId == "":
		return errorf("MissingParameter", "The request must contain the parameter MessageGroupId.")
	case s.fifo() && o.deduplicationID(s) == "":
		return errorf("InvalidParameterValue", "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	case !s.fifo() && o.MessageDeduplicationId != "":
		return errorf("InvalidParameterValue", "Value %s for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type.", o.MessageDeduplicationId)
	case s.fifo() && o.DelaySeconds != nil && *o.DelaySeconds != 0:
		return errorf("InvalidParameterValue", "Value %d for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.", *o.DelaySeconds)
	case o.MessageGroupId != "" && !orderedID.MatchString(o.MessageGroupId):
		return badOrderedID("MessageGroupId", o.MessageGroupId)
	case o.MessageDeduplicationId != "" && !orderedID.MatchString(o.MessageDeduplicationId):
		return badOrderedID("MessageDeduplicationId", o.MessageDeduplicationId)
	}
	return nil
}

func badOrderedID(parameter, value string) error {
	return errorf("InvalidParameterValue", "Value %s for parameter %s is invalid. Reason: %s can only include alphanumeric and punctuation characters. 1 to 128 in length.", value, parameter, parameter)
}

// checkOrdered refuses a whole batch for a FIFO queue if one of its messages has no group or no
// deduplication id. Any other fault fails only its entry.
func (q *queue) checkOrdered(entries []outgoing) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range entries {
		if e := &entries[i]; q.settings.fifo() && (e.MessageGroupId == "" || e.deduplicationID(q.settings) == "") {
			return e.checkQueueType(q.settings)
		}
	}
	return nil
}

// deduplicationID is the message's own id or, if the queue is set so, the hash of its body; "" if
// it has none.
func (o *outgoing) deduplicationID(s settings) string {
	if o.MessageDeduplicationId != "" || s.kept["ContentBasedDeduplication"] != "true" {
		return o.MessageDeduplicationId
	}
	sum := sha256.Sum256([]byte(o.MessageBody))
	return hex.EncodeToString(sum[:])
}

// deduplication is the key of a message in a queue with these settings.
func (o *outgoing) deduplication(s settings) deduplication {
	d := deduplication{id: o.deduplicationID(s)}
	if s.kept["DeduplicationScope"] == "messageGroup" {
		d.group = o.MessageGroupId
	}
	return d
}

// acceptedLocked gives the earlier message that a FIFO queue has accepted in place of this one, if
// there is one.
func (q *queue) acceptedLocked(o *outgoing, now time.Time) (accepted, bool) {
	a, ok := q.fifo.accepted.Get(o.deduplication(q.settings), now)
	return a, ok && q.settings.fifo()
}

// acceptLocked numbers a message of a FIFO queue and remembers it.
func (q *queue) acceptLocked(o *outgoing, m *message) {
	m.deduplication, m.sequence = o.deduplicationID(q.settings), fmt.Sprintf("188%017d", q.fifo.nextLocked())
	q.fifo.accepted.Put(o.deduplication(q.settings), accepted{m.id, m.sequence}, m.sent)
}

func (f *fifo) nextLocked() uint64 {
	f.sequence++
	return f.sequence
}

// readyLocked gives the messages that may be received, in order. next is the time until another
// becomes ready; 0 if none will.
func (q *queue) readyLocked(now time.Time) (ready iter.Seq[*message], next time.Duration) {
	if q.settings.fifo() {
		return q.freeLocked(now)
	}
	var visible []*message
	for _, m := range q.messages {
		if hidden := m.visible.Sub(now); hidden > 0 {
			next = sooner(next, hidden)
			continue
		}
		visible = append(visible, m)
	}
	return slices.Values(visible), next
}

func sooner(next, other time.Duration) time.Duration {
	if next == 0 {
		return other
	}
	return min(next, other)
}

// freeLocked is readyLocked of a FIFO queue. A hidden message holds back those of its group that
// were sent after it. All messages of one group come before those of the next. A group that was
// served goes behind the others.
//
// Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-understanding-logic.html
func (q *queue) freeLocked(now time.Time) (free iter.Seq[*message], next time.Duration) {
	last := q.arrived
	if len(q.messages) > q.fifo.lookahead {
		last = q.messages[q.fifo.lookahead-1].number
	}
	var groups []*group // whose first message is free
	for _, g := range q.fifo.groups {
		first := g.messages[0]
		if first.number > last {
			continue
		}
		if hidden := first.visible.Sub(now); hidden > 0 {
			next = sooner(next, hidden)
			continue
		}
		groups = append(groups, g)
	}
	return func(yield func(*message) bool) {
		for len(groups) > 0 {
			g := slices.MinFunc(groups, func(a, b *group) int { return cmp.Compare(a.turn, b.turn) })
			groups = slices.DeleteFunc(groups, func(other *group) bool { return other == g })
			for _, m := range g.messages {
				if m.number > last || m.visible.After(now) {
					break
				}
				if !yield(m) {
					return
				}
			}
		}
	}, next
}

// servedLocked puts the message's group behind the others.
func (q *queue) servedLocked(m *message) {
	if q.settings.fifo() {
		q.fifo.groups[m.group].turn = q.fifo.nextLocked()
	}
}

// expiredLocked reports whether a receipt of a FIFO queue has expired, because its message is shown
// again or has been received again. m is nil if the message is gone.
func (q *queue) expiredLocked(m *message, r receipt) bool {
	return m != nil && q.settings.fifo() && (m.receives != r.receives || !m.visible.After(q.now()))
}

func errExpiredReceipt(handle string) error {
	return errorf("InvalidParameterValue", "Value %s for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.", handle)
}
