package stack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/stack"
)

// brief writes what matters of changes: seq, op, id, data.
func brief(changes []events.Change) string {
	var parts []string
	for _, c := range changes {
		parts = append(parts, fmt.Sprintf("%d %s %s %s", c.Seq, c.Op, c.ID, c.Data))
	}
	return strings.Join(parts, "; ")
}

func TestSubscribeThenChange(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	if got := c.subscribe("stocks/AAPL"); got.ID != "q" || got.Seq != 0 || got.Epoch != "" {
		t.Errorf("subscribed to a new topic: %+v", got)
	}
	s.put(t, "stocks/AAPL", "quote", "150.75")
	s.put(t, "stocks/AAPL", "quote", "151")
	s.put(t, "stocks/GOOG", "quote", "99") // not watched
	s.delete(t, "stocks/AAPL", "quote")
	got := c.changes(3)
	const want = `1 added quote {"price":150.75}; 2 modified quote {"price":151}; 3 removed quote {"price":151}`
	if brief(got) != want {
		t.Errorf("changes:\n got %s\nwant %s", brief(got), want)
	}
	if age := time.Since(time.Time(got[0].Time)); age < 0 || age > time.Minute || got[0].Epoch == "" {
		t.Errorf("change is %s old, epoch %q", age, got[0].Epoch)
	}
	if again := s.connect(t).subscribe("stocks/AAPL"); again.Cursor != got[2].Cursor() {
		t.Errorf("a later subscriber is told %v, want %v", again.Cursor, got[2].Cursor())
	}
}

func TestSnapshotAndWhatFollows(t *testing.T) {
	s := start(t, nil)
	first := s.connect(t)
	first.subscribe("a")
	for n := range 300 {
		s.putItem(t, map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: "a"}, "id": &types.AttributeValueMemberS{Value: fmt.Sprintf("%03d", n)},
			"text": &types.AttributeValueMemberS{Value: strings.Repeat("x", 500)},
		})
	}
	seen := first.changes(300)
	c := s.connect(t)
	c.send(`{"action":"subscribe","id":"q1","topic":"a","snapshot":true}`)
	subscribed := c.frame().(*events.Subscribed)
	var ids []string
	for more := true; more; {
		page := c.frame().(*events.Snapshot)
		if page.Cursor != seen[299].Cursor() || page.ID != "q1" || subscribed.Cursor != page.Cursor {
			t.Errorf("snapshot at %v, subscribed at %v, want %v", page.Cursor, subscribed.Cursor, seen[299].Cursor())
		}
		for _, item := range page.Items {
			ids = append(ids, item.ID)
		}
		more = page.More
	}
	if len(ids) != 300 || ids[0] != "000" || ids[299] != "299" {
		t.Errorf("snapshot has %d items", len(ids))
	}
	s.delete(t, "a", "007")
	if got := c.changes(1)[0]; got.Seq != 301 || got.Op != events.Removed {
		t.Errorf("after the snapshot: %+v", got)
	}
}

func TestPublishGoesThroughTheTable(t *testing.T) {
	s := start(t, nil)
	watcher, publisher := s.connect(t), s.connect(t)
	watcher.subscribe("a/b")
	publisher.send(`{"action":"publish","id":"p1","topic":"a/b","item":{"id":"i","data":{"n":12345678901234567890.5,"nested":{"list":[1,null,true]}}}}`)
	if got := publisher.frame().(*events.Published); got.ID != "p1" || got.Item.ID != "i" {
		t.Errorf("published: %+v", got)
	}
	publisher.send(`{"action":"publish","id":"p2","topic":"a/b","op":"remove","item":{"id":"i"}}`)
	publisher.frame()
	publisher.send(`{"action":"publish","id":"p3","topic":"a/b","item":{"data":{}}}`)
	made := publisher.frame().(*events.Published).Item.ID
	const data = `{"n":12345678901234567890.5,"nested":{"list":[1,null,true]}}`
	want := `1 added i ` + data + `; 2 removed i ` + data + `; 3 added ` + made + ` {}`
	if got := brief(watcher.changes(3)); got != want || len(made) != 26 {
		t.Errorf("changes:\n got %s\nwant %s", got, want)
	}
}

func TestUnsubscribeEndsIt(t *testing.T) {
	s := start(t, nil)
	c, other := s.connect(t), s.connect(t)
	c.subscribe("a")
	other.subscribe("a")
	c.send(`{"action":"unsubscribe","id":"u1","topic":"a"}`)
	if got := c.frame().(*events.Unsubscribed); got.ID != "u1" || got.Topic != "a" {
		t.Errorf("unsubscribed: %+v", got)
	}
	s.put(t, "a", "i", "1")
	other.changes(1)
	c.send(`{"action":"ping","id":"p"}`)
	if _, ok := c.frame().(*events.Pong); !ok {
		t.Error("a change came after unsubscribe")
	}
}

