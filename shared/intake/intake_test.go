package intake_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/cloudevents"
	"github.com/watchroute/watchroute/shared/intake"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// shop maps the events of a shop.
var shop = &intake.Mapping{
	Topic: "orders/{detail.customer}", ID: "{detail.id}", Data: "detail", Version: "{detail.version}", ExpiresAt: "detail.until",
	Remove: json.RawMessage(`{"detail-type":["Order Deleted"]}`),
}

// location is the location of a message in a source that has an order.
var location = intake.Located("3", "41")

// told is what a message comes to, for a test to compare.
func told(item intake.Item, err error) string {
	if refusal := (*events.Error)(nil); errors.As(err, &refusal) {
		return fmt.Sprintf("%s: %s", refusal.Code, refusal.Message)
	}
	if err != nil {
		return "error: " + err.Error()
	}
	verb := "put"
	if item.Remove {
		verb = "remove"
	}
	text := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", verb, item.Topic, item.ID, item.Data))
	if item.ExpiresAt > 0 {
		text += fmt.Sprint(" until ", item.ExpiresAt)
	}
	return text + " at " + item.Position.Lane + "/" + item.Position.At
}

// TestWhatMessagesComeTo has each form, and each way to go wrong in it.
func TestWhatMessagesComeTo(t *testing.T) {
	plain, mapped := intake.Source{Name: "S", From: "f"}, intake.Source{Name: "S", From: "f", Mapping: shop}
	bus, only := intake.Source{Name: "S", From: "f", Bus: true}, intake.Source{Name: "S", From: "f", Topics: []events.Topic{"a/*", "b"}}
	one, mappedBus := intake.Source{Name: "S", From: "f", Topics: []events.Topic{"a"}}, intake.Source{Name: "S", From: "f", Bus: true, Mapping: shop}
	keyed := intake.Source{Name: "S", From: "f", Mapping: &intake.Mapping{Topic: "{$key}", ID: "{/x.y/0}", Data: "d"}}
	feed := intake.Source{Name: "S", From: "f", Mapping: &intake.Mapping{Topic: "feed/{$key}", ID: "{$id}"}}
	event := func(more string) string {
		return `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"i","topic":"a","data":{"x":1}` + more + `}`
	}
	for _, c := range []struct {
		source     intake.Source
		location   *intake.Position
		body, want string
	}{
		// Our own form.
		{plain, location, `{"topic":"a","id":"i","data":{"n":12345678901234567890.5,"t":"<é>"}}`, `put a i {"n":12345678901234567890.5,"t":"<é>"} at location 3/002 41`},
		{plain, location, `{"topic":"a","id":"i"}`, `put a i at location 3/002 41`},
		{plain, location, `{"topic":"a","id":"i","op":"remove","data":{}}`, `remove a i at location 3/002 41`},
		{plain, nil, `{"topic":"a","id":"i","version":0012}`, `bad_message: message is not a JSON object`},
		{plain, nil, `{"topic":"a","id":"i","version":120}`, `put a i at version/003 120`},
		{plain, location, `{"topic":"a","id":"i","version":"120"}`, `put a i at version/003 120`},
		{plain, nil, `{"topic":"a","id":"i","version":"2026-11-26T13:00:00.5+01:00"}`, `put a i at version by time/2026-11-26T12:00:00.500000000`},
		{plain, nil, `{"topic":"a","id":"i","version":1.5}`, `no_position: version "1.5" is neither a whole number nor a time (RFC 3339)`},
		{plain, nil, `{"topic":"a","id":"i","version":-1}`, `no_position: version "-1" is neither a whole number nor a time (RFC 3339)`},
		{plain, nil, `{"topic":"a","id":"i"}`, `no_position: the source has no order, so the message needs a version, or the sequence or time of a CloudEvent`},
		{plain, location, `{"topic":"a","id":"i","expiresAt":1795700000}`, `put a i until 1795700000 at location 3/002 41`},
		{plain, location, `{"topic":"a","id":"i","data":{"x":1},"expiresAt":1764158400}`, `remove a i at location 3/002 41`},
		{plain, location, `{"topic":"a","id":"i","data":{"x":1},"expiresAt":1795694400}`, `remove a i at location 3/002 41`},
		{plain, location, `{"topic":"a","id":"i","data":{"x":1},"expiresAt":1795694401}`, `put a i {"x":1} until 1795694401 at location 3/002 41`},
		{plain, location, `{"topic":"a","id":"i","expiresAt":1795694400000}`, `bad_item: expiresAt is 1795694400000, it must be a time up to ten years ahead, in seconds since 1970, or 0`},
		{plain, location, `{"topic":"a","id":"i","expiresAt":-1}`, `bad_item: expiresAt is -1, it must be a time up to ten years ahead, in seconds since 1970, or 0`},
		{plain, location, `{"topic":"a","id":"i","dta":{}}`, `bad_message: "dta" is not a member of a message: the members are topic, id, op, data, expiresAt, version`},
		{plain, location, `{"topic":"a","id":7}`, `bad_message: message has a member of the wrong type: topic, id and op are texts, expiresAt is a whole number`},
		{plain, location, `{"topic":"a","id":"i","op":"put"}`, `bad_message: op must be "remove" or left out`},
		{plain, location, `{"topic":"a"}`, `bad_item: item id is empty`},
		{plain, location, `{"topic":"a","id":"i","data":[1]}`, `bad_item: item data is not a JSON object`},
		{plain, location, `{"topic":"a","id":"i","data":{"watchroute":1}}`, `bad_item: item data has the reserved attribute watchroute`},
		{plain, location, `{"topic":"a//b","id":"i"}`, `bad_topic: topic has an empty segment`},
		{plain, location, `{"topic":"@presence/a","id":"i"}`, `bad_topic: topic is reserved for the service`},
		{only, location, `{"topic":"a/b/c","id":"i"}`, `bad_topic: the source must not publish to the topic, because none of its topics and patterns matches`},
		{only, location, `{"topic":"a/b","id":"i"}`, `put a/b i at location 3/002 41`},
		{only, location, `{"topic":"b","id":"i"}`, `put b i at location 3/002 41`},
		{one, location, `{"topic":"a","id":"i"}`, `put a i at location 3/002 41`},
		{one, location, `{"topic":"b","id":"i"}`, `bad_topic: the source must not publish to the topic, because none of its topics and patterns matches`},
		{plain, location, `[1]`, `bad_message: message is not a JSON object`},
		{plain, location, `null`, `bad_message: message is not a JSON object`},
		{plain, location, `{} {}`, `bad_message: message has something after its JSON object`},
		{plain, location, "{\"topic\":\"\xff\"}", `bad_message: message has text that is not UTF-8`},
		{plain, location, ``, `bad_message: message is not a JSON object`},
		{plain, location, `nothing`, `bad_message: message has no value`},
		// CloudEvents.
		{plain, location, event(``), `put a i {"x":1} at location 3/002 41`},
		{plain, location, event(`,"sequence":"0017","time":"2026-11-26T12:00:00Z"`), `put a i {"x":1} at location 3/002 41`},
		{plain, nil, event(`,"sequence":"0017","time":"2026-11-26T12:00:00Z"`), `put a i {"x":1} at sequence 9DCo3ovliQPXtrYO/002 17`},
		{plain, nil, event(`,"sequence":"abc"`), `put a i {"x":1} at sequence as text jilfMS1-YtTbCtbW/abc`},
		{plain, nil, event(`,"time":"2026-11-26T12:00:00Z"`), `put a i {"x":1} at time/2026-11-26T12:00:00.000000000 a4ayc_80_OGda4BO`},
		{plain, nil, event(``), `no_position: the source has no order, so the message needs a version, or the sequence or time of a CloudEvent`},
		{plain, location, event(`,"large":true`), `bad_item: event has no data, because that was too large for it`},
		{plain, location, `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"a%25b","subjectescaped":true,"topic":"a"}`, `put a a%b at location 3/002 41`},
		{plain, location, `{"specversion":"1.0","id":"1","source":"/s","type":"watchroute.removed","subject":"i","topic":"a","data":{"x":1}}`, `remove a i at location 3/002 41`},
		{plain, location, `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"i"}`, `bad_topic: event has no extension topic, so its source needs a mapping`},
		{plain, location, `{"specversion":"0.3","id":"1","source":"/s","type":"t"}`, `bad_message: specversion is "0.3", only 1.0 is known`},
		{plain, location, `{"specversion":"1.0","id":"1","type":"t"}`, `bad_message: event has no id, no source or no type`},
		{plain, location, event(`,"datacontenttype":"text/plain"`), `bad_message: datacontenttype is "text/plain", only JSON is read`},
		{plain, location, event(`,"time":"today"`), `bad_message: time is not RFC 3339`},
		{plain, location, event(`,"large":1`), `bad_message: event is not a CloudEvent in the JSON format`},
		{plain, location, `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"i","topic":"a","data_base64":"eyJ4IjoxfQ=="}`, `put a i {"x":1} at location 3/002 41`},
		{plain, location, `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"i","topic":"a","data_base64":"eyJ4Ijoi/yJ9"}`, `bad_message: data has text that is not UTF-8`},
		{plain, location, `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"i","topic":"a","data_base64":"ew=="}`, `bad_message: event has data that is not JSON`},
		// Envelopes.
		{plain, location, `{"Type":"Notification","TopicArn":"arn","MessageId":"m","Message":"{\"topic\":\"a\",\"id\":\"i\"}"}`, `put a i at location 3/002 41`},
		{plain, location, `{"Type":"Notification","TopicArn":"arn","MessageId":"m","Message":"hello"}`, `bad_message: message is not a JSON object`},
		{bus, nil, `{"version":"0","detail-type":"x","source":"s","time":"2026-11-26T12:00:00Z","detail":` + event(`,"time":"2026-11-26T12:00:00Z"`) + `}`, `put a i {"x":1} at time/2026-11-26T12:00:00.000000000 a4ayc_80_OGda4BO`},
		{bus, nil, `{"version":"0","detail":{"topic":"a","id":"i","version":2}}`, `put a i at version/001 2`},
		{bus, nil, `{"topic":"a","id":"i","version":2}`, `bad_message: message is not an event of a bus`},
		{mappedBus, nil, `{"detail-type":"Order Placed","detail":{"customer":"anna","id":7,"version":3}}`, `put orders/anna 7 {"customer":"anna","version":3} at version/001 3`},
		// Mappings.
		{mapped, nil, `{"detail-type":"Order Placed","detail":{"customer":"anna","id":7,"version":3,"total":1.10}}`, `put orders/anna 7 {"customer":"anna","total":1.10,"version":3} at version/001 3`},
		{mapped, nil, `{"detail-type":"Order Deleted","detail":{"customer":"anna","id":7,"version":4}}`, `remove orders/anna 7 at version/001 4`},
		{mapped, nil, `{"detail-type":"x","detail":{"customer":"anna","id":7,"version":3,"until":1795700000}}`, `put orders/anna 7 {"customer":"anna","until":1795700000,"version":3} until 1795700000 at version/001 3`},
		{mapped, nil, `{"detail":{"customer":"anna","id":7,"version":3,"until":"soon"}}`, `bad_item: detail.until is not a whole number of seconds since 1970`},
		{mapped, nil, `{"detail":{"customer":"a/b","id":7,"version":3}}`, `bad_message: the mapping's topic needs {detail.customer} without a slash, which the message does not have`},
		{mapped, nil, `{"detail":{"customer":"@x","id":7,"version":3}}`, `put orders/@x 7 {"customer":"@x","version":3} at version/001 3`},
		{mapped, nil, `{"detail":{"customer":"","id":7,"version":3}}`, `bad_message: the mapping's topic needs detail.customer as a text, a number or a boolean, which the message does not have`},
		{mapped, nil, `{"detail":{"customer":"anna","version":3}}`, `bad_message: the mapping's id needs detail.id as a text, a number or a boolean, which the message does not have`},
		{mapped, nil, `{"detail":{"customer":"anna","id":{},"version":3}}`, `bad_message: the mapping's id needs detail.id as a text, a number or a boolean, which the message does not have`},
		{mapped, location, `{"detail":{"customer":"anna","id":7}}`, `bad_message: the mapping's version needs detail.version as a text, a number or a boolean, which the message does not have`},
		{mapped, location, `nothing`, `bad_message: the mapping's topic needs detail.customer as a text, a number or a boolean, which the message does not have`},
		{keyed, location, `{"x.y":["first"],"d":{"z":null}}`, `put deep/er first {"z":null} at location 3/002 41`},
		{keyed, location, `{"x.y":["first"]}`, `bad_message: the mapping's data needs d, which the message does not have`},
		{keyed, location, `{"x.y":[]}`, `bad_message: the mapping's id needs /x.y/0 as a text, a number or a boolean, which the message does not have`},
		{feed, location, `{"any":"thing"}`, `bad_message: the mapping's topic needs {$key} without a slash, which the message does not have`},
		{intake.Source{Name: "S", From: "f", Mapping: &intake.Mapping{Topic: "k", ID: "{$key}"}}, location, `nothing`, `remove k deep/er at location 3/002 41`},
		{intake.Source{Name: "S", From: "f", Mapping: &intake.Mapping{Topic: "k", ID: "{$id}"}}, location, `{"a":1}`, `put k m1 {"a":1} at location 3/002 41`},
	} {
		m := intake.Message{ID: "m1", Key: "deep/er", Location: c.location, Body: []byte(c.body)}
		if c.body == "nothing" {
			m.Body = nil
		}
		got := told(c.source.Read(m, now))
		if got != c.want {
			t.Errorf("%s\n gives %s\n want  %s", c.body, got, c.want)
		}
	}
}

