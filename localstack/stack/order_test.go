package stack_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/coder/websocket"
	"github.com/watchroute/watchroute/events"
	goclient "github.com/watchroute/watchroute/shared/client"
)

// burst sends frames at once, and gives the answers by their ids when all have come, with the
// order in which they came. Changes that come between are passed over.
func (c *client) burst(frames ...string) (answers map[string]events.Frame, came []string) {
	c.t.Helper()
	for _, frame := range frames {
		c.send(frame)
	}
	answers = map[string]events.Frame{}
	for len(answers) < len(frames) {
		frame := c.frame()
		id := ""
		switch f := frame.(type) {
		case *events.Changes:
			continue
		case *events.Subscribed:
			id = f.ID
		case *events.Unsubscribed:
			id = f.ID
		case *events.Published:
			id = f.ID
		case *events.Error:
			id = f.ID
			if f.Code != events.CodeOvertaken {
				c.t.Errorf("request %s is answered %v", id, f)
			}
		}
		answers[id] = frame
		came = append(came, id)
	}
	return answers, came
}

// hears puts an item, and gives how the client is told of it. A client that is not to hear of it
// has until another one does, and a ping.
func (s *running) hears(t *testing.T, c, other *client, topic, id string, wanted bool) (heard *events.Change) {
	t.Helper()
	s.put(t, topic, id, "1")
	for told := false; !told; {
		for _, change := range other.changes(1) {
			told = told || change.ID == id
		}
	}
	if !wanted {
		c.send(`{"action":"ping"}`)
	}
	for {
		switch f := c.frame().(type) {
		case *events.Changes:
			for _, change := range f.Changes {
				if change.ID == id {
					return &change
				}
			}
		case *events.Pong:
			return nil
		}
	}
}

// expiresAt gives when an item expires, by the table.
func (s *running) expiresAt(t *testing.T, topic, id string) string {
	t.Helper()
	out, err := s.db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("Events"), Key: map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: topic}, "id": &types.AttributeValueMemberS{Value: id},
	}})
	if err != nil {
		t.Fatal(err)
	}
	at, _ := out.Item["expiresAt"].(*types.AttributeValueMemberN)
	if at == nil {
		return ""
	}
	return at.Value
}

// TestMessagesOfAConnectionOvertakeEachOther: several functions answer the messages of one
// connection at the same time. What the last one has asked for counts, however they come.
func TestMessagesOfAConnectionOvertakeEachOther(t *testing.T) {
	const rounds = 40
	s := start(t, nil)
	c, other := s.connect(t), s.connect(t)
	other.subscribe("stocks/AAPL")
	order := 0
	request := func(format string, args ...any) string {
		order++
		return fmt.Sprintf(`{"id":"%d","order":%d,"topic":"stocks/AAPL",%s}`, order, order, fmt.Sprintf(format, args...))
	}
	subscribe := func(field string) string { return request(`"action":"subscribe","fields":["%s"]`, field) }
	unsubscribe := func() string { return request(`"action":"unsubscribe"`) }
	turned := 0 // bursts whose answers came in another order
	for n := range rounds {
		var frames []string
		switch n % 4 {
		case 0:
			frames = []string{subscribe("price"), unsubscribe(), subscribe("none"), unsubscribe(), subscribe("price")}
		case 1:
			frames = []string{unsubscribe(), subscribe("none"), unsubscribe(), subscribe("price"), unsubscribe()}
		case 2:
			frames = []string{subscribe("none"), subscribe("none"), subscribe("none"), subscribe("price")}
		case 3:
			frames = []string{unsubscribe(), subscribe("price")}
		}
		answers, came := c.burst(frames...)
		for i := range came {
			if i > 0 && len(came[i]) == len(came[i-1]) && came[i] < came[i-1] {
				turned++
				break
			}
		}
		if refused, ok := answers[fmt.Sprint(order)].(*events.Error); ok {
			t.Errorf("round %d: the last request is answered %v", n, refused)
		}
		want := n%4 != 1
		heard := s.hears(t, c, other, "stocks/AAPL", fmt.Sprint("item", n), want)
		if (heard != nil) != want {
			t.Errorf("round %d: heard %v, want %v", n, heard != nil, want)
		}
		if heard != nil && string(heard.Data) != `{"price":1}` {
			t.Errorf("round %d: seen is %s", n, heard.Data)
		}
	}
	t.Logf("in %d of %d bursts the answers came in another order", turned, rounds)
	if turned == 0 {
		t.Error("no message has overtaken another")
	}
	if err := c.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no subscription left of it", func() bool { return s.rows(t, "Subscriptions", "topic", "stocks/AAPL#0") == 1 })
}

