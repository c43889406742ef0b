package cloudevents_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	sdk "github.com/cloudevents/sdk-go/v2/event"
	"pgregory.net/rapid"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/cloudevents"
)

const source = "https://live.example.com/prod"

var at = events.Time(time.Date(2026, 11, 26, 12, 0, 0, 5_000_000, time.UTC))

// TestEncodeWritesWhatTheDocumentationSays.
func TestEncodeWritesWhatTheDocumentationSays(t *testing.T) {
	batch := []events.Change{
		{Topic: "stocks/AAPL", Epoch: "jx3mzq2a", Seq: 7, Op: events.Added, ID: "quote", Time: at, Data: []byte(`{"price":1.0, "note":"<&>\u2028"}`), Mark: "hidden"},
		{Topic: "stocks/AAPL", Epoch: "jx3mzq2a", Seq: 8, To: 9, Op: events.Skipped},
		{Topic: "stocks/AAPL", Epoch: "jx3mzq2a", Seq: 10, Op: events.Removed, ID: "quote", Time: at, Expired: true},
		{Topic: "stocks/AAPL", Epoch: "jx3mzq2a", Seq: 11, Op: events.Modified, ID: "a%b\x00", Time: at, Large: true},
		{Topic: "@presence/a@b:c", Epoch: "e", Seq: 12, Op: events.Modified},
	}
	want := `[{"specversion":"1.0","id":"stocks/AAPL@jx3mzq2a:7","source":"https://live.example.com/prod","type":"watchroute.added","subject":"quote","time":"2026-11-26T12:00:00.005Z",` +
		`"topic":"stocks/AAPL","sequence":"00000000000000000007","datacontenttype":"application/json","data":{"price":1.0,"note":"<&>\u2028"}},` +
		`{"specversion":"1.0","id":"stocks/AAPL@jx3mzq2a:10","source":"https://live.example.com/prod","type":"watchroute.removed","subject":"quote","time":"2026-11-26T12:00:00.005Z",` +
		`"topic":"stocks/AAPL","sequence":"00000000000000000010","expired":true},` +
		`{"specversion":"1.0","id":"stocks/AAPL@jx3mzq2a:11","source":"https://live.example.com/prod","type":"watchroute.modified","subject":"a%25b%00","time":"2026-11-26T12:00:00.005Z",` +
		`"topic":"stocks/AAPL","sequence":"00000000000000000011","large":true,"subjectescaped":true},` +
		`{"specversion":"1.0","id":"@presence/a@b:c@e:12","source":"https://live.example.com/prod","type":"watchroute.modified",` +
		`"topic":"@presence/a@b:c","sequence":"00000000000000000012"}]`
	got, err := cloudevents.Encode(source, batch)
	if string(got) != want || err != nil {
		t.Errorf("got\n%s, %v, want\n%s", got, err, want)
	}
	var read []sdk.Event
	if err := json.Unmarshal(got, &read); err != nil || len(read) != 4 {
		t.Fatalf("the SDK reads %v, %v", read, err)
	}
}

func TestNothingToTellIsAnEmptyBatch(t *testing.T) {
	for _, changes := range [][]events.Change{nil, {}, {{Topic: "a", Epoch: "e", Seq: 1, To: 3, Op: events.Skipped}}} {
		if got, err := cloudevents.Encode(source, changes); string(got) != "[]" || err != nil {
			t.Errorf("%v is written %s, %v", changes, got, err)
		}
	}
}

// TestWhatIsNoEventIsRefused, and with it the whole batch, so that nothing is lost without a word.
func TestWhatIsNoEventIsRefused(t *testing.T) {
	good := events.Change{Topic: "a", Epoch: "e", Seq: 1, Op: events.Added, ID: "i", Data: []byte(`{}`)}
	for name, change := range map[string]func(c *events.Change) (source string){
		"no source":        func(*events.Change) string { return "" },
		"a broken source":  func(*events.Change) string { return ":" },
		"a control source": func(*events.Change) string { return "a\u0085" },
		"no op":            func(c *events.Change) string { c.Op = ""; return source },
		"a patch":          func(c *events.Change) string { c.Data, c.Patch = nil, []byte(`{"a":1}`); return source },
		"a broken topic":   func(c *events.Change) string { c.Topic = "a\x00"; return source },
		"broken data":      func(c *events.Change) string { c.Data = []byte(`{"a":`); return source },
	} {
		c := good
		from := change(&c)
		if got, err := cloudevents.EncodeOne(from, c); err == nil {
			t.Errorf("%s: one is written %s", name, got)
		}
		if got, err := cloudevents.Encode(from, []events.Change{good, c}); err == nil {
			t.Errorf("%s: a batch is written %s", name, got)
		}
	}
	if got, err := cloudevents.EncodeOne(source, events.Change{Topic: "a", Epoch: "e", Seq: 1, Op: events.Skipped}); err == nil {
		t.Errorf("a skipped one is written %s", got)
	}
}

