package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// latest is the greatest date that is read, in seconds: the end of the year 9999.
const latest = 253_402_300_799

// members reads the values of a JSON object, and remembers what of them was first
// found to be of another type than it must be. An absent one reads as the zero value,
// and its name is told from others exactly, unlike what encoding/json does for structs.
type members struct {
	of     string // what the object is, for errors
	values map[string]json.RawMessage
	err    error
}

func readMembers(of string, data []byte) *members {
	values, err := object(data)
	m := &members{of: of, values: values}
	if err != nil {
		m.err = refuse(of + " " + err.Error())
	}
	return m
}

func (m *members) has(name string) bool {
	_, found := m.values[name]
	return found
}

func (m *members) wrong(name, want string) {
	if m.err == nil {
		m.err = refuse(fmt.Sprintf("%s has %q, but not as %s", m.of, name, want))
	}
}

func (m *members) text(name string) string {
	var value *string
	if m.has(name) && (json.Unmarshal(m.values[name], &value) != nil || value == nil) {
		m.wrong(name, "a string")
	}
	if value == nil {
		return ""
	}
	return *value
}

// texts reads a string or several (RFC 7519, section 4.1.3).
func (m *members) texts(name string) []string {
	var values []string
	if bytes.HasPrefix(m.values[name], []byte("[")) {
		if json.Unmarshal(m.values[name], &values) != nil {
			m.wrong(name, "strings")
		}
		return values
	}
	if m.has(name) {
		values = append(values, m.text(name))
	}
	return values
}

// date reads a NumericDate (RFC 7519, section 2): seconds since 1970, in a number that
// may have a fraction.
func (m *members) date(name string) time.Time {
	if !m.has(name) {
		return time.Time{}
	}
	var seconds *float64
	if json.Unmarshal(m.values[name], &seconds) != nil || seconds == nil || math.Abs(*seconds) > latest {
		m.wrong(name, "a date")
		return time.Time{}
	}
	return time.UnixMilli(int64(math.Round(*seconds * 1000)))
}

// object takes a JSON object apart. A name that comes twice is an error, because who
// else reads the token may have taken the other of the two (RFC 7519, section 4).
func object(data []byte) (map[string]json.RawMessage, error) {
	errSyntax := errors.New("is not a JSON object")
	decoder := json.NewDecoder(bytes.NewReader(data))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errSyntax
	}
	values := map[string]json.RawMessage{}
	for decoder.More() {
		token, _ := decoder.Token()
		name, isName := token.(string)
		var value json.RawMessage
		if !isName || decoder.Decode(&value) != nil {
			return nil, errSyntax
		}
		if _, twice := values[name]; twice {
			return nil, errors.New("has a name twice")
		}
		values[name] = value
	}
	if _, err := decoder.Token(); err != nil { // the closing brace
		return nil, errSyntax
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errSyntax
	}
	return values, nil
}
