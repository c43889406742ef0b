package stack_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	goclient "github.com/watchroute/watchroute/shared/client"
)

// TestClientOverEachTransport: one topic is watched and published to over a WebSocket, streams
// and long polls. All see the same, and go on from the cursor that the items were read at.
func TestClientOverEachTransport(t *testing.T) {
	s := start(t, tokensOnly)
	token := s.token(t, "alice", all, nil)
	options := goclient.Options{HTTPURL: s.HTTPURL(), AnswerTime: patience, Token: func(context.Context) (string, error) { return token, nil }}
	s.put(t, "stocks/AAPL", "quote", "1")
	var at events.Cursor
	eventually(t, "the item", func() bool { at = s.read(t, "stocks/AAPL", options); return at.Seq == 1 })
	var watchers sync.WaitGroup
	seen := map[goclient.Transport]*string{}
	clients := map[goclient.Transport]*goclient.Client{}
	transports := []goclient.Transport{goclient.WebSocket, goclient.ServerSentEvents, goclient.LongPoll}
	for _, transport := range transports {
		options.Transports = []goclient.Transport{transport}
		c, err := goclient.Dial(t.Context(), s.WebSocketURL(), options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		saw := new(string)
		seen[transport], clients[transport] = saw, c
		watchers.Go(func() {
			state, seqs, _ := collect(t, c, "stocks/AAPL", goclient.WatchOptions{After: &at}, 7)
			*saw = fmt.Sprint(state, seqs)
		})
	}
	for i, transport := range transports {
		for n := range 2 {
			if _, err := clients[transport].Publish(t.Context(), "stocks/AAPL", events.Item{ID: string(transport), Data: fmt.Appendf(nil, `{"n":%d}`, n)}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the change", func() bool { return s.read(t, "stocks/AAPL", options).Seq == int64(2*i+n+2) })
		}
	}
	watchers.Wait()
	want := `map[longpoll:{"n":1} sse:{"n":1} websocket:{"n":1}] [2 3 4 5 6 7]`
	for transport, saw := range seen {
		if *saw != want || clients[transport].Transport() != transport {
			t.Errorf("transport %s: %s, want %s", clients[transport].Transport(), *saw, want)
		}
	}
}

// read reads a topic's items, and gives the cursor at which they are true.
func (s *running) read(t *testing.T, topic events.Topic, o goclient.Options) (at events.Cursor) {
	t.Helper()
	for event, err := range goclient.Read(t.Context(), s.HTTPURL(), topic, o, goclient.WatchOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		at = event.Cursor
	}
	return at
}

// network stands between clients and the service. It lets transports through or does not.
type network struct {
	*httptest.Server
	mu      sync.Mutex
	blocked string // names websocket, sse or both
	cancels []context.CancelFunc
}

func newNetwork(t *testing.T, target string) *network {
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	n := &network{}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host}) }}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		n.mu.Lock()
		n.cancels = append(n.cancels, cancel)
		blocked := n.blocked
		n.mu.Unlock()
		isSocket, isStream := r.Header.Get("Upgrade") != "", r.Header.Get("Accept") == "text/event-stream"
		if isSocket && strings.Contains(blocked, "websocket") || isStream && strings.Contains(blocked, "sse") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(n.Close)
	return n
}

// block holds some transports up from here on, and cuts all that is open.
func (n *network) block(transports string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.blocked = transports
	for _, cancel := range n.cancels {
		cancel()
	}
	n.cancels = nil
}

