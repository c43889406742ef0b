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

// difference holds what changed from the current state of an object to its former one, member by
// member. It keeps a log row small if most members have not changed. Unlike a merge patch, it
// distinguishes a member that was null from a missing member. Arrays are kept whole.
//
// A member of the current state is named at most once. An object therefore never grows by more
// bytes than the difference has.
type difference struct {
	Was map[string]jsontext.Value `json:"was,omitempty"` // members that had another value, or that do not exist any more
	New []string                  `json:"new,omitempty"` // members that did not exist
	In  map[string]difference     `json:"in,omitempty"`  // members that were objects and still are, with their difference
}

// differing gives the difference from which undo makes was out of is. Both are objects as itemData
// gives them. The result is empty if the difference is not smaller than was, or if undo would not
// give was byte for byte.
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

// undo gives the former state from the current one and a difference.
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

// appendWas appends the former state, with members sorted by name.
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

// membersOf gives the members of an object, with their values as written.
func membersOf(object jsontext.Value) (members map[string]jsontext.Value, err error) {
	if err = jsonv2.Unmarshal(object, &members); err == nil && members == nil {
		err = errors.New("null is no object")
	}
	return members, err
}
