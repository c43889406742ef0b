package console

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// How much of a topic is told at once, and how many changes back the items are told.
const (
	mostChanges = 200
	mostItems   = 2000
	mostBack    = 10_000
)

// entry is a change with the state before it.
type entry struct {
	events.Change
	Before json.RawMessage `json:"before,omitempty"`
}

// topicOf reads which topic is asked for.
func topicOf(r *http.Request) (events.Topic, error) {
	name := events.Topic(r.URL.Query().Get("topic"))
	if name == "" || len(name) > 260 || strings.Contains(string(name), "*") {
		return "", refuse(http.StatusBadRequest, "topic is %.100q, not the name of a topic", name)
	}
	return name, nil
}

// headOf reads which topic is asked for, and how far it is.
func (o Options) headOf(r *http.Request) (events.Topic, watch.Head, error) {
	name, err := topicOf(r)
	if err != nil {
		return "", watch.Head{}, err
	}
	head, err := o.store().Head(r.Context(), name)
	return name, head, err
}

// log gives changes of a topic, in order: those from a number on, or else the last ones.
func (o Options) log(r *http.Request) (any, error) {
	name, head, err := o.headOf(r)
	if err != nil {
		return nil, err
	}
	from, err := number(r, "from", max(1, head.Seq-mostChanges/2+1), 1, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	list := []entry{}
	if from <= head.Seq {
		found, err := o.store().Since(r.Context(), name, from-1, min(head.Seq, from-1+mostChanges))
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			list = append(list, entry{e.Change, e.Before})
		}
	}
	first, err := o.first(r, name, head.Seq)
	return map[string]any{"topic": name, "epoch": head.Epoch, "first": first, "last": head.Seq, "changes": list}, err
}

// first gives the number of the first change that the log has; 0 if it has none.
func (o Options) first(r *http.Request, name events.Topic, last int64) (int64, error) {
	if last == 0 {
		return 0, nil
	}
	low, high := int64(0), last // the log ends at high, and does not begin before low: look in between
	store := o.store()
	for low < high {
		middle := (low + high) / 2
		_, kept, err := store.ChangedAt(r.Context(), name, middle+1)
		if err != nil {
			return 0, err
		}
		if kept {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return min(low+1, last), nil
}

// itemThen is an item as it was.
type itemThen struct {
	ID      string          `json:"id"`
	Data    json.RawMessage `json:"data,omitempty"`
	Unknown bool            `json:"unknown,omitempty"` // the log does not say what its data were
}

// then gives the items of a topic as they were after a change. It takes the items of now, and goes back.
func (o Options) then(r *http.Request) (any, error) {
	name, head, err := o.headOf(r)
	if err != nil {
		return nil, err
	}
	seq, err := number(r, "seq", head.Seq, 0, math.MaxInt64)
	if err != nil {
		return nil, err
	}
	if seq > head.Seq {
		return nil, refuse(http.StatusBadRequest, "there is no change %d yet, the last one is %d", seq, head.Seq)
	}
	if head.Seq-seq > mostBack {
		return nil, refuse(http.StatusBadRequest, "change %d is %d changes ago, and the console goes back by %d", seq, head.Seq-seq, mostBack)
	}
	items, more, err := o.itemsNow(r, name)
	if err != nil {
		return nil, err
	}
	if err := o.back(r, name, items, seq, head.Seq); err != nil {
		return nil, err
	}
	list := make([]itemThen, 0, len(items))
	for _, item := range items {
		list = append(list, item)
	}
	slices.SortFunc(list, func(a, b itemThen) int { return strings.Compare(a.ID, b.ID) })
	return map[string]any{"topic": name, "epoch": head.Epoch, "seq": seq, "last": head.Seq, "items": list, "more": more}, nil
}

// itemsNow reads the items of a topic.
func (o Options) itemsNow(r *http.Request, name events.Topic) (items map[string]itemThen, more bool, err error) {
	items = map[string]itemThen{}
	after := ""
	for {
		rows, next, err := o.store().Page(r.Context(), name, after, mostItems)
		if err != nil {
			return nil, false, err
		}
		for _, row := range rows {
			if !row.Void {
				items[row.ID] = itemThen{ID: row.ID, Data: row.Data}
			}
		}
		if after = next; next == "" || len(items) >= mostItems {
			return items, next != "", nil
		}
	}
}

// back takes back what happened to items after a change.
func (o Options) back(r *http.Request, name events.Topic, items map[string]itemThen, seq, last int64) error {
	done := map[string]bool{}
	for at := seq; at < last; {
		found, err := o.store().Since(r.Context(), name, at, last)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return refuse(http.StatusGone, "the log does not have the changes after %d any more", at)
		}
		if found[0].Seq != at+1 {
			return refuse(http.StatusGone, "the log begins at change %d", found[0].Seq)
		}
		for _, e := range found {
			if !done[e.ID] {
				undo(items, e)
			}
			done[e.ID] = true
		}
		at = found[len(found)-1].Seq
	}
	return nil
}

// undo puts an item back to where it was before a change.
func undo(items map[string]itemThen, e watch.Entry) {
	before := e.Before
	switch e.Op {
	case events.Added:
		delete(items, e.ID)
		return
	case events.Removed:
		before = e.Data // its last state
	}
	items[e.ID] = itemThen{ID: e.ID, Data: before, Unknown: before == nil}
}