// TestBinaryEventsAreReadFromHeaders, as Kafka has them, and with the names of HTTP.
func TestBinaryEventsAreReadFromHeaders(t *testing.T) {
	source := intake.Source{Name: "S", From: "f"}
	for _, prefix := range []string{"ce_", "ce-"} {
		headers := map[string]string{"content-type": "application/json; charset=utf-8", "other": "x"}
		for name, value := range map[string]string{"specversion": "1.0", "id": "1", "source": "/s", "type": "watchroute.added", "subject": "a%25b", "topic": "a", "subjectescaped": "true"} {
			headers[prefix+name] = value
		}
		m := intake.Message{Headers: headers, Location: location, Body: []byte(`{"x":1}`)}
		if got := told(source.Read(m, now)); got != `put a a%b {"x":1} at location 3/002 41` {
			t.Errorf("%s: %s", prefix, got)
		}
		m.Body = []byte(`{`)
		if got := told(source.Read(m, now)); got != `bad_message: event has data that is not JSON` {
			t.Errorf("%s: %s", prefix, got)
		}
		m.Body = []byte("{\"x\":\"\xff\"}")
		if got := told(source.Read(m, now)); got != `bad_message: data has text that is not UTF-8` {
			t.Errorf("%s: %s", prefix, got)
		}
		headers[prefix+"subject"] = "\xff"
		if got := told(source.Read(m, now)); got != fmt.Sprintf(`bad_message: header "%ssubject" is not UTF-8`, prefix) {
			t.Errorf("%s: %s", prefix, got)
		}
		headers[prefix+"subject"] = "a%25b"
		headers["content-type"] = "text/plain"
		if got := told(source.Read(m, now)); got != `bad_message: content-type is "text/plain", only JSON is read` {
			t.Errorf("%s: %s", prefix, got)
		}
		headers["content-type"], headers[prefix+"type"], m.Body = "application/json", "watchroute.removed", nil
		if got := told(source.Read(m, now)); got != `remove a a%b at location 3/002 41` {
			t.Errorf("%s: %s", prefix, got)
		}
		m.Headers[prefix+"large"] = "perhaps"
		if got := told(source.Read(m, now)); got != `bad_message: event is not a CloudEvent in the JSON format` {
			t.Errorf("%s: %s", prefix, got)
		}
	}
}