func TestRefusalsLeaveTheSocketOpen(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	for frame, want := range map[string]events.Code{
		`hello`:                                  events.CodeBadJSON,
		`[]`:                                     events.CodeBadJSON,
		`{}`:                                     events.CodeUnknownAction,
		`{"action":"explode"}`:                   events.CodeUnknownAction,
		`{"action":"subscribe","topic":7}`:       events.CodeBadRequest,
		`{"action":"subscribe"}`:                 events.CodeBadTopic,
		`{"action":"subscribe","topic":"a//b"}`:  events.CodeBadTopic,
		`{"action":"unsubscribe","topic":"a b"}`: events.CodeBadTopic,
		`{"action":"publish","topic":"a"}`:       events.CodeBadRequest,
		`{"action":"publish","topic":"a","op":"twist","item":{"id":"i"}}`:                   events.CodeBadRequest,
		`{"action":"publish","topic":"a","item":{"id":"i","data":[]}}`:                      events.CodeBadItem,
		`{"action":"publish","topic":"a","item":{"id":"\u0001"}}`:                           events.CodeBadItem,
		`{"action":"publish","topic":"a","op":"remove","item":{}}`:                          events.CodeBadItem,
		`{"action":"publish","topic":"a","item":{"id":"i","data":{"topic":"b"}}}`:           events.CodeBadItem,
		`{"action":"publish","topic":"a","item":{"id":"i","data":{"n":1e999}}}`:             events.CodeBadItem,
		`{"action":"publish","topic":"a","item":{"id":"i","data":` + nested(40) + `}}`:      events.CodeBadItem,
		`{"action":"subscribe","id":"` + strings.Repeat("i", 200) + `","topic":"a"}`:        events.CodeBadRequest,
		`{"action":"subscribe","topic":"` + strings.Repeat("t", 300) + `"}`:                 events.CodeBadTopic,
		`{"action":"publish","topic":"a","item":{"id":"` + strings.Repeat("i", 300) + `"}}`: events.CodeBadItem,
		`{"action":"publish","topic":"a","item":{"id":"i","data":{"expiresAt":1}}}`:         events.CodeBadItem,
	} {
		c.send(frame)
		got, ok := c.frame().(*events.Error)
		if !ok || got.Code != want || got.Message == "" {
			t.Errorf("%.80s is answered %+v, want code %s", frame, got, want)
		}
	}
	c.send(`{"action":"ping","id":"still here"}`)
	if got, ok := c.frame().(*events.Pong); !ok || got.ID != "still here" {
		t.Errorf("ping is answered %+v", got)
	}
}

// nested makes an object of that depth.
func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
}

func TestHundredSubscriptions(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	for n := range events.MaxSubscriptions {
		c.subscribe(fmt.Sprintf("t/%d", n))
	}
	c.send(`{"action":"subscribe","id":"one more","topic":"t/100"}`)
	if got, ok := c.frame().(*events.Error); !ok || got.Code != events.CodeTooManySubscriptions || got.ID != "one more" {
		t.Errorf("the 101st is answered %+v", got)
	}
	c.subscribe("t/5") // again, which takes no place
	c.send(`{"action":"unsubscribe","topic":"t/5"}`)
	c.frame()
	c.subscribe("t/100")
}

func TestEveryAttributeTypeArrives(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	c.subscribe("types")
	const digits = "1234567890.1234567890123456789012345678"
	s.putItem(t, map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: "types"}, "id": &types.AttributeValueMemberS{Value: "all"},
		"expiresAt": &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().Add(time.Hour).Unix())},
		"s":         &types.AttributeValueMemberS{Value: "a<b & \"c\""},
		"n":         &types.AttributeValueMemberN{Value: digits},
		"b":         &types.AttributeValueMemberB{Value: []byte{1, 2, 255}},
		"bool":      &types.AttributeValueMemberBOOL{Value: true},
		"null":      &types.AttributeValueMemberNULL{Value: true},
		"ss":        &types.AttributeValueMemberSS{Value: []string{"z", "a"}},
		"ns":        &types.AttributeValueMemberNS{Value: []string{"3"}},
		"bs":        &types.AttributeValueMemberBS{Value: [][]byte{{2}, {1}}},
		"l":         &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberN{Value: "1"}, &types.AttributeValueMemberS{Value: "x"}}},
		"m":         &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"k": &types.AttributeValueMemberL{}}},
	})
	const want = `{"b":"AQL/","bool":true,"bs":["AQ==","Ag=="],"l":[1,"x"],"m":{"k":[]},"n":` + digits +
		`,"ns":[3],"null":null,"s":"a<b & \"c\"","ss":["a","z"]}`
	if got := string(c.changes(1)[0].Data); got != want {
		t.Errorf("data:\n got %s\nwant %s", got, want)
	}
}

