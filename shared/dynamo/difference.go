package dynamo

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// difference tells what an object was from what it is, member by member. So a row of the log has
// the state before in fewer bytes, if most of it has stayed. Unlike a merge patch it can tell a
// member that was null from one that was not there. Arrays are told whole.
//
// A member of what is stands in it at most once, so an object never grows by more than the
// difference has bytes.
type difference struct {
	Was map[string]jsontext.Value `json:"was,omitempty"` // members that had another value, or that are not there any more
	New []string                  `json:"new,omitempty"` // members that were not there
	In  map[string]difference     `json:"in,omitempty"`  // members that were objects, and are, with their difference
}

// differing gives the difference by which undo makes what was of what is. Both are objects as
// itemData gives them. It is empty if it would not be smaller than what was, or not the same
// byte for byte.
func differing(was, is json.RawMessage) string {
	d, err := differenceOf(jsontext.Value(was), jsontext.Value(is))
	if err != nil {
		return ""
	}
	text, err := jsonv2.Marshal(d, jsonv2.Deterministic(true))
	if err != nil || len(text) >= len(was) {
		return ""
	}
	if again, err := undo(is, string(text)); err != nil || !bytes.Equal(again, was) {
		return ""
	}
	return string(text)
}

// undo gives what was before, as differing had it.
func undo(is json.RawMessage, text string) (json.RawMessage, error) {
	var d difference
	if err := jsonv2.Unmarshal([]byte(text), &d); err != nil {
		return nil, err
	}
	return d.appendWas(make([]byte, 0, len(is)+len(text)), jsontext.Value(is))
}

func differenceOf(was, is jsontext.Value) (d difference, err error) {
	before, err := membersOf(was)
	if err != nil {
		return d, err
	}
	after, err := membersOf(is)
	if err != nil {
		return d, err
	}
	d.Was, d.In = map[string]jsontext.Value{}, map[string]difference{}
	for name, value := range before {
		now, there := after[name]
		switch {
		case there && bytes.Equal(value, now):
		case there && value.Kind() == '{' && now.Kind() == '{':
			if d.In[name], err = differenceOf(value, now); err != nil {
				return d, err
			}
		default:
			d.Was[name] = value
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			d.New = append(d.New, name)
		}
	}
	slices.Sort(d.New)
	return d, nil
}

// appendWas appends what was before, its members sorted by name.
func (d difference) appendWas(dst []byte, is jsontext.Value) ([]byte, error) {
	members, err := membersOf(is)
	if err != nil {
		return nil, err
	}
	for _, name := range d.New {
		delete(members, name)
	}
	maps.Copy(members, d.Was)
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, name), ':')
		if in, ok := d.In[name]; ok {
			if dst, err = in.appendWas(dst, members[name]); err != nil {
				return nil, err
			}
			continue
		}
		dst = append(dst, members[name]...)
	}
	return append(dst, '}'), nil
}

// membersOf gives the members of an object, their values as they are written.
func membersOf(object jsontext.Value) (members map[string]jsontext.Value, err error) {
	if err = jsonv2.Unmarshal(object, &members); err == nil && members == nil {
		err = errors.New("null is no object")
	}
	return members, err
}
