package watch_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/watch"
)

// memoryLog is a Log of one topic in memory. fail, if set, is asked before and after
// each append is carried out; an error before refuses it, one after loses its answer.
type memoryLog struct {
	mu   sync.Mutex
	head watch.Head
	rows map[int64]watch.Entry
	fail func(when string) error

	reads, appends int
}

func (l *memoryLog) Head(context.Context, events.Topic) (watch.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head, nil
}

func (l *memoryLog) Append(_ context.Context, _ events.Topic, from, to watch.Head, entries []watch.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.failing("before"); err != nil {
		return err
	}
	if l.head.Cursor != from.Cursor {
		return watch.ErrConflict
	}
	if len(entries) > watch.MaxAppendEntries {
		return errors.New("too many entries in one append")
	}
	l.head = to
	for _, e := range entries {
		l.rows[e.Seq] = e
	}
	l.appends++
	return l.failing("after")
}

func (l *memoryLog) failing(when string) error {
	if l.fail == nil {
		return nil
	}
	return l.fail(when)
}

func (l *memoryLog) Before(_ context.Context, _ events.Topic, seq int64, limit int) ([]watch.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	var page []watch.Entry
	for ; seq > 0 && len(page) < limit; seq-- {
		if row, ok := l.rows[seq]; ok {
			page = append(page, row)
		}
	}
	return page, nil
}

// ids gives the ids of the log's current life in the order of their numbers, and
// whether the numbers are dense from 1 and all of the head's epoch.
func (l *memoryLog) ids() (ids []string, dense bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for seq := int64(1); seq <= l.head.Seq; seq++ {
		row, ok := l.rows[seq]
		if !ok || row.Epoch != l.head.Epoch || row.Seq != seq {
			return ids, false
		}
		ids = append(ids, row.ID)
	}
	return ids, true
}

// topicLogs is a Log of several topics.
type topicLogs map[events.Topic]*memoryLog

func (l topicLogs) Head(ctx context.Context, topic events.Topic) (watch.Head, error) {
	return l[topic].Head(ctx, topic)
}

func (l topicLogs) Append(ctx context.Context, topic events.Topic, from, to watch.Head, entries []watch.Entry) error {
	return l[topic].Append(ctx, topic, from, to, entries)
}

func (l topicLogs) Before(ctx context.Context, topic events.Topic, seq int64, limit int) ([]watch.Entry, error) {
	return l[topic].Before(ctx, topic, seq, limit)
}

// memoryWatchers are Subscribers and a Poster in memory.
type memoryWatchers struct {
	mu        sync.Mutex
	topics    map[events.Topic][]watch.ConnectionID
	unread    events.Topic // reading its subscribers fails
	answers   map[watch.ConnectionID]error
	posts     map[watch.ConnectionID][]string
	forgotten []watch.ConnectionID
}

var errRead = errors.New("subscribers cannot be read")

func (m *memoryWatchers) Subscribers(_ context.Context, topic events.Topic) ([]watch.ConnectionID, error) {
	if topic == m.unread {
		return nil, errRead
	}
	return m.topics[topic], nil
}

func (m *memoryWatchers) Forget(_ context.Context, id watch.ConnectionID, _ []events.Topic) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgotten = append(m.forgotten, id)
	return nil
}

func (m *memoryWatchers) Post(_ context.Context, id watch.ConnectionID, frame watch.Frame) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.answers[id]; err != nil {
		return err
	}
	if m.posts == nil {
		m.posts = map[watch.ConnectionID][]string{}
	}
	m.posts[id] = append(m.posts[id], string(frame.Body))
	return nil
}

func sortedIDs(ids []watch.ConnectionID) []watch.ConnectionID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}
