package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// onlooker is one of a crowd. It holds every change to the number of the one before.
type onlooker struct {
	conn *websocket.Conn

	mu                 sync.Mutex
	seq                int64 // of the latest change that it has got
	delivered, repeats int
	gap                string // the first change that came before an earlier one
	latencies          latencies
}

// join connects, subscribes, and listens from then on.
func (o *onlooker) join(ctx context.Context, s *stackProcess) (err error) {
	if o.conn, err = s.dial(ctx); err != nil {
		return err
	}
	for range 100 {
		if err := o.conn.Write(ctx, websocket.MessageText, []byte(`{"action":"subscribe","topic":"`+s.topic+`"}`)); err != nil {
			return err
		}
		answer, early, err := o.answer(ctx)
		if err != nil {
			return err
		}
		if bytes.Contains(answer, []byte("Too Many Requests")) {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if !bytes.Contains(answer, []byte(`"subscribed"`)) {
			return fmt.Errorf("subscribe is answered %s", answer)
		}
		for seq := range numbers(answer, `"seq":`) {
			o.seq = seq
		}
		for _, frame := range early {
			o.receive(frame, time.Now())
		}
		go o.listen(ctx)
		return nil
	}
	return errors.New("subscribe is throttled again and again")
}

// answer reads the answer to a subscribe. Changes may come before it.
func (o *onlooker) answer(ctx context.Context) (answer []byte, early [][]byte, err error) {
	for {
		_, frame, err := o.conn.Read(ctx)
		if err != nil || !bytes.HasPrefix(frame, []byte(`{"type":"changes"`)) {
			return frame, early, err
		}
		early = append(early, frame)
	}
}

// listen takes what comes until leave closes the connection.
func (o *onlooker) listen(ctx context.Context) {
	for {
		_, frame, err := o.conn.Read(ctx)
		if err != nil {
			return
		}
		o.receive(frame, time.Now())
	}
}

// receive notes the changes of a frame, and how long they took.
func (o *onlooker) receive(frame []byte, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fresh := false
	for seq := range numbers(frame, `"seq":`) {
		switch {
		case seq <= o.seq:
			o.repeats++
			continue
		case seq > o.seq+1 && o.gap == "":
			o.gap = fmt.Sprintf("got %d after %d", seq, o.seq)
		}
		o.seq, fresh = seq, true
		o.delivered++
	}
	if !fresh {
		return
	}
	for made := range numbers(frame, `"at":"`) {
		o.latencies = append(o.latencies, now.Sub(time.Unix(0, made)))
	}
}

// last is the number of the latest change that it has got.
func (o *onlooker) last() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seq
}
