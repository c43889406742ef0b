package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/localstack/aws/dynamodb/dynamotest"
	"github.com/watchroute/watchroute/shared/watch"
)

// reader reads a stream line by line, as it comes.
type reader struct {
	*testing.T
	response *http.Response
	lines    *bufio.Scanner
	end      func() // leaves, and waits until nobody serves the stream any more
}

// open asks for a stream over a real connection.
func (s *service) open(target string, header ...string) *reader {
	s.Helper()
	server := httptest.NewServer(s)
	s.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(s.Context())
	s.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+target, nil)
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = response.Body.Close() })
	end := func() { cancel(); server.Close() }
	return &reader{s.T, response, bufio.NewScanner(response.Body), end}
}

// sent is an event.
type sent struct{ name, id, data string }

// next reads up to the end of the next event that is not empty; ok is false at the stream's end.
func (r *reader) next() (e sent, ok bool) {
	for r.lines.Scan() {
		field, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e != (sent{}) {
				return e, true
			}
		}
	}
	return e, false
}

// expect reads events until one has the name, which must contain the text, and gives its id.
func (r *reader) expect(name, text string) (id string) {
	r.Helper()
	for {
		e, ok := r.next()
		if !ok {
			r.Fatalf("the stream ends before %s with %s", name, text)
		}
		if e.name == "subscribed" && name != e.name {
			continue
		}
		if e.name != name || !strings.Contains(e.data, text) {
			r.Fatalf("event is %+v, want %s with %s", e, name, text)
		}
		return e.id
	}
}

// TestStreamIsNotKeptOnItsWay: neither by a cache, nor by a proxy until there is more of it.
func TestStreamIsNotKeptOnItsWay(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	s.feed.HoldLimits.Subject = 1
	held := s.open("/topics/a")
	defer held.end()
	for what, header := range map[string]http.Header{
		"a stream": held.response.Header, "one too many": s.ask(http.MethodGet, "/topics/a", "Accept", streamType).header, "a HEAD": s.ask(http.MethodHead, "/topics/a", "Accept", streamType).header,
	} {
		for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no", "Content-Encoding": "", "Content-Length": ""} {
			if got := header.Get(name); got != want {
				t.Errorf("%s has %s %q, want %q", what, name, got, want)
			}
		}
	}
}