// TestTheSDKReadsEveryChange as it was, whatever the id is made of, alone and in a batch.
func TestTheSDKReadsEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		changes := rapid.SliceOfN(rapid.Custom(change), 1, 4).Draw(t, "changes")
		whole, err := cloudevents.Encode(source, changes)
		var batch []sdk.Event
		if err == nil {
			err = json.Unmarshal(whole, &batch)
		}
		if err != nil || len(batch) != len(changes) {
			t.Fatalf("%d changes are %s, %v", len(changes), whole, err)
		}
		for i, c := range changes {
			one, err := cloudevents.EncodeOne(source, c)
			var single sdk.Event
			if err == nil {
				err = single.UnmarshalJSON(one)
			}
			if err != nil {
				t.Fatalf("%s: %v", one, err)
			}
			for _, e := range []sdk.Event{single, batch[i]} {
				if err := isChange(e, c); err != nil {
					t.Fatalf("%s: %v", one, err)
				}
			}
		}
	})
}

// change draws any change of any topic that there may be, and any id, also one that may not be.
func change(t *rapid.T) events.Change {
	segment := rapid.StringMatching(`[A-Za-z0-9_.:@-]{1,12}`)
	c := events.Change{
		Topic: events.Topic(strings.Join(rapid.SliceOfN(segment, 1, events.MaxTopicSegments).Draw(t, "topic"), "/")),
		Epoch: rapid.StringMatching(`[a-z0-9]{1,32}`).Draw(t, "epoch"),
		Seq:   rapid.Int64Min(1).Draw(t, "seq"),
		Op:    rapid.SampledFrom([]events.Op{events.Added, events.Modified, events.Removed}).Draw(t, "op"),
		ID: rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("a% \u00a0\u2028\x00\x1f\x7f\u0085\ufdd0\ufffe\uffff\U0001fffe\ufffd\ufeff\u202e😀<\"\\"))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "id"),
		Time:    events.Time(time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "time"))),
		Expired: rapid.Bool().Draw(t, "expired"),
		Large:   rapid.Bool().Draw(t, "large"),
	}
	if rapid.Bool().Draw(t, "has data") {
		data, err := events.Marshal(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "data"))
		if err != nil {
			t.Fatal(err)
		}
		c.Data = data
	}
	return c
}

// isChange reports in what an event differs from a change.
func isChange(e sdk.Event, c events.Change) error {
	if err := e.Validate(); err != nil {
		return err
	}
	id := e.Subject()
	if e.Extensions()["subjectescaped"] == true {
		plain, err := url.PathUnescape(id)
		if err != nil {
			return err
		}
		id = plain
	} else if e.Extensions()["subjectescaped"] != nil {
		return fmt.Errorf("subjectescaped is %v", e.Extensions()["subjectescaped"])
	}
	type told struct {
		specVersion, id, source, kind, item, sequence, contentType, data string
		topic                                                            any
		time                                                             int64
		expired, large                                                   bool
	}
	sequence, _ := e.Extensions()["sequence"].(string)
	got := told{e.SpecVersion(), e.ID(), e.Source(), e.Type(), id, sequence, e.DataContentType(), string(e.Data()), e.Extensions()["topic"],
		e.Time().UnixMilli(), e.Extensions()["expired"] == true, e.Extensions()["large"] == true}
	contentType := ""
	if c.Data != nil {
		contentType = "application/json"
	}
	want := told{"1.0", fmt.Sprintf("%s@%s:%d", c.Topic, c.Epoch, c.Seq), source, "watchroute." + string(c.Op), c.ID, fmt.Sprintf("%020d", c.Seq), contentType,
		string(c.Data), string(c.Topic), time.Time(c.Time).UnixMilli(), c.Expired, c.Large}
	if got != want {
		return fmt.Errorf("the SDK reads %+v, want %+v", got, want)
	}
	return checkAttributes(e)
}

// checkAttributes holds the texts to the type String, which the SDK does not do.
func checkAttributes(e sdk.Event) error {
	texts := []string{e.ID(), e.Source(), e.Type(), e.Subject(), e.DataContentType()}
	for name, value := range e.Extensions() {
		if text, ok := value.(string); ok {
			texts = append(texts, text)
		}
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || len(name) > 20 {
			return fmt.Errorf("%q is no name of an attribute", name)
		}
	}
	for _, text := range texts {
		for _, r := range text {
			if r < 0x20 || r >= 0x7f && r <= 0x9f || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe || unicode.Is(unicode.Cs, r) {
				return fmt.Errorf("%q has %U", text, r)
			}
		}
		if !utf8.ValidString(text) {
			return errors.New("an attribute is no Unicode")
		}
	}
	return nil
}

// TestSubjectsAreToldApart: an id that needs escapes, and one that looks like its escapes.
func TestSubjectsAreToldApart(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"a\x00", "a%00", "a\ufffe", "a%EF%BF%BE", "a\xff", "a%FF", "a\ufffd", " ", "%20", "a ", "a%20", "%", "%25", "a%\x00", "a%25%00", "a", ""} {
		one, err := cloudevents.EncodeOne(source, events.Change{Topic: "a", Epoch: "e", Seq: 1, Op: events.Added, ID: id})
		if err != nil || seen[string(one)] != "" {
			t.Errorf("%q and %q are both %s, %v", id, seen[string(one)], one, err)
		}
		seen[string(one)] = fmt.Sprintf("%q", id)
	}
}
