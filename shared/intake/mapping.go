package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/pattern"
)

// Mapping turns JSON into an item. An event of a bus about an order, for example:
//
//	{"topic":"orders/{detail.customer}", "id":"{detail.id}", "data":"detail",
//	 "version":"{detail.version}", "remove":{"detail-type":["Order Deleted"]}}
//
// Topic, ID and Version are templates: {detail.customer} stands for the text, number or boolean at a
// path. A path has the names of members, and the numbers of elements from 0, with dots between them.
// One that begins with a slash is a JSON pointer (RFC 6901), for names that have dots. {$key} stands
// for the message's key, and {$id} for its own id, see [Message]. In a template of a topic that is
// more than a single {…}, what is filled in must not have a slash.
type Mapping struct {
	Topic string `json:"topic"`
	ID    string `json:"id"`
	// Data is the path of the item's data, which must be an object; empty for the whole message. Members
	// with names that the table keeps for itself are left out, see [events.ReservedAttributes]: a
	// message often has the id a second time.
	Data string `json:"data,omitempty"`
	// Version gives what tells which of two states is newer: a whole number, or a time (RFC 3339).
	// Empty means the location in the source. Where the source has no order, it is required. With it, a
	// record of Kafka without a value is refused, unless it is made of {$key} and {$id} alone.
	Version string `json:"version,omitempty"`
	// ExpiresAt is the path of the time, in seconds since 1970, at which the item expires. Items whose
	// message does not have it do not expire.
	ExpiresAt string `json:"expiresAt,omitempty"`
	// Remove is an event pattern of EventBridge. A message that matches removes the item. So does a
	// record of Kafka without a value, of which there is nothing but {$key} and {$id}.
	Remove json.RawMessage `json:"remove,omitempty"`
}

// Check reports what is wrong with a mapping.
func (m Mapping) Check() error {
	for name, template := range map[string]string{"topic": m.Topic, "id": m.ID, "version": m.Version} {
		if template == "" && name != "version" {
			return fmt.Errorf("%s is missing", name)
		}
		if rest := placeholder.ReplaceAllString(template, ""); strings.ContainsAny(rest, "{}") {
			return fmt.Errorf("%s has a brace that is not part of {a.path}", name)
		}
		for _, part := range placeholder.FindAllString(template, -1) {
			if strings.HasPrefix(part, "{$") && part != "{$key}" && part != "{$id}" {
				return fmt.Errorf("%s has %s, but only {$key} and {$id} begin with $: a member is {/$name}", name, part)
			}
		}
	}
	for name, path := range map[string]string{"data": m.Data, "expiresAt": m.ExpiresAt} {
		if placeholder.MatchString(path) {
			return fmt.Errorf("%s is %s, but it is a path, which has no braces", name, path)
		}
	}
	if len(m.Remove) == 0 {
		return nil
	}
	if _, err := pattern.Parse(string(m.Remove)); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

var placeholder = regexp.MustCompile(`\{([^{}]+)\}`)

// apply maps a message; object is nil for a record without a value.
func (m Mapping) apply(message Message, object map[string]any) (a asked, err error) {
	from := origin{message, object}
	if a.Topic, err = from.fill("topic", m.Topic); err != nil {
		return a, err
	}
	if a.ID, err = from.fill("id", m.ID); err != nil {
		return a, err
	}
	if m.Version != "" {
		text, err := from.fill("version", m.Version)
		if err == nil {
			err = a.setVersion(text)
		}
		if err != nil {
			return a, err
		}
	}
	removes, err := m.removes(object)
	if err != nil || removes {
		a.Op = events.OpRemove
		return a, err
	}
	if a.Data, err = m.data(object); err != nil {
		return a, err
	}
	a.ExpiresAt, err = m.expiry(object)
	return a, err
}

func (m Mapping) removes(object map[string]any) (bool, error) {
	if object == nil || len(m.Remove) == 0 {
		return object == nil, nil
	}
	p, err := pattern.Parse(string(m.Remove))
	if err != nil {
		return false, fmt.Errorf("mapping: remove: %w", err)
	}
	return p.MatchObject(object, nil), nil
}

func (m Mapping) data(object map[string]any) (json.RawMessage, error) {
	var value any = object
	if m.Data != "" {
		var found bool
		if value, found = lookUp(object, m.Data); !found {
			return nil, refuse(ReasonForm, "the mapping's data needs %s, which the message does not have", m.Data)
		}
	}
	if members, ok := value.(map[string]any); ok {
		value = withoutReserved(members)
	}
	data, err := events.Marshal(value)
	if err != nil {
		return nil, refuse(ReasonForm, "data cannot be written: %v", err)
	}
	return data, nil
}

func withoutReserved(members map[string]any) map[string]any {
	kept := maps.Clone(members)
	for _, name := range events.ReservedAttributes() {
		delete(kept, name)
	}
	return kept
}

func (m Mapping) expiry(object map[string]any) (int64, error) {
	value, found := lookUp(object, m.ExpiresAt)
	if m.ExpiresAt == "" || !found || value == nil {
		return 0, nil
	}
	seconds, err := strconv.ParseInt(fmt.Sprint(value), 10, 64)
	if err != nil {
		return 0, refuse(ReasonItem, "%s is not a whole number of seconds since 1970", m.ExpiresAt)
	}
	return seconds, nil
}

// origin is what templates are filled from.
type origin struct {
	Message
	object map[string]any
}

// fill writes a template. name is that of the mapping's member.
func (o origin) fill(name, template string) (string, error) {
	var failed error
	filled := placeholder.ReplaceAllStringFunc(template, func(part string) string {
		text, err := o.text(part[1 : len(part)-1])
		if err == nil && name == "topic" && part != template && strings.Contains(text, "/") {
			err = fmt.Errorf("%s without a slash", part)
		}
		if err != nil && failed == nil {
			failed = refuse(ReasonForm, "the mapping's %s needs %v, which the message does not have", name, err)
		}
		return text
	})
	return filled, failed
}

// text gives what a path stands for. The error names what is missing.
func (o origin) text(path string) (string, error) {
	var value any
	switch path {
	case "$key":
		value = o.Key
	case "$id":
		value = o.ID
	default:
		value, _ = lookUp(o.object, path)
	}
	switch value.(type) {
	case string, json.Number, bool:
		if text := fmt.Sprint(value); text != "" {
			return text, nil
		}
	}
	return "", errors.New(path + " as a text, a number or a boolean")
}

// lookUp finds the value at a path.
func lookUp(object map[string]any, path string) (value any, found bool) {
	value = object
	for _, name := range steps(path) {
		switch of := value.(type) {
		case map[string]any:
			if value, found = of[name]; !found {
				return nil, false
			}
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(of) {
				return nil, false
			}
			value = of[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// steps are the names of a path.
func steps(path string) []string {
	pointer, isPointer := strings.CutPrefix(path, "/")
	if !isPointer {
		return strings.Split(path, ".")
	}
	names := strings.Split(pointer, "/")
	for i, name := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	return names
}