// TestWhatOneServiceDeliversAnotherTakesIn: in any order, the later change counts.
func TestWhatOneServiceDeliversAnotherTakesIn(t *testing.T) {
	source := intake.Source{Name: "S", From: "f"}
	var at []intake.Position
	for _, c := range []struct {
		change events.Change
		want   string
	}{
		{events.Change{Seq: 9, Op: events.Added, ID: "i", Data: []byte(`{"n":1.0}`)}, `put a/@b@c i {"n":1.0}`},
		{events.Change{Seq: 10, Op: events.Modified, ID: " \x7f", Data: []byte(`{}`)}, "bad_item: item id has a control character"},
		{events.Change{Seq: 11, Op: events.Modified, ID: " %20", Data: []byte(`{}`)}, "put a/@b@c  %20 {}"},
		{events.Change{Seq: 100, Op: events.Removed, ID: "i", Expired: true, Data: []byte(`{"n":1}`)}, "remove a/@b@c i"},
		{events.Change{Seq: 101, Op: events.Modified, ID: "i", Large: true}, "bad_item: event has no data, because that was too large for it"},
	} {
		c.change.Topic, c.change.Epoch, c.change.Time = "a/@b@c", "jx3mzq2a", events.Time(now)
		body, err := cloudevents.EncodeOne("https://live.example.com/prod", c.change)
		if err != nil {
			t.Fatal(err)
		}
		item, err := source.Read(intake.Message{Body: body}, now)
		if got := told(item, err); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s\n gives %s\n want  %s", body, got, c.want)
		}
		if err == nil {
			at = append(at, item.Position)
		}
	}
	for i := range at[1:] {
		if at[i].Lane != at[i+1].Lane || at[i].At >= at[i+1].At {
			t.Errorf("position %v comes before %v", at[i], at[i+1])
		}
	}
}

