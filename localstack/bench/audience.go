package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
)

// audience is a number of watchers of the topic. None of its changes comes before they
// watch.
type audience struct {
	members []*member
	arrived chan struct{} // tells await that count has grown

	mu        sync.Mutex
	count     int // of the changes that each has got, without repeats
	latencies []time.Duration
}

// member is one watcher, over a WebSocket or a stream.
type member struct {
	conn   *websocket.Conn
	stream io.Closer
	got    seqs // guarded by the audience's mutex
}

// gather connects and subscribes the watchers.
func (s *stackProcess) gather(ctx context.Context, n int) (*audience, error) {
	a := &audience{arrived: make(chan struct{}, 1)}
	var tasks errgroup.Group
	tasks.SetLimit(16)
	for range n {
		m := &member{}
		a.members = append(a.members, m)
		tasks.Go(func() (err error) {
			m.conn, err = s.watch(ctx)
			return err
		})
	}
	if err := tasks.Wait(); err != nil {
		return a, err
	}
	for _, m := range a.members {
		go a.listen(ctx, m)
	}
	return a, nil
}

// watch opens one socket and subscribes it. The route takes 500 subscribes a second; one over that
// comes again.
func (s *stackProcess) watch(ctx context.Context) (*websocket.Conn, error) {
	conn, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := subscribe(ctx, conn, s.topic)
	for attempt := 0; err == nil && bytes.Contains(answer, []byte("Too Many Requests")) && attempt < 20; attempt++ {
		time.Sleep(100 * time.Millisecond)
		answer, err = subscribe(ctx, conn, s.topic)
	}
	if err == nil && !bytes.Contains(answer, []byte(`"subscribed"`)) {
		err = fmt.Errorf("subscribe is answered %s", answer)
	}
	return conn, err
}

// dial opens one socket. API Gateway takes 500 connects a second; one over that comes again.
func (s *stackProcess) dial(ctx context.Context) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, "ws://"+s.addr+"/live", nil)
	for attempt := 0; err != nil && attempt < 20; attempt++ {
		time.Sleep(100 * time.Millisecond)
		conn, _, err = websocket.Dial(ctx, "ws://"+s.addr+"/live", nil)
	}
	if err == nil {
		conn.SetReadLimit(128 << 10)
	}
	return conn, err
}

// subscribe asks once, and gives the answer.
func subscribe(ctx context.Context, conn *websocket.Conn, topic string) ([]byte, error) {
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"action":"subscribe","topic":"`+topic+`"}`)); err != nil {
		return nil, err
	}
	_, answer, err := conn.Read(ctx)
	return answer, err
}

// listen takes what comes.
func (a *audience) listen(ctx context.Context, m *member) {
	for {
		_, data, err := m.conn.Read(ctx)
		if err != nil {
			return // leave closed it
		}
		a.receive(m, data, time.Now())
	}
}

// receive notes each change of a frame and how long it took. It looks for the few bytes it
// needs, as decoding the JSON would take longer than all the rest.
func (a *audience) receive(m *member, frame []byte, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for seq := range numbers(frame, `"seq":`) {
		if m.got.add(seq) {
			a.count++
		}
	}
	for made := range numbers(frame, `"at":"`) {
		a.latencies = append(a.latencies, now.Sub(time.Unix(0, made)))
	}
	select {
	case a.arrived <- struct{}{}:
	default:
	}
}

// numbers are those that follow a text.
func numbers(frame []byte, after string) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for {
			_, rest, found := bytes.Cut(frame, []byte(after))
			if !found {
				return
			}
			n := int64(0)
			for frame = rest; len(frame) > 0 && '0' <= frame[0] && frame[0] <= '9'; frame = frame[1:] {
				n = 10*n + int64(frame[0]-'0')
			}
			if !yield(n) {
				return
			}
		}
	}
}

func (a *audience) delivered() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}

// reset forgets what was delivered and how long it took, but not which changes each has
// got.
func (a *audience) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latencies, a.count = nil, 0
}

// complete counts the watchers that have got every change up to the last.
func (a *audience) complete(last int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, m := range a.members {
		if m.got.all(int64(last)) {
			n++
		}
	}
	return n
}

// takeLatencies gives what was noted since the last reset, or the last time.
func (a *audience) takeLatencies() latencies {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.latencies
	a.latencies = nil
	return taken
}

// await waits until that many changes were delivered.
func (a *audience) await(ctx context.Context, n int) error {
	deadline := time.After(time.Minute)
	for a.delivered() < n {
		select {
		case <-a.arrived:
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline:
			return fmt.Errorf("%d of %d deliveries within a minute", a.delivered(), n)
		}
	}
	return nil
}

func (a *audience) leave() {
	for _, m := range a.members {
		if m.conn != nil {
			_ = m.conn.CloseNow()
		}
		if m.stream != nil {
			_ = m.stream.Close()
		}
	}
}
