// Package cloudevents is the only place that knows CloudEvents 1.0.
//
// A change is one event, in the JSON format. Its id is topic@epoch:seq, so a change that is sent
// again is known by source and id. Its type is watchroute. and what happened, such as
// watchroute.added. Its subject is the item's id, and its data the item's. These extensions say more:
//
//	sequence        the change's number, with zeros before it to 20 digits, so that it sorts as text
//	topic           the topic
//	expired, large  true if the change says so, see [events.Change]
//	subjectescaped  true if the subject is percent-encoded (RFC 3986)
//
// An attribute must not have control characters, noncharacters of Unicode, or text that is no Unicode.
// Libraries also cut off white space at its ends. If an item's id has any of these, the subject is the
// percent-encoded id. subjectescaped tells it from an id that only looks so.
//
// A change's mark is left out, because only its publisher can use it.
//
// Sources: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md and
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
package cloudevents

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/watchroute/watchroute/events"
)

// The media types of one event and of a batch, as JSON.
const (
	TypeSingle = "application/cloudevents+json"
	TypeBatch  = "application/cloudevents-batch+json"
)

// event is a change as the JSON format has it.
type event struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject,omitempty"`
	Time            events.Time     `json:"time,omitzero"`
	Topic           events.Topic    `json:"topic"`
	Sequence        string          `json:"sequence,omitempty"`
	Expired         bool            `json:"expired,omitempty"`
	Large           bool            `json:"large,omitempty"`
	SubjectEscaped  bool            `json:"subjectescaped,omitempty"`
	DataContentType string          `json:"datacontenttype,omitempty"`
	Data            json.RawMessage `json:"data,omitempty"`
}

// Encode writes changes of one topic as a JSON batch, in order. A change that is [events.Skipped] is
// left out, so the batch may be empty. source is the service's URI reference. A change with a patch
// in place of its data is an error, because an event has the whole item.
//
// Systems that pass events on must take one of 64 KiB, and may refuse a larger one.
func Encode(source string, changes []events.Change) ([]byte, error) {
	batch := []event{}
	for _, change := range changes {
		if change.Op == events.Skipped {
			continue
		}
		e, err := eventOf(source, change)
		if err != nil {
			return nil, err
		}
		batch = append(batch, e)
	}
	return events.Marshal(batch)
}

// EncodeOne writes one change as a single event. A change that is [events.Skipped] is an error. For
// the rest see [Encode].
func EncodeOne(source string, change events.Change) ([]byte, error) {
	e, err := eventOf(source, change)
	if err != nil {
		return nil, err
	}
	return events.Marshal(e)
}

// Test is a message with which an owner tries whether events come. Its type is watchroute.test.
type Test struct {
	ID    string
	Topic events.Topic // or pattern
	Time  events.Time
	Data  json.RawMessage // a JSON object
}

// EncodeTest writes a test as a single event, which has no sequence.
func EncodeTest(source string, t Test) ([]byte, error) {
	if !isSource(source) {
		return nil, errSource
	}
	return events.Marshal(event{
		SpecVersion: "1.0", ID: t.ID, Source: source, Type: "watchroute.test", Time: t.Time, Topic: t.Topic,
		DataContentType: "application/json", Data: t.Data,
	})
}

var errSource = errors.New("source is not a URI reference")

func isSource(text string) bool {
	_, err := url.Parse(text)
	return err == nil && text != "" && allowed(text)
}

func eventOf(source string, change events.Change) (event, error) {
	if !isSource(source) {
		return event{}, errSource
	}
	id := string(change.Topic) + "@" + events.Cursor{Epoch: change.Epoch, Seq: change.Seq}.String()
	switch {
	case change.Op == events.Skipped || change.Op == "":
		return event{}, fmt.Errorf("change %s is %q, which is no event", id, change.Op)
	case len(change.Patch) > 0:
		return event{}, fmt.Errorf("change %s has a patch in place of its data", id)
	case !allowed(id):
		return event{}, fmt.Errorf("change %q has a topic that is no attribute", id)
	}
	e := event{
		SpecVersion: "1.0", ID: id, Source: source, Type: typePrefix + string(change.Op), Subject: change.ID, Time: change.Time,
		Topic: change.Topic, Sequence: fmt.Sprintf("%020d", change.Seq), Expired: change.Expired, Large: change.Large, Data: change.Data,
	}
	if !allowed(e.Subject) {
		e.Subject, e.SubjectEscaped = url.PathEscape(e.Subject), true
	}
	if len(e.Data) > 0 {
		e.DataContentType = "application/json"
	}
	return e, nil
}

// allowed reports whether an attribute may have a text, and keeps it everywhere.
//
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system
func allowed(text string) bool {
	return utf8.ValidString(text) && strings.TrimSpace(text) == text &&
		!strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Noncharacter_Code_Point, r) })
}
