package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/trickle"
)

// hostileGrant lets a hostile watcher watch what the others watch, and do everything with
// topics of its own.
const hostileGrant = `{"v":1,"allow":[{"topics":["chaos/*"],"actions":["subscribe","read"]},` +
	`{"topics":["hostile/{sub}/**"],"actions":["subscribe","read","publish"]}]}`

const (
	hostileLife = 100     // messages over one connection, at most
	hostileSlow = 0.5     // of the connections read slowly,
	hostileRate = 8 << 10 // bytes a second
	// pieceBytes is where a message is cut into WebSocket frames, of which API Gateway takes up
	// to 32 KB.
	pieceBytes = 16 << 10
)

// hostile is a watcher who does what it can to the others: it makes the service work, reads
// slowly, and sends what is no request at all. It does not care what it sees. Only one
// promise is made to it: that no frame is larger than API Gateway takes.
type hostile struct {
	url    string
	wallet *wallet
	random *rand.Rand // its own goroutine's
	others []events.Topic
	pause  time.Duration // at most, between two messages

	mu    sync.Mutex
	tally mischief
	err   error // the first broken promise
}

// mischief is what hostile watchers did, and what came of it.
type mischief struct {
	connections int
	sent        int
	answers     map[string]int // by code, type or, if API Gateway answered, message
	costly      int            // frames that say that something was left out, as it would cost too much
}

func (m *mischief) add(o mischief) {
	m.connections += o.connections
	m.sent += o.sent
	m.costly += o.costly
	m.answers = added(m.answers, o.answers)
}

func (m mischief) String() string {
	return fmt.Sprintf("%d messages over %d connections; %d frames marked costly; answered %s", m.sent, m.connections, m.costly, ranked(m.answers))
}

// added adds counts to others, which may be nil.
func added(to, counts map[string]int) map[string]int {
	if to == nil {
		to = map[string]int{}
	}
	for name, n := range counts {
		to[name] += n
	}
	return to
}

// ranked lists counts, the most frequent first.
func ranked(counts map[string]int) string {
	var list []string
	for _, name := range slices.SortedFunc(maps.Keys(counts), func(x, y string) int { return cmp.Or(counts[y]-counts[x], cmp.Compare(x, y)) }) {
		list = append(list, fmt.Sprintf("%d × %s", counts[name], name))
	}
	return strings.Join(list, ", ")
}

// run lives one connection after another until ctx ends.
func (h *hostile) run(ctx context.Context) {
	for ctx.Err() == nil {
		if conn, err := h.connect(ctx); err == nil {
			h.live(ctx, conn)
		}
		pause(ctx, h.random, time.Second)
	}
}

func (h *hostile) connect(ctx context.Context) (*websocket.Conn, error) {
	token, err := h.wallet.token(ctx)
	if err != nil {
		return nil, err
	}
	options := &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}}
	if h.random.Float64() < hostileSlow {
		options.HTTPClient = trickle.Client(hostileRate)
	}
	conn, _, err := websocket.Dial(ctx, h.url, options)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1) // read looks at the size
	h.note(mischief{connections: 1})
	return conn, nil
}

// live does mischief over a connection until it is closed, or was used long enough.
func (h *hostile) live(ctx context.Context, conn *websocket.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer cancel()
		h.read(ctx, conn)
	})
	for range hostileLife {
		if write(ctx, conn, h.message()) != nil {
			break
		}
		h.note(mischief{sent: 1})
		pause(ctx, h.random, h.pause)
	}
	_ = conn.CloseNow()
	reading.Wait()
	cancel()
}

// write sends a message in pieces that API Gateway takes.
func write(ctx context.Context, conn *websocket.Conn, message string) error {
	w, err := conn.Writer(ctx, websocket.MessageText)
	if err != nil {
		return err
	}
	for len(message) > 0 {
		n, err := io.WriteString(w, message[:min(len(message), pieceBytes)])
		if err != nil {
			return err
		}
		message = message[n:]
	}
	return w.Close()
}

func (h *hostile) read(ctx context.Context, conn *websocket.Conn) {
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if len(frame) > events.MaxFrameBytes {
			h.fail(fmt.Errorf("a frame has %d bytes: %.200s", len(frame), frame))
		}
		h.receive(frame)
	}
}

// receive counts a frame.
func (h *hostile) receive(frame []byte) {
	var f struct{ Type, Code, Message string }
	if json.Unmarshal(frame, &f) != nil {
		h.fail(fmt.Errorf("a frame is not JSON: %.200s", frame))
	}
	costly := 0
	if bytes.Contains(frame, []byte(`"costly":`)) {
		costly = 1
	}
	h.note(mischief{answers: map[string]int{cmp.Or(f.Code, f.Type, f.Message): 1}, costly: costly})
}

func (h *hostile) note(m mischief) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tally.add(m)
}

func (h *hostile) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
	}
}

// verdict is the first broken promise, and what it did. It must have ended.
func (h *hostile) verdict() (mischief, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tally, h.err
}