func TestStreamTellsWhatComes(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{"n":1}`)
	r := s.open("/topics/a")
	if r.response.StatusCode != 200 || r.response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("answer is %+v", r.response)
	}
	e, _ := r.next()
	if e.name != "subscribed" || !strings.HasSuffix(e.id, ":1") || !strings.Contains(e.data, `"seq":1`) {
		t.Errorf("the stream begins with %+v", e)
	}
	s.put("a", "i", `{"n":2}`)
	if id := r.expect("changes", `"seq":2`); id != strings.TrimSuffix(e.id, "1")+"2" {
		t.Errorf("id is %s", id)
	}
	s.put("a", "i", `{"n":3}`)
	r.expect("changes", `"n":3`)
}

// TestStreamGoesOnFromTheLastEvent, which the header names rather than the URL.
func TestStreamGoesOnFromTheLastEvent(t *testing.T) {
	s := newService(t)
	for n := range 4 {
		s.put("a", "i", fmt.Sprintf(`{"n":%d}`, n))
	}
	items, _ := get[events.TopicItems](s, 200, "/topics/a")
	epoch, _, _ := strings.Cut(items.Cursor, ":")
	for target, header := range map[string]string{
		"/topics/a?last_event_id=" + epoch + ":2": "",
		"/topics/a?after=" + epoch + ":2":         "",
		"/topics/a":                               epoch + ":2",
		"/topics/a?after=" + epoch + ":0":         epoch + ":2",
		"/topics/a?last_event_id=" + epoch + ":0": epoch + ":2", // an EventSource that comes again by itself has both
	} {
		r := s.open(target, "Last-Event-ID", header)
		if id := r.expect("changes", `"changes":[{"topic":"a","epoch":"`+epoch+`","seq":3,`); id != epoch+":4" { // what it has does not come again
			t.Errorf("%s with %q: id is %s", target, header, id)
		}
	}
}

// TestStreamNamesWhatIsSeen: a client that continues with a GET sends the view along with its
// cursor. The answer tells it if the view has changed.
func TestStreamNamesWhatIsSeen(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{"n":1,"m":2}`)
	e, _ := s.open("/topics/a?fields=n").next()
	var begun events.Subscribed
	if err := json.Unmarshal([]byte(e.data), &begun); err != nil || begun.View == "" {
		t.Fatalf("the stream begins with %+v, %v", e, err)
	}
	after := "after=" + begun.Cursor.String() + "&view=" + begun.View
	get[events.TopicChanges](s, 200, "/topics/a?fields=n&"+after)
	get[events.Problem](s, 410, "/topics/a?fields=m&"+after)
	if e, _ := s.open("/topics/a").next(); strings.Contains(e.data, "view") {
		t.Errorf("a stream of all of a topic begins with %+v", e)
	}
}

// TestEveryIdComesWithData: some clients forget an id without data, and then lose changes while
// they are away.
func TestEveryIdComesWithData(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	for _, target := range []string{"/topics/a", "/topics/a?topic=b", "/topics/a?snapshot=true", "/topics/a/**", "/topics/a/**?snapshot=true", "/topics/a?after=" + cursorOf(s, "a"), "/topics/a?last_event_id=old:7"} {
		r := s.open(target)
		for {
			e, ok := r.next()
			if !ok || e.id != "" && (e.data == "" || e.name == "") {
				t.Fatalf("%s: event is %+v", target, e)
			}
			if e.id != "" {
				break
			}
		}
		r.end()
	}
	r := s.open("/topics/a?topic=b")
	r.expect("subscribed", `"cursors":{"a":"`+cursorOf(s, "a")+`","b":":0"}`)
}

func TestStreamOfSeveralTopics(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	r := s.open("/topics/a?topic=b&topic=c&topic=a")
	s.put("b", "i", `{"from":"b"}`)
	id := r.expect("changes", `"from":"b"`)
	r.end()
	s.put("c", "i", `{"from":"c"}`)
	s.put("a", "i", `{"from":"a"}`)
	r = s.open("/topics/a?topic=b&topic=c", "Last-Event-ID", id)
	r.expect("changes", `"from":"a"`)
	last := r.expect("changes", `"from":"c"`)
	if strings.Count(last, ",") != 2 || !strings.Contains(last, "~") {
		t.Errorf("id is %s", last)
	}
	r.end()
	s.expectReset("/topics/a?topic=c&topic=b", last, "another order")
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a","c"],"actions":["subscribe","read"]},{"topics":["b"],"actions":["subscribe","read"],"mask":{"omit":["x"]}}]}`)
	s.expectReset("/topics/a?topic=b&topic=c", last, "another view")
}

// TestStreamGoesOnFromACursorOfEachTopic: a client that combines topics anew has these cursors.
func TestStreamGoesOnFromACursorOfEachTopic(t *testing.T) {
	s := newService(t)
	for n := range 3 {
		s.put("a", "i", fmt.Sprintf(`{"a":%d}`, n))
		s.put("b", "i", fmt.Sprintf(`{"b":%d}`, n))
	}
	epoch, _, _ := strings.Cut(cursorOf(s, "a"), ":")
	other, _, _ := strings.Cut(cursorOf(s, "b"), ":")
	r := s.open("/topics/b?topic=a&after=" + other + ":1&after=" + epoch + ":2&view=whole&view=")
	if id := r.expect("changes", `{"b":1}`); !strings.HasPrefix(id, other+":3,"+epoch+":2~") {
		t.Errorf("id is %s", id)
	}
	r.expect("changes", `{"a":2}`)
	r = s.open("/topics/b?topic=a&after=" + other + ":3&after=" + epoch + ":3&view=&view=1a2b3c4d")
	r.expect("reset", `"topic":"a","reason":"view"`)
	r = s.open("/topics/a?after=now")
	if id := r.expect("subscribed", `"seq":3`); id != epoch+":3" {
		t.Errorf("from now: %s", id)
	}
}

// expectReset holds that a stream starts over: what was seen does not add up with what follows.
func (s *service) expectReset(target, id, why string) {
	s.Helper()
	r := s.open(target, "Last-Event-ID", id)
	if r.response.StatusCode != 200 {
		s.Fatalf("%s: status %d", why, r.response.StatusCode)
	}
	for e, ok := r.next(); ; e, ok = r.next() {
		if e.name == "snapshot" && strings.Contains(e.data, `"topic":"a"`) {
			break
		}
		if !ok || e.name != "reset" || !strings.Contains(e.data, `"reason":"view"`) {
			s.Fatalf("%s: %+v", why, e)
		}
	}
	r.end()
}

// TestStreamBeginsWithTheItems if they are asked for, and with them where it cannot go on.
func TestStreamBeginsWithTheItems(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{"n":1}`)
	s.put("a", "j", `{"n":2}`)
	r := s.open("/topics/a?snapshot=true")
	id := r.expect("snapshot", `"items":[{"id":"i","data":{"n":1}},{"id":"j","data":{"n":2}}]`)
	s.put("a", "k", `{"n":3}`)
	if next := r.expect("changes", `"seq":3`); next != strings.TrimSuffix(id, "2")+"3" {
		t.Errorf("ids are %s and %s", id, next)
	}
	r.end()
	r = s.open("/topics/a?snapshot=true", "Last-Event-ID", "other:7")
	r.expect("reset", `"reason":"epoch"`)
	r.expect("snapshot", `"k"`)
}

func cursorOf(s *service, topic string) string {
	items, _ := get[events.TopicItems](s, 200, "/topics/"+topic)
	return items.Cursor
}

// TestStreamsThatCannotBeAreRefused with a status that ends an EventSource.
func TestStreamsThatCannotBeAreRefused(t *testing.T) {
	s := newService(t)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a"],"actions":["subscribe","read"]}]}`)
	for target, want := range map[string]int{
		"/topics/b":                                  403,
		"/topics/a?topic=b":                          403,
		"/topics/a?last_event_id=x":                  400,
		"/topics/a?last_event_id=e:1,e:1~00000000":   400,
		"/topics/a?after=x":                          400,
		"/topics/a?topic=a1&after=:0":                400,
		"/topics/a?topic=a&after=:0&after=:0":        400,
		"/topics/a?after=now&after=:0":               400,
		"/topics/a?after=:0&view=a&view=b":           400,
		"/topics/a?topic=" + strings.Repeat("x/", 9): 400,
		"/topics/a?snapshot=yes":                     400,
		"/topics/a?snapshot=true&limit=5":            400,
		"/topics/a?next=:0~AAAA":                     400,
		"/topics/a?topic=" + manyTopics(50):          400,
	} {
		if got := s.ask(http.MethodGet, target, "Accept", "text/event-stream"); got.status != want || got.header.Get("Content-Type") != events.ProblemType {
			t.Errorf("%.60s is answered %+v, want %d", target, got, want)
		}
	}
}

