// Package pattern is the only place that knows EventBridge's event patterns, which
// subscriptions' filters and the emulated stream mappings are written in.
//
// A pattern is an object shaped like the event; its leaves are lists of which
// one element must match the event's value:
//
//	{"eventName":["INSERT"],"dynamodb":{"NewImage":{"size":{"N":[{"exists":true}]}}}}
//
// Supported: exact strings, numbers, booleans and null, {"exists":…},
// {"prefix":…}, {"suffix":…}, {"equals-ignore-case":…}, {"anything-but":…},
// {"numeric":[…]} and "$or". A list in the event matches if one of its elements
// does; lists in lists count as one. Conditions on an object in a list must all hold
// for the same element, except that what must be absent must be so from all of them
// if nothing else is asked of them.
//
// Numbers compare by value, however they are written and however long they are: 1,
// 1.0 and 1e0 are equal, two numbers that differ in the 38th digit are not.
//
// Matching costs at most the pattern's weight times the size of the event, see
// [Pattern.Weight], and less if its [Steps] are bounded.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
// and https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
package pattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/watchroute/watchroute/events"
)

// Limits of a pattern.
const (
	// MaxBytes is the size of a pattern, at most.
	MaxBytes = 4096
	// MaxDepth is how deep objects and the alternatives of $or nest, at most. It
	// reaches into DynamoDB's deepest documents, which nest 32 levels and have two
	// objects a level in a stream.
	MaxDepth = 64
	// MaxDigits is the precision of a number, at most, as in DynamoDB.
	MaxDigits = 38
)

// Pattern is a parsed pattern. Safe for concurrent use.
type Pattern struct {
	root   object
	text   string
	weight int
}

// Parse reads a pattern. The error says what is wrong and where.
func Parse(text string) (*Pattern, error) {
	value, err := decode(text)
	if err != nil {
		return nil, err
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("pattern is no JSON object")
	}
	root, err := parseObject(fields, "pattern", 1)
	if err != nil {
		return nil, err
	}
	canonical, err := events.Marshal(fields) // which is no longer than the text
	if err != nil {
		return nil, fmt.Errorf("pattern is no JSON: %w", err)
	}
	return &Pattern{root, string(canonical), root.weight()}, nil
}

// String gives the pattern as JSON without spaces, its members sorted. [Parse] reads
// it back.
func (p *Pattern) String() string { return p.text }

// Match tells whether an event, as JSON, has the pattern. What is no JSON object
// has none.
func (p *Pattern) Match(event []byte) bool {
	value, err := decodeValue(event)
	if err != nil {
		return false
	}
	fields, ok := value.(map[string]any)
	return ok && p.MatchObject(fields, nil)
}

// MatchObject is [Pattern.Match] for an event that is decoded already, its numbers as
// [json.Number]. It ends when the steps are spent, and its result then means nothing.
func (p *Pattern) MatchObject(event map[string]any, steps *Steps) bool {
	return p.root.match(event, steps)
}

// Weight is how many conditions the pattern has. Each field, each alternative and each
// match expression counts as one, with these exceptions:
//   - All plain values of a field together count as one.
//   - Alternatives that ask nothing but the same field count as one, with the values and
//     match expressions of all.
//   - equals-ignore-case counts as two, and with letters beyond ASCII as eight.
//   - anything-but counts as often as it has prefixes, suffixes or texts.
//
// Matching takes at most as many steps as the weight times the size of the event. The size
// is one for each value, objects and lists included, and one more for each [StepBytes]
// bytes of a string or number.
func (p *Pattern) Weight() int { return p.weight }

func decode(text string) (any, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("pattern has %d bytes, at most %d are allowed", len(text), MaxBytes)
	}
	if err := events.CheckText([]byte(text)); err != nil {
		return nil, fmt.Errorf("pattern %w", err)
	}
	value, err := decodeValue([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("pattern is no JSON: %w", err)
	}
	return value, nil
}

// decodeValue reads one JSON value, keeping numbers as they are written.
func decodeValue(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the value")
	}
	return value, nil
}
