// Package intake is the only package that knows how a message of a queue or a stream becomes an item.
//
// A message has one of three forms:
//
//   - a CloudEvent 1.0. Its extension topic is the topic, and its subject is the item's id. The type
//     watchroute.removed removes the item, and any other puts it. So what one service delivers,
//     another takes in. See package cloudevents.
//   - our own form, [Form].
//   - any other JSON, if the source has a [Mapping]. The mapping is then used for all messages of the
//     source, CloudEvents included.
//
// The envelope of an SNS topic, and that of an event bus, are taken off before.
//
// # Order
//
// Sources deliver at least once, and some in no order. So each message has a [Position]. The store
// keeps, for each item and source, the position of the last message that it has carried out, also of
// one that removed the item. A message counts only if its position is higher:
//
//	A(1)   B(2)   A(1) again        B stays, and there is no third change
//	A(1)   removed(2)   A(1) again  the item stays removed
//
// The position is the message's location in its source where the source has an order:
//
//	Kinesis    the sequence number. A shard's children have higher ones than the shard
//	Kafka      partition and offset. Offsets of two partitions do not compare, see below
//	SQS FIFO   message group and sequence number
//
// A standard queue and an event bus have no order. There the producer says which state is newer: by
// version in our form or in the mapping, or by sequence or time in a CloudEvent. Without one the
// message is refused. A version counts before the location in the source, also where that has an order.
//
// Positions compare only within one lane: a partition, a message group, a series of versions. If an
// item's messages change the lane, the one that comes later counts. So a key that moves to another
// partition loses nothing. Only a message that was read before the move and is delivered again after
// it can bring an older state back.
//
// What others write to an item does not change its position. It stays until the next message of the
// source, and no message that comes again replaces it.
package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/events/exactjson"
	"github.com/watchroute/watchroute/shared/cloudevents"
	"github.com/watchroute/watchroute/shared/watch"
)

// The reasons for which a message is refused. The sentence beside it says more.
const (
	ReasonForm  events.Code = "bad_message"       // it has none of the forms, or the mapping does not fit it
	ReasonTopic events.Code = events.CodeBadTopic // it names no topic, or one that its source may not publish to
	ReasonItem  events.Code = events.CodeBadItem
	ReasonOrder events.Code = "no_position" // its source has no order, and it has no version
)

func refuse(reason events.Code, format string, args ...any) error {
	return &events.Error{Code: reason, Message: fmt.Sprintf(format, args...)}
}

// Source is a queue, a bus or a stream whose messages become items.
type Source struct {
	// Name tells the positions of this source from those of others. Whoever makes the source anew, so
	// that its offsets begin again, gives it another name.
	Name string `json:"name"`
	// From is where messages come from: the ARN of a queue, a stream or a cluster of MSK, or the
	// addresses of other Kafka brokers, host:port, separated by commas.
	From string `json:"from"`
	// KafkaTopic is the topic of Kafka; empty for other sources.
	KafkaTopic string `json:"kafkaTopic,omitempty"`
	// Bus says that messages are events of a bus, of which detail is the message.
	Bus bool `json:"bus,omitempty"`
	// Topics are the topics and patterns that the source may publish to; none means all. A reserved
	// topic is never one of them.
	Topics []events.Topic `json:"topics,omitempty"`
	// Mapping turns JSON of another form into items; nil for none.
	Mapping *Mapping `json:"mapping,omitempty"`
}

// MaxNameBytes bounds a source's name.
const MaxNameBytes = 64

// Check reports what is wrong with the source.
func (s Source) Check() error {
	if s.Name == "" || len(s.Name) > MaxNameBytes {
		return fmt.Errorf("name has %d bytes, must have from 1 to %d", len(s.Name), MaxNameBytes)
	}
	if s.From == "" {
		return errors.New("does not say where messages come from")
	}
	for _, topic := range s.Topics {
		if _, err := events.ParsePattern(string(topic)); err != nil {
			return fmt.Errorf("topic %q: %w", topic, err)
		}
		if topic.Reserved() {
			return fmt.Errorf("topic %q is reserved", topic)
		}
	}
	if s.Mapping != nil {
		if err := s.Mapping.Check(); err != nil {
			return fmt.Errorf("mapping: %w", err)
		}
	}
	return nil
}