func manyTopics(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("a", i)
	}
	return strings.Join(names, "&topic=")
}

// TestRevokedStreamEnds before it tells anything more.
func TestRevokedStreamEnds(t *testing.T) {
	s := newService(t)
	s.viewer.TokenID, s.viewer.Issued = "t1", time.Now().Add(-time.Minute)
	s.put("a", "i", `{}`)
	r := s.open("/topics/a")
	r.next()
	_, err := s.db.Client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Revocations, Item: map[string]types.AttributeValue{
		"subject": &types.AttributeValueMemberS{Value: "alice"}, "tokenId": &types.AttributeValueMemberS{Value: "t1"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.put("a", "i", `{"hidden":true}`)
	r.expect("error", `"code":"revoked"`)
	if e, ok := r.next(); ok {
		t.Errorf("then %+v", e)
	}
}

func TestPollWaitsForAChange(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	at := cursorOf(s, "a")
	answered := make(chan answer)
	go func() {
		answered <- s.ask(http.MethodGet, "/topics/a?after="+at, "Prefer", "respond-async, wait=20")
	}()
	select {
	case a := <-answered:
		t.Fatalf("answered at once: %+v", a)
	case <-time.After(50 * time.Millisecond):
	}
	s.put("a", "i", `{"n":2}`)
	if a := <-answered; a.status != 200 || !strings.Contains(a.body, `"seq":2`) || a.header.Get("Preference-Applied") != "wait=20" {
		t.Errorf("answer is %+v", a)
	}
	if a := s.ask(http.MethodGet, "/topics/a?wait=20&after="+at); a.status != 200 || !strings.Contains(a.body, `"seq":2`) {
		t.Errorf("what is there is answered %+v", a)
	}
}

// revocationReads is what it costs to read the revocations of a token, in read units.
const revocationReads = 2

// TestPollThatNothingComesTo says where the client stands, in 204.
func TestPollThatNothingComesTo(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{}`)
	at := cursorOf(s, "a")
	s.ask(http.MethodGet, "/topics/a?wait=1&after="+at) // makes the row of holds
	reads, writes := s.db.Units()
	a := s.ask(http.MethodGet, "/topics/a?wait=2&after="+at)
	if a.status != 204 || a.body != "" || a.header.Get("Watchroute-Cursor") != at {
		t.Errorf("answer is %+v", a)
	}
	readsNow, writesNow := s.db.Units()
	if readsNow-reads > 1+2*0.5+0.5+revocationReads || writesNow-writes > 2 {
		t.Errorf("two seconds cost %v read and %v write units", readsNow-reads, writesNow-writes)
	}
	if a := s.ask(http.MethodGet, "/topics/a?wait=9&after=x:1"); a.status != 410 {
		t.Errorf("a cursor of another epoch is answered %+v", a)
	}
}

// TestIdNamesOnlyWhatTheClientHas: a stream of several topics may break off after any event.
func TestIdNamesOnlyWhatTheClientHas(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{"n":1}`)
	s.put("b", "i", `{"n":1}`)
	r := s.open("/topics/a?topic=b")
	begun, _ := r.next()
	r.end()
	s.put("a", "i", `{"n":2}`)
	s.put("b", "i", `{"n":2}`)
	r = s.open("/topics/a?topic=b", "Last-Event-ID", begun.id)
	id := r.expect("changes", `"topic":"a"`)
	r.end()
	r = s.open("/topics/a?topic=b", "Last-Event-ID", id)
	r.expect("changes", `"topic":"b"`)
	r.end()

	r = s.open("/topics/a?topic=b", "Last-Event-ID", strings.Split(id, "~")[0]+"~00000000")
	id = r.expect("reset", `"topic":"a"`)
	r.end()
	r = s.open("/topics/a?topic=b", "Last-Event-ID", id)
	id = r.expect("reset", `"topic":"b"`)
	r.end()
	r = s.open("/topics/a?topic=b", "Last-Event-ID", id)
	id = r.expect("snapshot", `"topic":"a"`)
	r.end()
	s.open("/topics/a?topic=b", "Last-Event-ID", id).expect("snapshot", `"topic":"b"`)
}

// TestStreamWithoutItemsIsRefused where it would have to send them: items and changes of two views
// do not add up, and a client that is told so in the stream would come again for ever.
func TestStreamWithoutItemsIsRefused(t *testing.T) {
	s := newService(t)
	s.put("a", "i", `{"x":1}`)
	for _, claim := range []string{
		`{"v":1,"allow":[{"topics":["a"],"actions":["subscribe"]}]}`,
		`{"v":1,"allow":[{"topics":["a"],"actions":["subscribe"],"mask":{"omit":["x"]}},{"topics":["a"],"actions":["read"]}]}`,
	} {
		s.viewer.Grant = granted(t, "alice", claim)
		for _, target := range []string{"/topics/a?snapshot=true", "/topics/a?last_event_id=old:7", "/topics/a?after=old:7"} {
			if a := s.ask(http.MethodGet, target, "Accept", "text/event-stream"); a.status != 403 {
				t.Errorf("%s is answered %+v", target, a)
			}
		}
		if a := s.ask(http.MethodGet, "/topics/a?after=old:7"); a.status != 403 {
			t.Errorf("changes that cannot be told are answered %+v", a)
		}
	}
}

// TestIdOfAStreamThatBeganAtACursor is good for the next one, whatever is seen.
func TestIdOfAStreamThatBeganAtACursor(t *testing.T) {
	s := newService(t)
	s.viewer.Grant = granted(t, "alice", `{"v":1,"allow":[{"topics":["a"],"actions":["subscribe","read"],"mask":{"omit":["x"]}}]}`)
	s.put("a", "i", `{"x":1}`)
	r := s.open("/topics/a?after=" + cursorOf(s, "a"))
	begun, _ := r.next()
	r.end()
	s.put("a", "i", `{"n":2}`)
	s.open("/topics/a", "Last-Event-ID", begun.id).expect("changes", `"seq":2`)
}

// TestRevokedTokenReadsNoFurtherPage of the items that a stream begins with.
func TestRevokedTokenReadsNoFurtherPage(t *testing.T) {
	s := newService(t)
	s.feed.Limits.SnapshotItems = 1
	s.viewer.TokenID, s.viewer.Issued = "t1", time.Now().Add(-time.Minute)
	for n := range 3 {
		s.put("a", fmt.Sprint(n), `{}`)
	}
	s.feed.Store = revoking{s.feed.Store, s}
	r := s.open("/topics/a?snapshot=true")
	r.expect("snapshot", `"id":"0"`)
	r.expect("error", `"code":"revoked"`)
}

// revoking has the token be revoked while a page is read.
type revoking struct {
	watch.TopicStore
	*service
}

func (r revoking) Page(ctx context.Context, topic events.Topic, after string, limit int) ([]watch.Row, string, error) {
	_, err := r.db.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &dynamotest.Tables.Revocations, Item: map[string]types.AttributeValue{
		"subject": &types.AttributeValueMemberS{Value: "alice"}, "tokenId": &types.AttributeValueMemberS{Value: "t1"},
	}})
	if err != nil {
		return nil, "", err
	}
	return r.TopicStore.Page(ctx, topic, after, limit)
}