// TestEachEpochIsALaneOfItsOwn: its numbers begin again at 1.
func TestEachEpochIsALaneOfItsOwn(t *testing.T) {
	lanes := map[string]bool{}
	for _, epoch := range []string{"a", "b", "a"} {
		body, err := cloudevents.EncodeOne("/s", events.Change{Topic: "t", Epoch: epoch, Seq: 1, Op: events.Added, ID: "i", Data: []byte(`{}`)})
		if err != nil {
			t.Fatal(err)
		}
		item, err := (intake.Source{}).Read(intake.Message{Body: body}, now)
		if err != nil {
			t.Fatal(err)
		}
		lanes[item.Position.Lane] = true
	}
	if len(lanes) != 2 {
		t.Errorf("lanes are %v", lanes)
	}
}

// TestNumbersCompareAsNumbers, however many digits they have.
func TestNumbersCompareAsNumbers(t *testing.T) {
	numbers := []string{"0", "1", "9", "10", "99", "100", "18873116370253279489", "49545115243490985018280067714973144582180062593244200961", "149545115243490985018280067714973144582180062593244200961"}
	for i := range numbers[1:] {
		if a, b := intake.Located("", numbers[i]).At, intake.Located("", numbers[i+1]).At; a >= b {
			t.Errorf("%s is not before %s: %q and %q", numbers[i], numbers[i+1], a, b)
		}
	}
	if a, b := intake.Located("", "0041").At, intake.Located("", "41").At; a != b {
		t.Errorf("zeros before a number count: %q and %q", a, b)
	}
}

