package stack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/watchroute/watchroute/events"
)

// TestLatestByWebSocketAndStream: a price board that comes back after 40 changes of four items gets
// four, whether it resumes or pings, by the topic or by a pattern, and over a stream. Then it gets
// changes as they come. A client that does not ask for the latest gets all.
func TestLatestByWebSocketAndStream(t *testing.T) {
	s := start(t, nil)
	for n := range 40 {
		s.put(t, "prices/nyse", fmt.Sprint("i", n%4), fmt.Sprint(n))
	}
	s.numbered(t, "prices/nyse", 40)
	const want = `1 skipped  ; 37 added i0 {"price":36}; 38 added i1 {"price":37}; 39 added i2 {"price":38}; 40 added i3 {"price":39}`
	first := func(how string, changes []events.Change) {
		t.Helper()
		if got := brief(changes); got != want || changes[0].To != 36 {
			t.Errorf("%s brings %s", how, got)
		}
	}
	board := s.connect(t)
	board.send(`{"action":"subscribe","id":"q","topic":"prices/nyse","after":":0","latest":true}`)
	answer, ok := board.frame().(*events.Subscribed)
	if !ok || !answer.Recovered || answer.Seq != 40 || answer.View == "" {
		t.Fatalf("answer %+v", answer)
	}
	first("a resume", board.changes(5))
	ping := fmt.Sprintf(`{"action":"ping","cursors":{"prices/nyse":"%s:0"}}`, answer.Epoch)
	board.send(ping)
	first("a ping", board.changes(5))
	board.frame()

	below := s.connect(t)
	below.send(`{"action":"subscribe","id":"q","topic":"prices/*","latest":true}`)
	below.frame()
	below.send(ping)
	first("a ping of a pattern", below.changes(5))
	below.frame()

	stream := s.stream(t, "/topics/prices/nyse?latest=true&after=:0", "")
	changes, id := stream.next()
	first("a stream", changes)
	plain := s.connect(t)
	plain.send(`{"action":"subscribe","id":"q","topic":"prices/nyse","after":":0"}`)
	plain.frame()
	if all := plain.changes(40); all[39].Seq != 40 || all[0].Op != events.Added {
		t.Errorf("without latest come %s", brief(all))
	}

	s.put(t, "prices/nyse", "i0", "41")
	const next = `41 modified i0 {"price":41}`
	for how, c := range map[string]*client{"a board": board, "a pattern": below, "another": plain} {
		if got := brief(c.changes(1)); got != next {
			t.Errorf("then %s gets %s", how, got)
		}
	}
	if changes, at := stream.next(); brief(changes) != next || !strings.HasPrefix(id, answer.Epoch+":40") || !strings.HasPrefix(at, answer.Epoch+":41") {
		t.Errorf("then the stream tells %s at %s, after %s", brief(changes), at, id)
	}
	board.send(`{"action":"subscribe","id":"q","topic":"prices/nyse","latest":true,"delta":true}`)
	if refused, ok := board.frame().(*events.Error); !ok || refused.Code != events.CodeBadRequest {
		t.Errorf("with delta the answer is %+v", refused)
	}
}
