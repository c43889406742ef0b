package events_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
)

// sample reads a file of samples/ without its closing newline.
func sample(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.TrimSpace(string(data)))
}

func samples(t testing.TB, requests bool) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("samples/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	found := map[string][]byte{}
	for _, path := range paths {
		if strings.HasPrefix(filepath.Base(path), "request.") == requests {
			found[filepath.Base(path)] = sample(t, path)
		}
	}
	return found
}

func TestServerSamplesRoundTrip(t *testing.T) {
	for name, data := range samples(t, false) {
		t.Run(name, func(t *testing.T) {
			frame, err := events.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			again, err := events.Encode(frame)
			if err != nil {
				t.Fatal(err)
			}
			if string(again) != string(data) {
				t.Errorf("encoded again:\n got %s\nwant %s", again, data)
			}
		})
	}
}

func TestRequestSamplesRoundTrip(t *testing.T) {
	for name, data := range samples(t, true) {
		t.Run(name, func(t *testing.T) {
			request, err := events.ParseRequest(data)
			if err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			if string(again) != string(data) {
				t.Errorf("encoded again:\n got %s\nwant %s", again, data)
			}
		})
	}
}

func TestParseRequestRefusals(t *testing.T) {
	for body, want := range map[string]events.Error{
		``:             {Code: events.CodeBadJSON, Message: "frame is not a JSON object"},
		`hello`:        {Code: events.CodeBadJSON, Message: "frame is not a JSON object"},
		`null`:         {Code: events.CodeBadJSON, Message: "frame is not a JSON object"},
		`[1]`:          {Code: events.CodeBadJSON, Message: "frame is not a JSON object"},
		`{"action":1}`: {Code: events.CodeBadRequest, Message: "action must not be a JSON number"},
		`{"id":5}`:     {Code: events.CodeBadRequest, Message: "id must not be a JSON number"},
		`{"id":"q7","topic":{}}`: {ID: "q7", Code: events.CodeBadRequest,
			Message: "topic must not be a JSON object"},
		`{"id":"` + strings.Repeat("i", 129) + `"}`: {Code: events.CodeBadRequest,
			Message: "id has 129 bytes, at most 128 are allowed"},
	} {
		_, err := events.ParseRequest([]byte(body))
		var got *events.Error
		if !errors.As(err, &got) || *got != want {
			t.Errorf("ParseRequest(%.40q) = %+v, want %+v", body, got, want)
		}
	}
}

