package apigateway

import (
	"maps"
	"sync"
	"time"
)

// Usage is what an API has done since it began or was last reset.
type Usage struct {
	Connections ConnectionUsage `json:"connections"`
	Messages    MessageUsage    `json:"messages"`
	// Posts counts PostToConnection calls by HTTP status.
	Posts map[int]int64 `json:"posts"`
}

// ConnectionUsage counts connections. Open is the current number, which a
// reset leaves alone.
type ConnectionUsage struct {
	Open     int           `json:"open"`
	Accepted int64         `json:"accepted"`
	Refused  map[int]int64 `json:"refused"` // by HTTP status
	Closed   map[int]int64 `json:"closed"`  // by WebSocket status, 1006 for a lost one
	// Seconds is for how long connections were open, in all.
	Seconds float64 `json:"seconds"`
}

// MessageUsage counts messages: In from clients, Out to them, whether posted,
// answered two-way or an error frame. Units are what AWS charges for: each
// message counts once per 32 KB or part of it. TooLarge counts two-way answers that were
// lost because they exceed the message limit; Out counts the error frames in their place.
type MessageUsage struct {
	In       int64 `json:"in"`
	Out      int64 `json:"out"`
	BytesIn  int64 `json:"bytesIn"`
	BytesOut int64 `json:"bytesOut"`
	UnitsIn  int64 `json:"unitsIn"`
	UnitsOut int64 `json:"unitsOut"`
	TooLarge int64 `json:"tooLarge"`
}

// meter counts; all methods may be called concurrently.
type meter struct {
	mu    sync.Mutex
	u     Usage
	since time.Time
}

func newMeter() *meter {
	m := &meter{}
	m.reset()
	return m
}

func (m *meter) reset() {
	m.count(func(u *Usage) {
		m.since = time.Now()
		*u = Usage{Posts: map[int]int64{}, Connections: ConnectionUsage{Refused: map[int]int64{}, Closed: map[int]int64{}}}
	})
}

func (m *meter) count(f func(*Usage)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.u)
}

func (m *meter) accepted()          { m.count(func(u *Usage) { u.Connections.Accepted++ }) }
func (m *meter) refused(status int) { m.count(func(u *Usage) { u.Connections.Refused[status]++ }) }
func (m *meter) lost()              { m.count(func(u *Usage) { u.Messages.TooLarge++ }) }
func (m *meter) posted(status int)  { m.count(func(u *Usage) { u.Posts[status]++ }) }

// closed counts the end of a connection that was opened at a time.
func (m *meter) closed(code int, opened time.Time) {
	m.count(func(u *Usage) {
		u.Connections.Closed[code]++
		u.Connections.Seconds += m.openForLocked(opened)
	})
}

// open counts the connections that are open.
func (m *meter) open(u *Usage, connections map[string]*connection) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u.Connections.Open = len(connections)
	for _, c := range connections {
		u.Connections.Seconds += m.openForLocked(c.connectedAt)
	}
}

// openForLocked is how long a connection has been open since counting began, in seconds.
func (m *meter) openForLocked(opened time.Time) float64 {
	if opened.Before(m.since) {
		opened = m.since
	}
	return time.Since(opened).Seconds()
}

func (m *meter) received(bytes int) {
	m.count(func(u *Usage) {
		u.Messages.In++
		u.Messages.BytesIn += int64(bytes)
		u.Messages.UnitsIn += units(bytes)
	})
}

func (m *meter) sent(bytes int) {
	m.count(func(u *Usage) {
		u.Messages.Out++
		u.Messages.BytesOut += int64(bytes)
		u.Messages.UnitsOut += units(bytes)
	})
}

// units is how many messages AWS charges for one.
func units(bytes int) int64 { return int64(max(1, (bytes+meteredUnit-1)/meteredUnit)) }

// snapshot is a copy that nobody else counts in.
func (m *meter) snapshot() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.u
	u.Posts = maps.Clone(u.Posts)
	u.Connections.Refused = maps.Clone(u.Connections.Refused)
	u.Connections.Closed = maps.Clone(u.Connections.Closed)
	return u
}
