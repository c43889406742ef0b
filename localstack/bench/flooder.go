package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
)

// What mallory sends, all of it as fast as she can.
const (
	floodConnects   = 1_000
	connectsAtOnce  = 64
	floodSubscribes = 1_000 // to as many topics of her own
	subscribers     = 1     // of her connections
	floodMessages   = 10_000
	senders         = 10 // others of her connections
	// floodTime bounds each part of the flood. What has no answer by then gets none.
	floodTime = time.Minute
)

// flooder is one subject with a valid token for some topics of her own.
type flooder struct {
	url, token string

	mu      sync.Mutex
	sockets []*websocket.Conn
}

// run floods, and prints the outcome of each part as a line of JSON when it is over.
func (f *flooder) run(ctx context.Context) error {
	out := json.NewEncoder(os.Stdout)
	for _, do := range []func(context.Context) (*outcome, error){f.connects, f.subscribes, f.messages} {
		o, err := do(ctx)
		if err != nil {
			return err
		}
		if err := out.Encode(o); err != nil {
			return err
		}
	}
	return nil
}

// timed bounds a part, and tells how long it took.
func (f *flooder) timed(ctx context.Context, name string, sent int, do func(context.Context, *outcome) error) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, floodTime)
	defer cancel()
	o := newOutcome(name)
	o.Sent = sent
	began := time.Now()
	err := do(ctx, o)
	o.Took = time.Since(began)
	return o, err
}

func (f *flooder) connects(ctx context.Context) (*outcome, error) {
	return f.timed(ctx, "connects", floodConnects, func(ctx context.Context, o *outcome) error {
		var tasks errgroup.Group
		tasks.SetLimit(connectsAtOnce)
		for range floodConnects {
			tasks.Go(func() error {
				o.count(f.connect(ctx), 1)
				return nil
			})
		}
		return tasks.Wait()
	})
}

// connect gives the handshake's status, and keeps the connection if there is one.
func (f *flooder) connect(ctx context.Context) (status string) {
	header := http.Header{"Authorization": {"Bearer " + f.token}}
	conn, response, err := websocket.Dial(ctx, f.url, &websocket.DialOptions{HTTPHeader: header})
	if err == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sockets = append(f.sockets, conn)
	}
	if response == nil {
		return noAnswer
	}
	return strconv.Itoa(response.StatusCode)
}

func (f *flooder) subscribes(ctx context.Context) (*outcome, error) {
	return f.flood(ctx, "subscribes", 0, subscribers, floodSubscribes, func(n int) string {
		return fmt.Sprintf(`{"action":"subscribe","topic":"mallory/%d"}`, n)
	})
}

// messages sends what is cheap and what is dear, what is allowed and what is not.
func (f *flooder) messages(ctx context.Context) (*outcome, error) {
	kinds := []string{
		`{"action":"ping"}`,
		`{"action":"snapshot","topic":"mallory/log"}`,
		`{"action":"publish","topic":"mallory/log","item":{"id":"1","data":{"n":%d}}}`,
		`{"action":"snapshot","topic":"` + topic + `"}`,
		`{"garbage":`,
	}
	return f.flood(ctx, "messages", subscribers, senders, floodMessages, func(n int) string {
		return strings.ReplaceAll(kinds[n%len(kinds)], "%d", strconv.Itoa(n))
	})
}

// flood sends messages over some of the connections, as many over each, and counts what
// they are answered.
func (f *flooder) flood(ctx context.Context, name string, from, sockets, messages int, message func(n int) string) (*outcome, error) {
	return f.timed(ctx, name, messages, func(ctx context.Context, o *outcome) error {
		if len(f.sockets) < from+sockets {
			return fmt.Errorf("%s: only %d connections", name, len(f.sockets))
		}
		var tasks errgroup.Group
		for i, conn := range f.sockets[from : from+sockets] {
			tasks.Go(func() error {
				conn.SetReadLimit(128 << 10)
				f.exchange(ctx, conn, o, messages/sockets, func(n int) string { return message(n*sockets + i) })
				return nil
			})
		}
		return tasks.Wait()
	})
}

// exchange sends messages, reads as many answers, and counts them. A connection that is
// closed meanwhile counts once as such, and its other answers as missing.
func (f *flooder) exchange(ctx context.Context, conn *websocket.Conn, o *outcome, messages int, message func(n int) string) {
	go func() {
		for n := range messages {
			if conn.Write(ctx, websocket.MessageText, []byte(message(n))) != nil {
				return // reading tells why
			}
		}
	}()
	for n := range messages {
		_, data, err := conn.Read(ctx)
		if err != nil {
			o.count(fmt.Sprintf("closed %d", websocket.CloseStatus(err)), 1)
			o.count(noAnswer, messages-n)
			return
		}
		answer, _ := answerOf(data)
		o.count(answer, 1)
	}
}