func TestLargeChangeIsMarked(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	c.subscribe("big")
	for _, size := range []int{120_000, 130_000} {
		s.putItem(t, map[string]types.AttributeValue{
			"topic": &types.AttributeValueMemberS{Value: "big"}, "id": &types.AttributeValueMemberS{Value: fmt.Sprint(size)},
			"text": &types.AttributeValueMemberS{Value: strings.Repeat("x", size)},
		})
	}
	got := c.changes(2)
	if got[0].Large || len(got[0].Data) < 120_000 || !got[1].Large || got[1].Data != nil {
		t.Errorf("large %v with %d bytes, large %v with %d bytes", got[0].Large, len(got[0].Data), got[1].Large, len(got[1].Data))
	}
}

func TestTimeToLiveIsMarked(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	c.subscribe("brief")
	s.putItem(t, map[string]types.AttributeValue{
		"topic": &types.AttributeValueMemberS{Value: "brief"}, "id": &types.AttributeValueMemberS{Value: "i"},
		"expiresAt": &types.AttributeValueMemberN{Value: fmt.Sprint(time.Now().Unix() - 1)},
	})
	if got := c.changes(2); got[1].Op != events.Removed || !got[1].Expired || got[0].Expired {
		t.Errorf("changes %+v, want the second removed as expired", got)
	}
}

// TestPoisonIsRefusedAndItsNeighboursGoThrough writes items whose topic or id break
// the rules in between good ones.
func TestPoisonIsRefusedAndItsNeighboursGoThrough(t *testing.T) {
	s := start(t, nil)
	c := s.connect(t)
	c.subscribe("good")
	s.put(t, "good", "1", "1")
	s.put(t, "bad//topic", "i", "1")
	s.put(t, "good", "bad\nid", "1")
	s.put(t, "good", "2", "2")
	if got := brief(c.changes(2)); got != `1 added 1 {"price":1}; 2 added 2 {"price":2}` {
		t.Errorf("changes: %s", got)
	}
	reasons := map[string]string{}
	eventually(t, "two messages in the failure queue", func() bool {
		for _, m := range s.receive(t) {
			reasons[m.Reason] = m.Message
			if m.SequenceNumber == "" || m.Keys["id"] == nil {
				t.Errorf("refusal %+v does not name the record", m)
			}
		}
		return len(reasons) == 2
	})
	if reasons["bad_topic"] != "topic has an empty segment" || reasons["bad_item"] != "item id has a control character" {
		t.Errorf("refusals: %v", reasons)
	}
}

// TestPoisonWithWhatSQSRefusesIsRefused: a topic with a character that no message of SQS may
// have reaches the failure queue all the same, and does not come again and again in front of
// its neighbours.
func TestPoisonWithWhatSQSRefusesIsRefused(t *testing.T) {
	s := start(t, func(o *stack.Options) { o.Shards = 1 })
	c := s.connect(t)
	c.subscribe("good")
	s.put(t, "bad\uffff", "\x01\ufffe", "1")
	s.put(t, "good", "1", "1")
	c.changes(1)
	var got []refused
	eventually(t, "a message in the failure queue", func() bool {
		got = s.receive(t)
		return len(got) > 0
	})
	topic, id := got[0].Keys["topic"].(map[string]any)["S"], got[0].Keys["id"].(map[string]any)["S"]
	if got[0].Reason != "bad_topic" || topic != "bad\uffff" || id != "\x01\ufffe" {
		t.Errorf("refusal %+v", got[0])
	}
	if n := s.Usage().SQS.Queues["FailureQueue"].Sent; n != 1 {
		t.Errorf("%d messages", n)
	}
}

// refused is a message of the failure queue.
type refused struct {
	Reason, Message, SequenceNumber, EventName, EventSourceARN string
	Condition, FunctionARN                                     string // of what was given up
	Keys, NewImage, OldImage                                   map[string]any
}

// receive takes what is in the failure queue.
func (s *running) receive(t *testing.T) []refused {
	t.Helper()
	url := aws.String(s.Outputs["FailureQueueUrl"])
	out, err := s.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	var all []refused
	for _, m := range out.Messages {
		var r refused
		if err := json.Unmarshal([]byte(*m.Body), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
		if _, err := s.sqs.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