// TestPublishesOfAConnectionOvertakeEachOther: the last one is in the table, and its mark is that
// of the change that it made.
func TestPublishesOfAConnectionOvertakeEachOther(t *testing.T) {
	const rounds = 30
	s := start(t, nil)
	watcher, c := s.connect(t), s.connect(t)
	watcher.subscribe("stocks/AAPL")
	order, overtaken := 0, 0
	for n := range rounds {
		var frames []string
		for range 3 {
			order++
			frames = append(frames, fmt.Sprintf(`{"id":"%d","order":%d,"action":"publish","topic":"stocks/AAPL","item":{"id":"i%d","data":{"n":%d}}}`, order, order, n, order))
		}
		answers, _ := c.burst(frames...)
		marks := map[string]string{}
		for id, answer := range answers {
			switch f := answer.(type) {
			case *events.Published:
				marks[f.Mark] = id
			default:
				overtaken++
			}
		}
		last, ok := answers[fmt.Sprint(order)].(*events.Published)
		if !ok || len(last.Mark) != 16 {
			t.Fatalf("round %d: the last publish is answered %+v", n, answers[fmt.Sprint(order)])
		}
		for latest := ""; latest != last.Mark; {
			for _, change := range watcher.changes(1) {
				if id := marks[change.Mark]; string(change.Data) != fmt.Sprintf(`{"n":%s}`, id) {
					t.Errorf("round %d: mark %q of request %q is of %s", n, change.Mark, id, change.Data)
				}
				latest = change.Mark
			}
		}
	}
	t.Logf("%d of %d publishes were overtaken", overtaken, 3*rounds)
	watcher.ping() // so nothing follows
}

// TestARepeatedPublishIsOneChange, over the connection and over another one. The item keeps the
// time at which it expires, and gets one.
func TestARepeatedPublishIsOneChange(t *testing.T) {
	s := start(t, nil)
	watcher, one, two := s.connect(t), s.connect(t), s.connect(t)
	watcher.subscribe("stocks/AAPL")
	const publish = `{"action":"publish","key":"a key made at random","topic":"stocks/AAPL","item":{"id":"i","data":{"n":1}}}`
	var marks []string
	for _, c := range []*client{one, one, two} {
		c.send(publish)
		marks = append(marks, c.frame().(*events.Published).Mark)
	}
	at := time.Now().Add(time.Hour).Unix()
	one.send(fmt.Sprintf(`{"action":"publish","topic":"stocks/AAPL","expiresAt":%d,"item":{"id":"i","data":{"n":2}}}`, at))
	marks = append(marks, one.frame().(*events.Published).Mark)
	two.send(`{"action":"publish","topic":"stocks/AAPL","item":{"id":"i","data":{"n":3}}}`)
	marks = append(marks, two.frame().(*events.Published).Mark)
	var seen []string
	for _, change := range watcher.changes(3) {
		seen = append(seen, change.Mark)
	}
	if want := fmt.Sprint([]string{marks[0], marks[3], marks[4]}); fmt.Sprint(seen) != want || marks[0] != marks[1] || marks[0] != marks[2] {
		t.Errorf("marks of changes are %q, of publications %q", seen, marks)
	}
	if n := s.rows(t, "Events", "topic", "stocks/AAPL"); n != 1 {
		t.Errorf("%d items", n)
	}
	if got := s.expiresAt(t, "stocks/AAPL", "i"); got != fmt.Sprint(at) {
		t.Errorf("the item expires at %q, want %d", got, at)
	}
}

// TestLeavingAndWatchingAgainIsToldAtOnce, by the Go client and the service together.
func TestLeavingAndWatchingAgainIsToldAtOnce(t *testing.T) {
	s := start(t, nil)
	c := s.dial(t)
	for n := range 20 {
		told := make(chan string, 100)
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan struct{})
		begun := make(chan struct{})
		go func() {
			defer close(left)
			for event, err := range c.Watch(ctx, "stocks/AAPL", goclient.WatchOptions{}) {
				switch {
				case err != nil:
					return
				case event.Change != nil:
					told <- event.Change.ID
				default:
					select {
					case <-begun:
					default:
						close(begun)
					}
				}
			}
		}()
		<-begun
		id := fmt.Sprint("item", n)
		s.put(t, "stocks/AAPL", id, "1")
		select {
		case got := <-told:
			if got != id {
				t.Errorf("round %d: told of %s", n, got)
			}
		case <-time.After(30 * time.Second): // a ping would find it after two minutes
			t.Errorf("round %d: not told", n)
		}
		cancel()
		<-left
	}
}