// API Gateway takes {"ACTION":"publish","action":"ping"} for a ping, so we do.
func TestNamesInFramesCountWithTheirCase(t *testing.T) {
	got, err := events.ParseRequest([]byte(`{"ACTION":"publish","Topic":"a/b","ID":"x","item":{"ID":"i","DATA":{"K":1},"data":{"k":1}}}`))
	want := events.Request{Item: &events.Item{Data: []byte(`{"k":1}`)}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := events.ParseRequest([]byte(`{"ACTION":7}`)); err != nil {
		t.Errorf("a member that is no field's is refused: %v", err)
	}
	if f, err := events.Decode([]byte(`{"TYPE":"pong"}`)); err == nil {
		t.Errorf("a frame without type is %+v", f)
	}
	if f, err := events.Decode([]byte(`{"type":"error","CODE":"gone","message":"m"}`)); err != nil || f.(*events.Error).Code != "" {
		t.Errorf("got %+v, %v; want no code", f, err)
	}
}

func TestParseTopic(t *testing.T) {
	long := strings.Repeat("x", events.MaxTopicBytes)
	for _, name := range []string{"stocks", "stocks/AAPL", "a/b/c/d/e/f/g/h", "_-.:@/0", "a/...", "@x/a/b/c/d/e/f/g/h", long} {
		if topic, err := events.ParseTopic(name); err != nil || string(topic) != name {
			t.Errorf("ParseTopic(%.40q) = %q, %v", name, topic, err)
		}
	}
	for name, want := range map[string]string{
		"":                     "topic is empty",
		"/":                    "topic has an empty segment",
		"a//b":                 "topic has an empty segment",
		"a/":                   "topic has an empty segment",
		"a/../b":               `topic has the segment ".."`,
		"./a":                  `topic has the segment "."`,
		"a b":                  `topic has the character ' ', allowed are letters, digits and _ - . : @`,
		"a#0":                  `topic has the character '#', allowed are letters, digits and _ - . : @`,
		"a%2fb":                `topic has the character '%', allowed are letters, digits and _ - . : @`,
		"\xff":                 `topic has the character '�', allowed are letters, digits and _ - . : @`,
		"а":                    `topic has the character 'а', allowed are letters, digits and _ - . : @`, // Cyrillic
		"a/b/c/d/e/f/g/h/i":    "topic has 9 segments, at most 8 are allowed",
		"@x/a/b/c/d/e/f/g/h/i": "topic has 9 segments, at most 8 are allowed",
		long + "x":             "topic has 257 bytes, at most 256 are allowed",
	} {
		if _, err := events.ParseTopic(name); err == nil || err.Error() != want {
			t.Errorf("ParseTopic(%.40q) = %v, want %q", name, err, want)
		}
	}
}

func TestCheckItemID(t *testing.T) {
	for _, id := range []string{"quote", "ünïcode", "a b", strings.Repeat("i", 256)} {
		if err := events.CheckItemID(id); err != nil {
			t.Errorf("CheckItemID(%.40q) = %v", id, err)
		}
	}
	for _, id := range []string{"", "a\nb", "\x00", "\xff", strings.Repeat("i", 257)} {
		if events.CheckItemID(id) == nil {
			t.Errorf("CheckItemID(%.40q) = nil, want an error", id)
		}
	}
}

func TestCursor(t *testing.T) {
	for _, want := range []events.Cursor{{}, {Epoch: "k3f9", Seq: 42}} {
		if got, err := events.ParseCursor(want.String()); err != nil || got != want {
			t.Errorf("ParseCursor(%q) = %v, %v", want.String(), got, err)
		}
	}
	for _, s := range []string{"", "k3f9", "k3f9:", "k3f9:-1", "k3f9:x", "k3f9:01", "k3f9:+1", "k3f9:-0", "K3F9:1", "k/3:1", "\u0080:1", strings.Repeat("e", events.MaxEpochBytes+1) + ":1"} {
		if _, err := events.ParseCursor(s); err == nil {
			t.Errorf("ParseCursor(%q) succeeded", s)
		}
	}
}

// TestLargestFramesFit packs the most that names, ids and data may take.
func TestLargestFramesFit(t *testing.T) {
	topic := events.Topic(strings.Repeat("t", events.MaxTopicBytes))
	id := strings.Repeat(`"`, events.MaxItemIDBytes) // each is two bytes as JSON
	data := json.RawMessage(`"` + strings.Repeat("x", events.MaxDataBytes-2) + `"`)
	cursor := events.Cursor{Epoch: "abcdefgh", Seq: 1<<63 - 1}
	place := events.Bookmark{Cursor: cursor, Sealed: strings.Repeat("s", 1_411)}.String() // the longest there is
	snapshot, err := events.PackSnapshot(events.Snapshot{ID: strings.Repeat("\x01", events.MaxRequestIDBytes), Topic: topic, Cursor: cursor,
		From: place, Next: place, Items: []events.Item{{ID: id, Data: data}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := events.PackChanges([]events.Change{{Topic: topic, Epoch: cursor.Epoch, Seq: cursor.Seq, Op: events.Modified, ID: id, Data: data, Expired: true}})
	if err != nil {
		t.Fatal(err)
	}
	for _, frame := range append(snapshot, changes...) {
		if len(frame) > events.MaxFrameBytes {
			t.Errorf("%.40s… has %d bytes, over %d", frame, len(frame), events.MaxFrameBytes)
		}
	}
}

// TestDataThatAViewHasMadeTooLongIsLeftOut: a mask may replace short members by longer ones.
func TestDataThatAViewHasMadeTooLongIsLeftOut(t *testing.T) {
	data := json.RawMessage(`"` + strings.Repeat("x", events.MaxDataBytes) + `"`)
	frames, err := events.PackChanges([]events.Change{{Topic: "t", Epoch: "e", Seq: 1, Op: events.Added, ID: "a", Data: data},
		{Topic: "t", Epoch: "e", Seq: 2, Op: events.Modified, ID: "a", Patch: data}})
	if want := `{"type":"changes","changes":[{"topic":"t","epoch":"e","seq":1,"op":"added","id":"a","large":true},{"topic":"t","epoch":"e","seq":2,"op":"modified","id":"a","large":true}]}`; err != nil || len(frames) != 1 || string(frames[0]) != want {
		t.Errorf("%.200s, %v", frames, err)
	}
	frames, err = events.PackSnapshot(events.Snapshot{Topic: "t", Items: []events.Item{{ID: "a", Data: data}}}, nil)
	if want := `{"type":"snapshot","topic":"t","epoch":"","seq":0,"items":[{"id":"a","large":true}],"more":false}`; err != nil || len(frames) != 1 || string(frames[0]) != want {
		t.Errorf("%.200s, %v", frames, err)
	}
}

func TestBookmark(t *testing.T) {
	for _, want := range []events.Bookmark{{}, {Cursor: events.Cursor{Epoch: "k3f9", Seq: 42}, Sealed: "a-b_~c"}} {
		if got, err := events.ParseBookmark(want.String()); err != nil || got != want {
			t.Errorf("ParseBookmark(%q) = %v, %v", want.String(), got, err)
		}
	}
	for _, s := range []string{"", "k3f9:42", "k3f9:42/a", "k3f9~a", "k3f9:-1~a"} {
		if _, err := events.ParseBookmark(s); err == nil {
			t.Errorf("ParseBookmark(%q) succeeded", s)
		}
	}
}

// TestREADMENamesEveryRemedy holds the README's table of what a client does about
// errors, closes and refused handshakes to the one that clients use.
func TestREADMENamesEveryRemedy(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	holds := func(name string, remedy events.Remedy, more ...string) { // more cells of the row
		for line := range strings.Lines(string(readme)) {
			cells := strings.Split(line, "|")
			if len(cells) != 5+len(more) || !strings.Contains(cells[1], "`"+name+"`") {
				continue
			}
			got := events.Remedy(strings.TrimSpace(cells[3]))
			if !slices.Contains([]events.Remedy{events.RetryNow, events.RetryLater, events.FixRequest, events.GiveUp}, got) {
				continue // the table of another thing that has this name
			}
			if got != remedy || len(more) > 0 && strings.TrimSpace(cells[4]) != more[0] {
				t.Errorf("README says of %s: %s, want %s and %s", name, line, remedy, more)
			}
			return
		}
		t.Errorf("README does not say what to do about %s", name)
	}
	for _, code := range []events.Code{
		events.CodeBadJSON, events.CodeBadRequest, events.CodeUnknownAction, events.CodeBadTopic, events.CodeBadItem,
		events.CodeBadCursor, events.CodeOvertaken, events.CodeTooManySubscriptions, events.CodeForbidden, events.CodeBadToken, events.CodeTokenExpired, events.CodeRevoked,
		events.CodeTooManyConnections, events.CodeTooManyRequests, events.CodeNotConnected, events.CodeUnavailable, events.CodeInternal,
		events.CodeReset, events.CodeTooManyHolds, events.CodeExists, events.CodeNotFound, events.CodeMethodNotAllowed,
		events.CodeTooManyTopics, events.CodeTooLarge, events.CodeUnsupportedType, events.CodeNotAcceptable,
	} {
		status := ""
		if code.Status() != http.StatusInternalServerError || code == events.CodeInternal {
			status = strconv.Itoa(code.Status())
		}
		holds(string(code), code.Remedy(), status)
	}
	for _, code := range []int{1000, 1001, 1003, 1006, 1007, 1008, 1009, 1011, 1012} {
		holds(fmt.Sprint(code), events.CloseRemedy(code))
	}
	for _, status := range []int{400, 401, 403, 408, 426, 429, 500, 502, 503, 504} {
		holds(fmt.Sprint(status), events.HandshakeRemedy(status))
	}
}

// change makes the n-th change with that much data.
func change(n int64, dataBytes int) events.Change {
	data := `{"x":"` + strings.Repeat("<", max(0, dataBytes-8)) + `"}`
	return events.Change{Topic: "a/b", Epoch: "e", Seq: n, Op: events.Added, ID: "i",
		Time: events.Time(time.Unix(1, 0)), Data: json.RawMessage(data)}
}

func TestPackChangesFillsFramesInOrder(t *testing.T) {
	sizes := []int{100, 20_000, 15_000, 10, 10, events.MaxDataBytes, 10, 32_000, 32_000}
	var changes []events.Change
	for i, size := range sizes {
		changes = append(changes, change(int64(i+1), size))
	}
	frames, err := events.PackChanges(changes)
	if err != nil {
		t.Fatal(err)
	}
	var seqs, perFrame []int64
	for _, data := range frames {
		if len(data) > events.MaxFrameBytes {
			t.Errorf("a frame has %d bytes", len(data))
		}
		frame, err := events.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		got := frame.(*events.Changes).Changes
		if len(got) > 1 && len(data) > events.MeteredBytes {
			t.Errorf("a frame of %d changes has %d bytes, over one metered unit", len(got), len(data))
		}
		for _, c := range got {
			seqs = append(seqs, c.Seq)
		}
		perFrame = append(perFrame, int64(len(got)))
	}
	if fmt.Sprint(seqs) != "[1 2 3 4 5 6 7 8 9]" || fmt.Sprint(perFrame) != "[2 3 1 2 1]" {
		t.Errorf("seqs %v in frames of %v changes", seqs, perFrame)
	}
}

func TestPackSnapshot(t *testing.T) {
	page := events.Snapshot{ID: "q", Topic: "a", Cursor: events.Cursor{Epoch: "e", Seq: 7}, From: "e:7~before", Next: "e:7~last", Costly: 3}
	for n := range 1_000 {
		page.Items = append(page.Items, events.Item{ID: fmt.Sprint(n), Data: json.RawMessage(`{"text":"` + strings.Repeat("x", 80) + `"}`)})
	}
	frames, err := events.PackSnapshot(page, func(id string) (events.Bookmark, error) {
		return events.Bookmark{Cursor: page.Cursor, Sealed: "after-" + id}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	next, from := 0, page.From
	for i, data := range frames {
		frame, err := events.Decode(data)
		if err != nil {
			t.Fatalf("%v in %.200s", err, data)
		}
		got := frame.(*events.Snapshot)
		if got.Cursor != page.Cursor || got.More != (i < len(frames)-1) || len(data) > events.MeteredBytes {
			t.Errorf("frame %d: cursor %v, more %v, %d bytes", i, got.Cursor, got.More, len(data))
		}
		if last := got.Items[len(got.Items)-1].ID; got.From != from || got.More && got.Next != "e:7~after-"+last || (got.Costly == 3) == got.More {
			t.Errorf("frame %d leads from %q to %q, want from %q", i, got.From, got.Next, from)
		}
		from = got.Next
		for _, item := range got.Items {
			if item.ID != fmt.Sprint(next) {
				t.Fatalf("item %s where %d was due", item.ID, next)
			}
			next++
		}
	}
	if next != 1_000 || len(frames) != 4 || from != page.Next {
		t.Errorf("%d items in %d frames, the last leads to %q", next, len(frames), from)
	}
	if empty, err := events.PackSnapshot(events.Snapshot{Topic: "a"}, nil); err != nil || len(empty) != 1 ||
		string(empty[0]) != `{"type":"snapshot","topic":"a","epoch":"","seq":0,"items":[],"more":false}` {
		t.Errorf("empty snapshot = %s, %v", empty, err)
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, data := range samples(f, true) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := events.ParseRequest(body)
		var refusal *events.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("error is not a frame: %v", err)
		}
	})
}

func FuzzParseTopic(f *testing.F) {
	f.Add("stocks/AAPL")
	f.Add("a//b")
	f.Fuzz(func(t *testing.T, name string) {
		topic, err := events.ParseTopic(name)
		if err == nil && (string(topic) != name || strings.ContainsAny(name, "#%* \x00") || len(name) > events.MaxTopicBytes) {
			t.Errorf("ParseTopic(%q) accepted it as %q", name, topic)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, data := range samples(f, false) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := events.Decode(data)
		if err != nil {
			return
		}
		if _, err := events.Encode(frame); err != nil {
			t.Errorf("decoded frame does not encode: %v", err)
		}
	})
}

func ExamplePackChanges() {
	frames, err := events.PackChanges([]events.Change{{
		Topic: "stocks/AAPL", Epoch: "k3f9", Seq: 1, Op: events.Added, ID: "quote",
		Time: events.Time(time.UnixMilli(1_764_000_000_123)), Data: json.RawMessage(`{"price":150.75}`),
	}})
	fmt.Printf("%s %v", frames[0], err)
	// Output: {"type":"changes","changes":[{"topic":"stocks/AAPL","epoch":"k3f9","seq":1,"op":"added","id":"quote","time":"2025-11-24T16:00:00.123Z","data":{"price":150.75}}]} <nil>
}
