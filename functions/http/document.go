package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/watchroute/watchroute/events"
)

// object is a JSON object whose members stay in order. A member's value is taken apart only where it
// changes.
type object []member

type member struct {
	name  string
	value json.RawMessage
}

func parseObject(text json.RawMessage) (o object, err error) {
	in := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	begin, err := in.ReadToken()
	if err == nil && begin.Kind() != '{' {
		err = fmt.Errorf("%.40s is no JSON object", text)
	}
	if err != nil {
		return nil, err
	}
	for in.PeekKind() == '"' {
		name, err := in.ReadToken()
		if err != nil {
			return nil, err
		}
		m := member{name: name.String()}
		value, err := in.ReadValue()
		if err != nil {
			return nil, err
		}
		end := int(in.InputOffset())
		m.value = json.RawMessage(text[end-len(value) : end : end])
		o = append(o, m)
	}
	_, err = in.ReadToken()
	return o, err
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	size := 2
	for _, m := range o {
		size += len(m.name) + len(m.value) + 4
	}
	out := append(make([]byte, 0, size), '{')
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := events.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), m.value...)
	}
	return append(out, '}'), nil
}

// at gives where a member is, -1 if there is none.
func (o object) at(name string) int {
	for i, m := range o {
		if m.name == name {
			return i
		}
	}
	return -1
}

// value gives that of a member, nil if there is none.
func (o object) value(name string) json.RawMessage {
	if i := o.at(name); i >= 0 {
		return o[i].value
	}
	return nil
}

// text gives the value of a member that is a text.
func (o object) text(name string) (text string, err error) {
	err = json.Unmarshal(o.value(name), &text)
	return text, err
}

// set gives a member a value. A new one comes last.
func (o *object) set(name string, value any) error {
	text, err := written(value)
	if err != nil {
		return err
	}
	if i := o.at(name); i >= 0 {
		(*o)[i].value = text
	} else {
		*o = append(*o, member{name, text})
	}
	return nil
}

// written gives a value as JSON. What is JSON already is not read again.
func written(value any) (json.RawMessage, error) {
	switch v := value.(type) {
	case json.RawMessage:
		return v, nil
	case object:
		return v.MarshalJSON()
	}
	return events.Marshal(value)
}

// keep leaves out the members for which wanted is false.
func (o *object) keep(wanted func(name string) bool) {
	*o = slices.DeleteFunc(*o, func(m member) bool { return !wanted(m.name) })
}

// edit changes the object below a path of members. It is an error if there is none.
func (o *object) edit(change func(*object) error, path ...string) error {
	if len(path) == 0 {
		return change(o)
	}
	i := o.at(path[0])
	if i < 0 {
		return fmt.Errorf("there is no member %s", path[0])
	}
	inner, err := parseObject((*o)[i].value)
	if err != nil {
		return err
	}
	if err := inner.edit(change, path[1:]...); err != nil {
		return fmt.Errorf("%s: %w", path[0], err)
	}
	return o.set(path[0], inner)
}

// setAt gives the member at the end of a path a value.
func (o *object) setAt(value any, path ...string) error {
	last := len(path) - 1
	return o.edit(func(at *object) error { return at.set(path[last], value) }, path[:last]...)
}

// keepAt leaves out members of the object below a path.
func (o *object) keepAt(wanted func(name string) bool, path ...string) error {
	return o.edit(func(at *object) error { at.keep(wanted); return nil }, path...)
}

// dropAt leaves out the elements of a list that are a text, or have it as a value.
func (o *object) dropAt(text string, path ...string) error {
	last := len(path) - 1
	return o.edit(func(at *object) error {
		var list []json.RawMessage
		if err := json.Unmarshal(at.value(path[last]), &list); err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(e json.RawMessage) bool { return bytes.Contains(e, []byte(`"`+text+`"`)) })
		return at.set(path[last], list)
	}, path[:last]...)
}

// component is a reference to a component, or to a part of one.
var component = regexp.MustCompile(`"#/components/([A-Za-z]+)/([A-Za-z]+)`)

// prune leaves out the components of some kinds that nothing refers to, but for other such components.
func (o *object) prune(kinds ...string) error {
	components, err := parseObject(o.value("components"))
	if err != nil {
		return err
	}
	unread := map[string]json.RawMessage{} // by kind and name, until something refers to it
	var texts []json.RawMessage
	for _, m := range components {
		if !slices.Contains(kinds, m.name) {
			texts = append(texts, m.value)
			continue
		}
		all, err := parseObject(m.value)
		if err != nil {
			return err
		}
		for _, c := range all {
			unread[m.name+"/"+c.name] = c.value
		}
	}
	for _, m := range *o {
		if m.name != "components" {
			texts = append(texts, m.value)
		}
	}
	for len(texts) > 0 {
		text := texts[0]
		texts = texts[1:]
		for _, found := range component.FindAllSubmatch(text, -1) {
			key := string(found[1]) + "/" + string(found[2])
			if at, ok := unread[key]; ok {
				delete(unread, key)
				texts = append(texts, at)
			}
		}
	}
	for _, kind := range kinds {
		err = errors.Join(err, components.keepAt(func(name string) bool { return unread[kind+"/"+name] == nil }, kind))
	}
	return errors.Join(err, o.set("components", components))
}