// TestSourcesThatCannotWorkAreRefused before anything is deployed.
func TestSourcesThatCannotWorkAreRefused(t *testing.T) {
	good := func() intake.Source {
		return intake.Source{Name: "Orders", From: "arn", Topics: []events.Topic{"a/**"}, Mapping: &intake.Mapping{Topic: "{a}", ID: "{b.0}"}}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*intake.Source){
		"name has 0 bytes":                              func(s *intake.Source) { s.Name = "" },
		"name has 65 bytes":                             func(s *intake.Source) { s.Name = strings.Repeat("x", 65) },
		"does not say where messages come from":         func(s *intake.Source) { s.From = "" },
		`topic "a//b"`:                                  func(s *intake.Source) { s.Topics = []events.Topic{"a//b"} },
		`topic "@a/b" is reserved`:                      func(s *intake.Source) { s.Topics = []events.Topic{"@a/b"} },
		"mapping: topic is missing":                     func(s *intake.Source) { s.Mapping.Topic = "" },
		"mapping: id is missing":                        func(s *intake.Source) { s.Mapping.ID = "" },
		"mapping: id has a brace":                       func(s *intake.Source) { s.Mapping.ID = "{a" },
		"mapping: topic has a brace":                    func(s *intake.Source) { s.Mapping.Topic = "a/{}" },
		"mapping: version has a brace":                  func(s *intake.Source) { s.Mapping.Version = "}" },
		"mapping: id has {$Key}, but only":              func(s *intake.Source) { s.Mapping.ID = "x{$Key}" },
		"mapping: data is {d}, but it is a path":        func(s *intake.Source) { s.Mapping.Data = "{d}" },
		"mapping: expiresAt is {d.e}, but it is a path": func(s *intake.Source) { s.Mapping.ExpiresAt = "{d.e}" },
		"mapping: remove: pattern is no JSON":           func(s *intake.Source) { s.Mapping.Remove = json.RawMessage("{") },
		`mapping: remove: `:                             func(s *intake.Source) { s.Mapping.Remove = json.RawMessage(`{"a":1}`) },
	} {
		s := good()
		change(&s)
		if err := s.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("gives %v, want %s", err, want)
		}
	}
}