// TestWhatIsAccepted: the answer is a stream only if Accept names its type.
func TestWhatIsAccepted(t *testing.T) {
	s := newService(t)
	s.streamTime = time.Nanosecond
	s.put("a", "i", `{}`)
	const json, stream = "application/json", "text/event-stream"
	for accept, want := range map[string]string{
		"": json, "*/*": json, "application/*": json, "text/html, */*;q=0.8": json, "a;b;c, application/json": json,
		"text/event-stream": stream, "Text/Event-Stream; charset=utf-8": stream, "a;b;c, text/event-stream": stream,
		"application/json, text/event-stream;q=0.1": json, "text/event-stream, application/json;q=0.9": stream,
		"*/*, application/json;q=0, text/event-stream;q=0.1": stream,
		"text/html": "", "text/*": "", "text/event-stream;q=0": "", "*/*, application/json;q=0": "", "application/json;q=0, */*": "",
	} {
		a := s.ask(http.MethodGet, "/topics/a", "Accept", accept)
		if want == "" {
			if a.status != 406 || !strings.Contains(a.body, `"code":"not_acceptable"`) {
				t.Errorf("Accept %q is answered %+v", accept, a)
			}
		} else if a.status != 200 || a.header.Get("Content-Type") != want {
			t.Errorf("Accept %q is answered %+v, want %s", accept, a, want)
		}
	}
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true within 10 s")
		}
	}
}
