package restapi

import (
	"maps"
	"sync"
)

// Usage is what an API has done since it began or was last reset.
type Usage struct {
	// Requests are counted as AWS charges them: each one, and one more for each further 10 MB
	// that a stream begins.
	Requests int64 `json:"requests"`
	// Answers by HTTP status, whether of functions or API Gateway's own.
	Answers  map[int]int64 `json:"answers"`
	BytesOut int64         `json:"bytesOut"` // of bodies of functions' answers
	// Streams counts streamed answers.
	Streams StreamUsage `json:"streams"`
}

// StreamUsage counts streams. Open is the current number, which a reset leaves alone.
type StreamUsage struct {
	Open  int   `json:"open"`
	Begun int64 `json:"begun"`
	Cut   int64 `json:"cut"` // before the function's answer had ended
}

// meter counts; all methods may be called concurrently.
type meter struct {
	mu sync.Mutex
	u  Usage
}

func newMeter() *meter {
	m := &meter{}
	m.reset()
	return m
}

func (m *meter) reset() {
	m.count(func(u *Usage) {
		*u = Usage{Answers: map[int]int64{}, Streams: StreamUsage{Open: u.Streams.Open}}
	})
}

func (m *meter) count(f func(*Usage)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(&m.u)
}

func (m *meter) request()            { m.count(func(u *Usage) { u.Requests++ }) }
func (m *meter) answered(status int) { m.count(func(u *Usage) { u.Answers[status]++ }) }
func (m *meter) sent(bytes int)      { m.count(func(u *Usage) { u.BytesOut += int64(bytes) }) }
func (m *meter) cut()                { m.count(func(u *Usage) { u.Streams.Cut++ }) }

// streaming counts a stream that begins (1) or ends (-1).
func (m *meter) streaming(change int) {
	m.count(func(u *Usage) {
		u.Streams.Open += change
		u.Streams.Begun += int64(max(0, change))
	})
}

// streamed counts a piece of a stream after the bytes before it.
func (m *meter) streamed(before int64, bytes int) {
	after := before + int64(bytes)
	m.count(func(u *Usage) {
		u.BytesOut += int64(bytes)
		u.Requests += units(after) - units(before)
	})
}

// units is how many requests AWS charges a stream as.
func units(bytes int64) int64 { return max(1, (bytes+meteredBytes-1)/meteredBytes) }

// snapshot is a copy that nobody else counts in.
func (m *meter) snapshot() Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := m.u
	u.Answers = maps.Clone(u.Answers)
	return u
}