// TestSourcesAreReadAsTheyAreWritten, and a misspelt member is found.
func TestSourcesAreReadAsTheyAreWritten(t *testing.T) {
	want := []intake.Source{{Name: "A", From: "b:1,a:1", KafkaTopic: "t", Topics: []events.Topic{"x"}, Mapping: shop}}
	text, err := events.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := intake.ParseSources(string(text))
	if err != nil || fmt.Sprintf("%+v", *got[0].Mapping) != fmt.Sprintf("%+v", *shop) {
		t.Errorf("%s is read as %+v, %v", text, got, err)
	}
	if !got[0].Is("a:1,b:1", "t") || got[0].Is("a:1,b:1", "") || got[0].Is("a:1", "t") {
		t.Error("brokers are told apart by their order, or not at all")
	}
	for _, bad := range []string{``, `{}`, `[{"name":"A","from":"b","mappings":{}}]`, `[{"name":"A"}]`} {
		if got, err := intake.ParseSources(bad); err == nil {
			t.Errorf("%s is read as %+v", bad, got)
		}
	}
}

// FuzzRead: no message is a panic, and what is read keeps the rules of items.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"topic":"a","id":"i"}`, `{"specversion":"1.0","id":"1","source":"s","type":"t","topic":"a","subject":"i"}`, `{"detail":{"customer":"a","id":1,"version":1}}`, `{"Type":"Notification","TopicArn":"","Message":"{}"}`} {
		f.Add([]byte(seed), "ce_specversion", "1.0")
	}
	sources := []intake.Source{{}, {Bus: true}, {Mapping: shop}, {Mapping: &intake.Mapping{Topic: "{$key}", ID: "{/a/0}"}}}
	f.Fuzz(func(t *testing.T, body []byte, name, value string) {
		for _, s := range sources {
			item, err := s.Read(intake.Message{ID: "m", Key: value, Headers: map[string]string{name: value}, Body: body, Location: location}, now)
			if refusal := (*events.Error)(nil); err != nil && !errors.As(err, &refusal) {
				t.Errorf("%v is no reason", err)
			}
			if err != nil {
				continue
			}
			_, wrong := events.ParseTopic(string(item.Topic))
			if wrong != nil || events.CheckItemID(item.ID) != nil || strings.HasPrefix(string(item.Topic), "@") || item.Position.At == "" {
				t.Errorf("item is %+v", item)
			}
		}
	})
}
