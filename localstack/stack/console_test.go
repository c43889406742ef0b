package stack_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/localstack/fault"
	"github.com/watchroute/watchroute/localstack/stack"
)

// change sends what a page of the stack sends to change something, and gives its answer.
func (s *running) change(t *testing.T, path, body string) (status int, answer map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Origin", s.URL())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// TestConsoleIsServedBesideTheAPIs: the page is at /, where the AWS APIs take POSTs.
func TestConsoleIsServedBesideTheAPIs(t *testing.T) {
	s := start(t, nil)
	for path, want := range map[string]string{"/": "<title>Watchroute", "/browser/watchroute.js": "WatchClient"} {
		response, err := http.Get(s.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s is answered %s, %v, without %s", path, response.Status, err, want)
		}
	}
	s.put(t, "stocks/AAPL", "quote", "1") // by a POST of the SDK to /
	status, answer := s.change(t, "/_localstack/token", `{"sub":"ada","claim":{"v":1,"allow":[{"topics":["stocks/*"],"actions":["subscribe"]}]}}`)
	if status != http.StatusOK {
		t.Fatalf("the token is answered %d, %v", status, answer)
	}
	c := s.connectWith(t, answer["token"].(string))
	c.send(`{"action":"subscribe","id":"q","topic":"stocks/AAPL"}`)
	if got := string(c.read()); !strings.Contains(got, `"subscribed"`) {
		t.Errorf("what the token allows is answered %s", got)
	}
	c.send(`{"action":"subscribe","id":"q","topic":"rooms/1"}`)
	if got := string(c.read()); !strings.Contains(got, `"forbidden"`) {
		t.Errorf("what the token does not allow is answered %s", got)
	}
}

// TestConsoleShowsAndChangesTheRealThing: a topic and who watches it, a socket that is cut, a fault that
// is switched on and off, and costs that start anew. Looking on costs nothing.
func TestConsoleShowsAndChangesTheRealThing(t *testing.T) {
	s := start(t, func(o *stack.Options) { o.Faults = fault.New(nil, 7) })
	c := s.connect(t)
	c.subscribe("stocks/AAPL")
	s.put(t, "stocks/AAPL", "quote", "1")
	c.changes(1)
	s.put(t, "stocks/AAPL", "quote", "2")
	c.changes(1)
	var topics struct {
		Topics []struct {
			Topic                string
			Seq, Items, Watchers int
		}
	}
	var who struct {
		Connections []struct {
			ID, Subject   string
			Since         int64
			Open          bool
			Subscriptions []struct{ Topic string }
		}
	}
	var then struct {
		Items []struct{ Data map[string]any }
	}
	before := s.Usage().DynamoDB
	s.get(t, "/_localstack/topics", &topics)
	s.get(t, "/_localstack/connections", &who)
	s.get(t, "/_localstack/then?topic=stocks/AAPL&seq=1", &then)
	if got := topics.Topics; len(got) != 1 || got[0].Topic != "stocks/AAPL" || got[0].Seq != 2 || got[0].Items != 1 || got[0].Watchers != 1 {
		t.Errorf("the topics are %+v", got)
	}
	if got := who.Connections; len(got) != 1 || !got[0].Open || got[0].Since == 0 || got[0].Subject == "" || len(got[0].Subscriptions) != 1 || got[0].Subscriptions[0].Topic != "stocks/AAPL" {
		t.Fatalf("connected are %+v", got)
	}
	if got := then.Items; len(got) != 1 || got[0].Data["price"] != 1.0 {
		t.Errorf("after the first change the items were %+v", got)
	}
	if !reflect.DeepEqual(s.Usage().DynamoDB, before) {
		t.Error("looking on has cost something")
	}
	if status, answer := s.change(t, "/_localstack/faults", `{"rates":{"post-429":1}}`); status != http.StatusOK {
		t.Fatalf("the fault is answered %d, %v", status, answer)
	}
	s.put(t, "stocks/AAPL", "quote", "3")
	eventually(t, "a post is refused", func() bool { return s.Usage().Faults[fault.Post429] > 0 })
	s.change(t, "/_localstack/faults", `{"rates":{"post-429":0}}`)
	s.put(t, "stocks/AAPL", "quote", "4")
	c.changes(1)
	if status, answer := s.change(t, "/_localstack/cut", `{"connection":"`+who.Connections[0].ID+`"}`); status != http.StatusOK {
		t.Fatalf("the cut is answered %d, %v", status, answer)
	}
	eventually(t, "the socket is cut", func() bool { return s.Usage().APIGateway.Connections.Closed[1006] == 1 })
	s.change(t, "/_localstack/costs", `{"reset":true}`)
	var bill struct{ Since int64 }
	s.get(t, "/_localstack/costs", &bill)
	if time.Since(time.UnixMilli(bill.Since)) > time.Minute {
		t.Errorf("costs are counted since %d", bill.Since)
	}
}