// Is tells whether a source is the one with an ARN, or with these brokers in any order, and a topic.
func (s Source) Is(from, kafkaTopic string) bool {
	return s.KafkaTopic == kafkaTopic && slices.Equal(brokers(s.From), brokers(from))
}

func brokers(list string) []string {
	return slices.Sorted(strings.SplitSeq(list, ","))
}

// Message is a message as its source gives it.
type Message struct {
	ID       string            // the source's own, the same when the message comes again
	Key      string            // the key of Kafka, the partition key of Kinesis, the message group of SQS
	Headers  map[string]string // of Kafka, or the attributes of SQS; names in lower case
	Body     []byte            // nil for a record of Kafka without a value
	Location *Position         // in the source; nil if the source has no order
}

// Item is what a message does to an item.
type Item struct {
	Topic events.Topic
	events.Item
	Remove    bool
	ExpiresAt int64 // in seconds since 1970; 0 for never
	Source    string
	Position  Position
}

// Read gives what a message does. An error is an *[events.Error] that says why the message can never
// become an item.
func (s Source) Read(m Message, now time.Time) (Item, error) {
	asked, err := s.read(m)
	if err != nil {
		return Item{}, err
	}
	item := Item{
		Item: events.Item{ID: asked.ID, Data: asked.Data}, Remove: asked.Op == events.OpRemove, ExpiresAt: asked.ExpiresAt, Source: s.Name,
	}
	if item.Topic, err = s.topic(asked.Topic); err != nil {
		return Item{}, err
	}
	if item.expired(now) { // before it came
		item.Remove = true
	}
	if item.Remove {
		item.Data, item.ExpiresAt = nil, 0
	}
	if err := watch.CheckItem(item.Item); err != nil {
		return Item{}, err
	}
	if item.ExpiresAt < 0 || item.ExpiresAt > now.Add(events.MaxExpiry).Unix() {
		return Item{}, refuse(ReasonItem, "expiresAt is %d, it must be a time up to ten years ahead, in seconds since 1970, or 0", item.ExpiresAt)
	}
	switch {
	case asked.version != nil:
		item.Position = *asked.version
	case m.Location != nil:
		item.Position = m.Location.located()
	case asked.fallback != nil:
		item.Position = *asked.fallback
	default:
		return Item{}, refuse(ReasonOrder, "the source has no order, so the message needs a version, or the sequence or time of a CloudEvent")
	}
	return item, nil
}

func (i Item) expired(now time.Time) bool { return i.ExpiresAt > 0 && i.ExpiresAt <= now.Unix() }

func (s Source) topic(name string) (events.Topic, error) {
	topic, err := events.ParseTopic(name)
	if err != nil {
		return "", refuse(ReasonTopic, "%v", err)
	}
	if topic.Reserved() {
		return "", refuse(ReasonTopic, "topic is reserved for the service")
	}
	allows := func(pattern events.Topic) bool { return pattern.Matches(topic) }
	if len(s.Topics) > 0 && !slices.ContainsFunc(s.Topics, allows) {
		return "", refuse(ReasonTopic, "the source must not publish to the topic, because none of its topics and patterns matches")
	}
	return topic, nil
}

// asked is what a message says, before it is checked.
type asked struct {
	Form
	version  *Position // which the message names
	fallback *Position // which counts where the source has no order
}

func (s Source) read(m Message) (asked, error) {
	body := m.Body
	text, binary, err := cloudevents.Structured(m.Headers, body)
	if err != nil {
		return asked{}, refuse(ReasonForm, "%v", err)
	}
	if binary {
		body = text
	}
	if body == nil && s.Mapping == nil {
		return asked{}, refuse(ReasonForm, "message has no value")
	}
	object, err := decode(body)
	if err != nil {
		return asked{}, err
	}
	if body, object, err = s.unwrap(body, object); err != nil {
		return asked{}, err
	}
	switch {
	case s.Mapping != nil:
		return s.Mapping.apply(m, object)
	case object["specversion"] != nil:
		return readCloudEvent(body)
	}
	return readForm(body, object)
}

