package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
)

// audience is a number of watchers of the topic.
type audience struct {
	members []*websocket.Conn
	count   atomic.Int64
	arrived chan struct{} // tells await that count has grown

	mu        sync.Mutex
	latencies []time.Duration
}

// gather connects and subscribes the watchers.
func (s *stackProcess) gather(ctx context.Context, n int) (*audience, error) {
	a := &audience{members: make([]*websocket.Conn, n), arrived: make(chan struct{}, 1)}
	var tasks errgroup.Group
	tasks.SetLimit(16)
	for i := range a.members {
		tasks.Go(func() (err error) {
			a.members[i], err = s.watch(ctx)
			return err
		})
	}
	if err := tasks.Wait(); err != nil {
		return a, err
	}
	for _, conn := range a.members {
		go a.listen(ctx, conn)
	}
	return a, nil
}

// watch opens one socket and subscribes it. API Gateway takes 500 connects a second;
// one over that comes again.
func (s *stackProcess) watch(ctx context.Context) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, "ws://"+s.addr+"/live", nil)
	for attempt := 0; err != nil && attempt < 20; attempt++ {
		time.Sleep(100 * time.Millisecond)
		conn, _, err = websocket.Dial(ctx, "ws://"+s.addr+"/live", nil)
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(128 << 10)
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"action":"subscribe","topic":"`+topic+`"}`)); err != nil {
		return nil, err
	}
	_, answer, err := conn.Read(ctx)
	if err == nil && !bytes.Contains(answer, []byte(`"subscribed"`)) {
		err = fmt.Errorf("subscribe is answered %s", answer)
	}
	return conn, err
}

// listen counts the changes of each frame and how long they took. It looks for the
// few bytes it needs, as decoding the JSON would take longer than all the rest.
func (a *audience) listen(ctx context.Context, conn *websocket.Conn) {
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return // leave closed it
		}
		now := time.Now().UnixNano()
		changes := bytes.Count(data, []byte(`"seq":`))
		if made, ok := madeAt(data); ok {
			a.note(time.Duration(now - made))
		}
		a.count.Add(int64(changes))
		select {
		case a.arrived <- struct{}{}:
		default:
		}
	}
}

// madeAt finds when the first item of a frame was made.
func madeAt(data []byte) (int64, bool) {
	_, rest, ok := bytes.Cut(data, []byte(`"at":"`))
	if !ok || len(rest) < 19 {
		return 0, false
	}
	nanoseconds, err := strconv.ParseInt(string(rest[:19]), 10, 64)
	return nanoseconds, err == nil
}

func (a *audience) note(latency time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latencies = append(a.latencies, latency)
}

func (a *audience) delivered() int { return int(a.count.Load()) }

func (a *audience) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.latencies = nil
	a.count.Store(0)
}

// latency gives a quantile of what was noted since the last reset.
func (a *audience) latency(quantile float64) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.latencies) == 0 {
		return 0
	}
	slices.Sort(a.latencies)
	return a.latencies[int(quantile*float64(len(a.latencies)-1))]
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
	for _, conn := range a.members {
		if conn != nil {
			_ = conn.CloseNow()
		}
	}
}
