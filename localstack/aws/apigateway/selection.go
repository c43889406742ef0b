package apigateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// selection is a parsed route selection expression: its parts, concatenated.
type selection struct {
	parts []part
	// whole marks the bare form "$request.body.x", for which a missing value is
	// no match at all; inside "${}" it is an empty string.
	whole bool
}

// part is fixed text, or a path into the message's body.
type part struct {
	text string
	path []string
}

const bodyVariable = "request.body"

// parseSelection reads "$request.body.a.b", a composite of "${request.body.x}"
// and text, or plain text.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
func parseSelection(expression string) (selection, error) {
	if bare, ok := strings.CutPrefix(expression, "$"); ok && !strings.HasPrefix(bare, "{") {
		path, err := parsePath(bare)
		return selection{parts: []part{{path: path}}, whole: true}, err
	}
	var s selection
	for rest := expression; rest != ""; {
		text, variable, found := strings.Cut(rest, "${")
		if text != "" {
			s.parts = append(s.parts, part{text: text})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(variable, "}")
		if !closed {
			return selection{}, fmt.Errorf("route selection expression %q: ${ without }", expression)
		}
		path, err := parsePath(strings.TrimPrefix(name, "$"))
		if err != nil {
			return selection{}, err
		}
		s.parts = append(s.parts, part{path: path})
		rest = after
	}
	return s, nil
}

// parsePath splits "request.body.a[0].b" into its steps below the body.
func parsePath(variable string) ([]string, error) {
	rest, ok := strings.CutPrefix(variable, bodyVariable)
	if !ok || (rest != "" && rest[0] != '.' && rest[0] != '[') {
		return nil, fmt.Errorf("route selection expression: %q is not a path into request.body", variable)
	}
	path := strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(".[]", r) })
	for i, step := range path {
		path[i] = strings.Trim(step, `'"`)
	}
	if len(path) == 0 {
		return nil, fmt.Errorf("route selection expression: %q names no member of the body", variable)
	}
	return path, nil
}

// key evaluates the expression on a message. It reports false where only
// $default can answer: the body is not JSON, or the bare path leads nowhere.
func (s selection) key(body string) (string, bool) {
	if len(s.parts) == 0 || !json.Valid([]byte(body)) {
		return "", false
	}
	if s.whole {
		return scalar([]byte(body), s.parts[0].path)
	}
	var key strings.Builder
	for _, p := range s.parts {
		key.WriteString(p.text)
		if p.path != nil {
			value, _ := scalar([]byte(body), p.path)
			key.WriteString(value)
		}
	}
	return key.String(), true
}

// scalar is the string, number or boolean at a path, as text.
func scalar(body json.RawMessage, path []string) (string, bool) {
	for _, step := range path {
		var ok bool
		if body, ok = member(body, step); !ok {
			return "", false
		}
	}
	switch body[0] {
	case '{', '[', 'n':
		return "", false
	case '"':
		var text string
		err := json.Unmarshal(body, &text)
		return text, err == nil
	}
	return string(body), true
}

// member is one step into a JSON object by name, or into an array by index.
func member(body json.RawMessage, step string) (json.RawMessage, bool) {
	if bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
		var list []json.RawMessage
		i, err := strconv.Atoi(step)
		if err != nil || json.Unmarshal(body, &list) != nil || i < 0 || i >= len(list) {
			return nil, false
		}
		return list[i], true
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return nil, false
	}
	value, ok := object[step]
	return value, ok
}