// decode reads the object that a body is; nil of a record without a value.
func decode(body []byte) (map[string]any, error) {
	if body == nil {
		return nil, nil
	}
	if err := events.CheckText(body); err != nil {
		return nil, refuse(ReasonForm, "message %v", err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil || object == nil {
		return nil, refuse(ReasonForm, "message is not a JSON object")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, refuse(ReasonForm, "message has something after its JSON object")
	}
	return object, nil
}

// unwrap takes off the envelope of an SNS topic, and, unless there is a mapping for the event as a
// whole, that of an event bus.
//
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func (s Source) unwrap(body []byte, object map[string]any) ([]byte, map[string]any, error) {
	if inner, ok := object["Message"].(string); ok && object["Type"] == "Notification" && object["TopicArn"] != nil {
		body = []byte(inner)
		var err error
		if object, err = decode(body); err != nil {
			return nil, nil, err
		}
	}
	if !s.Bus || s.Mapping != nil {
		return body, object, nil
	}
	var event struct {
		Detail json.RawMessage `json:"detail"`
	}
	if err := exactjson.Unmarshal(body, &event); err != nil || event.Detail == nil {
		return nil, nil, refuse(ReasonForm, "message is not an event of a bus")
	}
	object, err := decode(event.Detail)
	return event.Detail, object, err
}

// Form is our own form of a message. A put has data and may have expiresAt; a removal has the op
// "remove". version is a whole number or a time (RFC 3339).
//
//	{"topic":"orders/17","id":"status","data":{"paid":true}}
//	{"topic":"orders/17","id":"status","op":"remove","version":5}
type Form struct {
	Topic     string          `json:"topic"`
	ID        string          `json:"id"`
	Op        string          `json:"op"`
	Data      json.RawMessage `json:"data"`
	ExpiresAt int64           `json:"expiresAt"`
	Version   json.RawMessage `json:"version"`
}

// formMembers are the members of the form. Others are refused, because a misspelt data would put an
// item without data.
var formMembers = []string{"topic", "id", "op", "data", "expiresAt", "version"}

func readForm(body []byte, object map[string]any) (asked, error) {
	for name := range object {
		if !slices.Contains(formMembers, name) {
			return asked{}, refuse(ReasonForm, "%.50q is not a member of a message: the members are %s", name, strings.Join(formMembers, ", "))
		}
	}
	var a asked
	if err := exactjson.Unmarshal(body, &a.Form); err != nil {
		return a, refuse(ReasonForm, "message has a member of the wrong type: topic, id and op are texts, expiresAt is a whole number")
	}
	if a.Op != "" && a.Op != events.OpRemove {
		return a, refuse(ReasonForm, `op must be "remove" or left out`)
	}
	return a, a.setVersion(object["version"])
}

// setVersion takes the version that a message names, if it does.
func (a *asked) setVersion(value any) error {
	if value == nil {
		return nil
	}
	position, err := version(fmt.Sprint(value))
	a.version = &position
	return err
}

func readCloudEvent(body []byte) (asked, error) {
	e, err := cloudevents.Decode(body)
	if err != nil {
		return asked{}, refuse(ReasonForm, "%v", err)
	}
	a := asked{Form: Form{Topic: e.Topic, ID: e.Subject, Data: e.Data}}
	switch {
	case e.Removed:
		a.Op = events.OpRemove
	case e.Large:
		return a, refuse(ReasonItem, "event has no data, because that was too large for it")
	case e.Topic == "":
		return a, refuse(ReasonTopic, "event has no extension topic, so its source needs a mapping")
	}
	a.fallback = eventPosition(e)
	return a, nil
}

// ParseSources reads sources as [events.Marshal] writes them. An unknown member is an error.
func ParseSources(text string) ([]Source, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	var sources []Source
	if err := d.Decode(&sources); err != nil {
		return nil, fmt.Errorf("read sources of intake: %w", err)
	}
	for _, s := range sources {
		if err := s.Check(); err != nil {
			return nil, fmt.Errorf("source %q of intake: %w", s.Name, err)
		}
	}
	return sources, nil
}
