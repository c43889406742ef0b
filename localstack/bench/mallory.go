package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
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

// mallory is the program of the process that floods: FLOOD_ADDR says which stack,
// FLOOD_TOKEN with which token. She prints each part as a line of JSON when it is over.
func mallory(ctx context.Context) error {
	addr := os.Getenv("FLOOD_ADDR")
	if host, _, err := net.SplitHostPort(addr); err != nil || !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("FLOOD_ADDR is %q: only a stack on this machine is flooded", addr)
	}
	f := &flooder{url: "ws://" + addr + "/live", token: os.Getenv("FLOOD_TOKEN")}
	out := json.NewEncoder(os.Stdout)
	for _, do := range []func(context.Context) (*part, error){f.connects, f.subscribes, f.messages} {
		p, err := do(ctx)
		if err != nil {
			return err
		}
		if err := out.Encode(p); err != nil {
			return err
		}
	}
	return nil
}

// during times a part.
func (f *flooder) during(ctx context.Context, name string, sent int, do func(context.Context, *part) error) (*part, error) {
	ctx, cancel := context.WithTimeout(ctx, floodTime)
	defer cancel()
	p := &part{Name: name, Sent: sent, Answers: map[string]int{}}
	began := time.Now()
	err := do(ctx, p)
	p.Took = time.Since(began)
	return p, err
}

func (f *flooder) connects(ctx context.Context) (*part, error) {
	return f.during(ctx, "connects", floodConnects, func(ctx context.Context, p *part) error {
		var tasks errgroup.Group
		tasks.SetLimit(connectsAtOnce)
		for range floodConnects {
			tasks.Go(func() error {
				p.count(f.connect(ctx), 1)
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
		return "no answer"
	}
	return strconv.Itoa(response.StatusCode)
}

func (f *flooder) subscribes(ctx context.Context) (*part, error) {
	return f.flood(ctx, "subscribes", 0, subscribers, floodSubscribes, func(n int) string {
		return fmt.Sprintf(`{"action":"subscribe","topic":"mallory/%d"}`, n)
	})
}

// messages sends what is cheap and what is dear, what is allowed and what is not.
func (f *flooder) messages(ctx context.Context) (*part, error) {
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
func (f *flooder) flood(ctx context.Context, name string, from, sockets, messages int, message func(n int) string) (*part, error) {
	return f.during(ctx, name, messages, func(ctx context.Context, p *part) error {
		if len(f.sockets) < from+sockets {
			return fmt.Errorf("%s: only %d connections", name, len(f.sockets))
		}
		var tasks errgroup.Group
		for i, conn := range f.sockets[from : from+sockets] {
			tasks.Go(func() error {
				conn.SetReadLimit(128 << 10)
				f.exchange(ctx, conn, p, messages/sockets, func(n int) string { return message(n*sockets + i) })
				return nil
			})
		}
		return tasks.Wait()
	})
}

// exchange sends messages, reads as many answers, and counts them. A connection that is
// closed meanwhile counts once as such, and its other answers as missing.
func (f *flooder) exchange(ctx context.Context, conn *websocket.Conn, p *part, messages int, message func(n int) string) {
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
			p.count(fmt.Sprintf("closed %d", websocket.CloseStatus(err)), 1)
			p.count("no answer", messages-n)
			return
		}
		p.count(answer(data), 1)
	}
}

// answer names what a frame is: the service's by its code or type, API Gateway's own by
// what it says.
func answer(data []byte) string {
	var frame struct{ Type, Code, Message string }
	if err := json.Unmarshal(data, &frame); err != nil {
		return "not JSON"
	}
	return cmp.Or(frame.Code, frame.Type, frame.Message)
}
