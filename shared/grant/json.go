package grant

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/watchroute/watchroute/events"
	"github.com/watchroute/watchroute/shared/pattern"
)

// decodeObject reads a JSON object, its numbers digit for digit. Of members with the
// same name the last one counts.
func decodeObject(data []byte) (object map[string]any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if d.Decode(&object) != nil || object == nil {
		return nil, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	return object, true
}

// encode writes what decodeObject reads, and structs of such values: without spaces,
// members sorted, nothing escaped that need not be.
func encode(v any) []byte {
	text, _ := events.Marshal(v) // what comes from JSON always encodes
	return text
}

// What it takes, in steps, to look at, make and write values.
const (
	memberSteps      = 2  // to look for a member of an object
	elementSteps     = 1  // to look at an element of a list
	makeSteps        = 2  // to make an object or a list
	makeMemberSteps  = 6  // to put a member into an object
	writeSteps       = 2  // to write a value
	writeMemberSteps = 10 // to write the name of a member, in its order
	writeStepBytes   = 16 // of a text are written in a step
	narrowWeight     = 4  // steps for a byte, at most, to compare and write an object
)

// encodeWithin encodes a value if the steps suffice for it.
func encodeWithin(v any, steps *pattern.Steps) json.RawMessage {
	if !payToWrite(v, steps) {
		return nil
	}
	return encode(v)
}

func payToWrite(v any, steps *pattern.Steps) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if !steps.Take(writeMemberSteps+len(name)/writeStepBytes) || !payToWrite(member, steps) {
				return false
			}
		}
	case []any:
		for _, element := range v {
			if !payToWrite(element, steps) {
				return false
			}
		}
	case string:
		return steps.Take(writeSteps + len(v)/writeStepBytes)
	case json.Number:
		return steps.Take(writeSteps + len(v)/writeStepBytes)
	}
	return steps.Take(writeSteps)
}

// members reads a JSON object that has no other members than known ones, which are
// spelled exactly so, and each once: who else reads it may take the other of two.
func members(text []byte, at string, known ...string) (map[string]json.RawMessage, error) {
	var parts map[string]json.RawMessage
	if json.Unmarshal(text, &parts) != nil || parts == nil {
		return nil, fmt.Errorf("%s is no JSON object", at)
	}
	if memberCount(text) != len(parts) {
		return nil, fmt.Errorf("%s has a member twice", at)
	}
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%s has the unknown member %.40q", at, name)
		}
	}
	return parts, nil
}

// memberCount counts the members of a JSON object.
func memberCount(text []byte) (n int) {
	d := json.NewDecoder(bytes.NewReader(text))
	_, _ = d.Token() // it is an object, and it is JSON, as it was just read
	for ; d.More(); n++ {
		_, _ = d.Token()
		var value json.RawMessage
		_ = d.Decode(&value)
	}
	return n
}

// stringList reads a list of at least one string.
func stringList(text json.RawMessage, at string) ([]string, error) {
	var elements []*string
	if json.Unmarshal(text, &elements) != nil || len(elements) == 0 || slices.Contains(elements, nil) {
		return nil, fmt.Errorf("%s is no list of strings", at)
	}
	var list []string
	for _, s := range elements {
		list = append(list, *s)
	}
	return list, nil
}
