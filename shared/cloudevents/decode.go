package cloudevents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/events/exactjson"
)

// Event is an event that was received.
type Event struct {
	ID, Source, Type string
	Subject          string    // without the escapes of subjectescaped
	Time             time.Time // zero if there is none
	Topic            string    // the extension; empty if there is none
	Sequence         string    // the extension; empty if there is none
	Removed          bool      // the type is watchroute.removed
	Large            bool      // the data was too large for the event, which has none
	Data             json.RawMessage
}

// Epoch is that of the change that the event is of, as [Encode] writes its id; empty for an event
// that Encode has not written.
func (e Event) Epoch() string {
	_, cursor, found := strings.Cut(e.ID, e.Topic+"@")
	at, err := events.ParseCursor(cursor)
	if !found || err != nil || !strings.HasPrefix(e.Type, typePrefix) {
		return ""
	}
	return at.Epoch
}

const typePrefix = "watchroute."

// truth is true, as JSON has it in a structured event, or as a text in a binary one.
type truth bool

func (t *truth) UnmarshalJSON(text []byte) error {
	switch strings.Trim(string(text), `"`) {
	case "true":
		*t = true
	case "false", "null":
	default:
		return errors.New("is neither true nor false")
	}
	return nil
}

// Decode reads a single event in the JSON format. The error says what is wrong with it. Data must be
// JSON, unless there is none; data_base64 is read as well.
func Decode(text []byte) (Event, error) {
	var e struct {
		event
		Time           string `json:"time"`
		Topic          string `json:"topic"`
		Expired        truth  `json:"expired"`
		Large          truth  `json:"large"`
		SubjectEscaped truth  `json:"subjectescaped"`
		Base64         []byte `json:"data_base64"`
	}
	if err := exactjson.Unmarshal(text, &e); err != nil {
		return Event{}, errors.New("event is not a CloudEvent in the JSON format")
	}
	if e.SpecVersion != "1.0" {
		return Event{}, fmt.Errorf("specversion is %.20q, only 1.0 is known", e.SpecVersion)
	}
	if e.ID == "" || e.Source == "" || e.Type == "" {
		return Event{}, errors.New("event has no id, no source or no type")
	}
	out := Event{
		ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Topic: e.Topic, Sequence: e.Sequence,
		Removed: e.Type == typePrefix+string(events.Removed), Large: bool(e.Large), Data: e.Data,
	}
	var err error
	if e.SubjectEscaped {
		if out.Subject, err = url.PathUnescape(e.Subject); err != nil {
			return Event{}, errors.New("subject is not percent-encoded, though subjectescaped says so")
		}
	}
	if e.Time != "" {
		if out.Time, err = time.Parse(time.RFC3339Nano, e.Time); err != nil {
			return Event{}, errors.New("time is not RFC 3339")
		}
	}
	if e.Base64 != nil {
		out.Data = e.Base64
		if err := checkJSON(out.Data); err != nil {
			return Event{}, err
		}
	}
	if len(out.Data) > 0 && !isJSON(e.DataContentType) {
		return Event{}, fmt.Errorf("datacontenttype is %.50q, only JSON is read", e.DataContentType)
	}
	return out, nil
}

// checkJSON checks data that was not part of the event's JSON.
func checkJSON(data []byte) error {
	if err := events.CheckText(data); err != nil {
		return fmt.Errorf("data %w", err)
	}
	if !json.Valid(data) {
		return errors.New("event has data that is not JSON")
	}
	return nil
}

// isJSON tells whether a media type is of JSON. Without one it is.
//
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md#31-handling-of-data
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json"))
}

// Structured gives a message in the binary mode in the form that [Decode] reads. headers have names
// in lower case: those of the attributes begin with ce_ or ce-, and content-type is that of the body.
// ok is false if the message is not in the binary mode; a body that is not JSON is an error.
//
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md#32-binary-content-mode
func Structured(headers map[string]string, body []byte) (text []byte, ok bool, err error) {
	event := map[string]any{}
	for name, value := range headers {
		attribute, found := strings.CutPrefix(strings.Replace(name, "ce-", "ce_", 1), "ce_")
		if found && !utf8.ValidString(value) {
			return nil, true, fmt.Errorf("header %.50q is not UTF-8", name)
		}
		if found {
			event[attribute] = value
		}
	}
	if event["specversion"] == nil {
		return nil, false, nil
	}
	if kind := headers["content-type"]; kind != "" {
		event["datacontenttype"] = kind
		if !isJSON(kind) {
			return nil, true, fmt.Errorf("content-type is %.50q, only JSON is read", kind)
		}
	}
	delete(event, "data")
	if len(bytes.TrimSpace(body)) > 0 {
		if err := checkJSON(body); err != nil {
			return nil, true, err
		}
		event["data"] = json.RawMessage(body)
	}
	text, err = events.Marshal(event)
	return text, true, err
}