// TestClientOverChangingTransports: a watcher whose network lets one transport through and then
// another, in any order, sees each change once and in order.
func TestClientOverChangingTransports(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	n := newNetwork(t, s.HTTPURL())
	c, err := goclient.Dial(t.Context(), "ws"+strings.TrimPrefix(n.URL, "http")+"/live", goclient.Options{
		HTTPURL: n.URL + "/live", AnswerTime: patience, BetterInterval: 500 * time.Millisecond, MaxBackoff: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ways := map[string]goclient.Transport{"": goclient.WebSocket, "websocket": goclient.ServerSentEvents, "websocket and sse": goclient.LongPoll}
	blocks := []string{"", "websocket", "websocket and sse"}
	rand.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	const changes = 30
	saw := make(chan string, 1)
	go func() {
		defer close(saw) // also if it gives up, which ends this alone

		_, seqs, resets := collect(t, c, "stocks/AAPL", goclient.WatchOptions{After: &events.Cursor{}}, changes) // from the first
		saw <- fmt.Sprint(seqs, resets)
	}()
	var want []int64
	for i := range changes {
		if i%10 == 0 {
			n.block(blocks[i/10])
		}
		if i%10 == 5 {
			eventually(t, "the transport with blocked: "+blocks[i/10], func() bool { return c.Transport() == ways[blocks[i/10]] })
		}
		s.put(t, "stocks/AAPL", fmt.Sprint(i%3), fmt.Sprint(i))
		want = append(want, int64(i+1))
	}
	if got := <-saw; got != fmt.Sprint(want, []events.ResetReason(nil)) {
		t.Errorf("saw %s, want %v and no reset, blocked were %q", got, want, blocks)
	}
}

// TestPatternOverChangingTransports: the same for a pattern, of which topics come into being over
// each transport. A second watcher, with one that cannot change, sees the same.
func TestPatternOverChangingTransports(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	n := newNetwork(t, s.HTTPURL())
	options := goclient.Options{HTTPURL: n.URL + "/live", AnswerTime: patience, BetterInterval: 500 * time.Millisecond, MaxBackoff: time.Second}
	c, err := goclient.Dial(t.Context(), "ws"+strings.TrimPrefix(n.URL, "http")+"/live", options)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const changes = 40
	saw := make(chan string, 1)
	go func() { saw <- collectBelow(t, c, changes) }()
	ways := []struct {
		blocked string
		by      goclient.Transport
	}{{"websocket", goclient.ServerSentEvents}, {"websocket and sse", goclient.LongPoll}, {"websocket", goclient.ServerSentEvents}, {"", goclient.WebSocket}}
	for i := range changes {
		way := ways[i/10]
		if i%10 == 0 {
			n.block(way.blocked)
		}
		if i%10 == 5 {
			eventually(t, "the transport with blocked: "+way.blocked, func() bool { return c.Transport() == way.by })
		}
		s.put(t, fmt.Sprint("stocks/", i%(1+i/4)), fmt.Sprint(i%3), fmt.Sprint(i))
	}
	want := map[events.Topic][]int64{}
	for i := range changes {
		topic := events.Topic(fmt.Sprint("stocks/", i%(1+i/4)))
		want[topic] = append(want[topic], int64(len(want[topic])+1))
	}
	if got := <-saw; got != fmt.Sprint(want) {
		t.Errorf("saw %s, want %v", got, want)
	}
	for _, transport := range []goclient.Transport{goclient.ServerSentEvents, goclient.LongPoll} {
		options.Transports = []goclient.Transport{transport}
		once, err := goclient.Dial(t.Context(), s.WebSocketURL(), options)
		if err != nil {
			t.Fatal(err)
		}
		if got := collectBelow(t, once, changes); got != fmt.Sprint(want) {
			t.Errorf("over %s saw %s, want %v", transport, got, want)
		}
		once.Close()
	}
}

// collectBelow watches stocks/* from the first changes on until so many have come.
func collectBelow(t *testing.T, c *goclient.Client, count int) string {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seqs := map[events.Topic][]int64{}
	for event, err := range c.Watch(ctx, "stocks/*", goclient.WatchOptions{Cursors: map[events.Topic]events.Cursor{}}) {
		switch {
		case err != nil || event.Page != nil:
			t.Errorf("%v, page %v, after %v", err, event.Page, seqs)
			return ""
		case event.Change != nil:
			seqs[event.Topic] = append(seqs[event.Topic], event.Change.Seq)
			count--
		}
		if count == 0 {
			break
		}
	}
	return fmt.Sprint(seqs)
}

// TestClientReadsUnlessUnchanged: with the ETag that it was given, the client reads the items again
// only when there is a change.
func TestClientReadsUnlessUnchanged(t *testing.T) {
	s := start(t, nil)
	read := func(etag string) (items int, now string, err error) {
		for event, err := range goclient.ReadUnless(t.Context(), s.HTTPURL(), "stocks/AAPL", etag, goclient.Options{}, goclient.WatchOptions{}) {
			if err != nil {
				return items, now, err
			}
			items, now = items+len(event.Page.Items), now+event.Page.ETag
		}
		return items, now, nil
	}
	for n := range 2 {
		s.put(t, "stocks/AAPL", fmt.Sprint(n), "1")
		eventually(t, "the change", func() bool { return s.read(t, "stocks/AAPL", goclient.Options{}).Seq == int64(n+1) })
		items, etag, err := read("")
		if items != n+1 || err != nil {
			t.Fatalf("read %d items: %v", items, err)
		}
		if _, _, err := read(etag); !errors.Is(err, goclient.ErrUnchanged) {
			t.Errorf("with the ETag %q: %v", etag, err)
		}
	}
}
