package apigateway

import (
	"encoding/json"
	"testing"
)

func TestSelection(t *testing.T) {
	for _, c := range []struct {
		expression, body, key string
		ok                    bool
	}{
		{"$request.body.action", `{"action":"join"}`, "join", true},
		{"$request.body.action", `{"action":"join","action":"leave"}`, "leave", true},
		{"$request.body.a.b", `{"a":{"b":"x"}}`, "x", true},
		{"$request.body.a[1].b", `{"a":[{},{"b":"x"}]}`, "x", true},
		{"$request.body['a']", `{"a":"x"}`, "x", true},
		{"$request.body.action", `{"action":7}`, "7", true},
		{"$request.body.action", `{"action":1.50}`, "1.50", true},
		{"$request.body.action", `{"action":true}`, "true", true},
		{"$request.body.action", `{"action":"caf\u00e9"}`, "café", true},
		{"$request.body.action", `{"action":""}`, "", true},
		{"$request.body.action", `{"action":null}`, "", false},
		{"$request.body.action", `{"action":{"a":1}}`, "", false},
		{"$request.body.action", `{"Action":"join"}`, "", false},
		{"$request.body.action", `{}`, "", false},
		{"$request.body.action", `"action"`, "", false},
		{"$request.body.action", `["action"]`, "", false},
		{"$request.body.action", `null`, "", false},
		{"$request.body.action", `hello`, "", false},
		{"$request.body.action", `{"action":"join"} {}`, "", false},
		{"$request.body.action", ``, "", false},
		{"$request.body.a.b", `{"a":"b"}`, "", false},
		{"$request.body.a[9]", `{"a":[1]}`, "", false},
		{"${request.body.a}/${request.body.b}", `{"a":"x","b":"y"}`, "x/y", true},
		{"${request.body.a}/${request.body.b}", `{"a":"x"}`, "x/", true},
		{"v1-${$request.body.a}!", `{"a":2}`, "v1-2!", true},
		{"${request.body.a}", `hello`, "", false},
		{"always", `{}`, "always", true},
		{"always", `hello`, "", false},
		{"", `{}`, "", false},
	} {
		s, err := parseSelection(c.expression)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		if key, ok := s.key(c.body); key != c.key || ok != c.ok {
			t.Errorf("%s of %s: %q %v, want %q %v", c.expression, c.body, key, ok, c.key, c.ok)
		}
	}
}

func TestSelectionInvalid(t *testing.T) {
	for _, expression := range []string{"$request.body", "$request.header.x", "$context.routeKey", "$", "${request.body.a", "${}", "a${request.bodyx}", "$request.body."} {
		if s, err := parseSelection(expression); err == nil {
			t.Errorf("%s parses as %+v", expression, s)
		}
	}
}

func FuzzSelection(f *testing.F) {
	f.Add("$request.body.action", `{"action":"join"}`)
	f.Add("${request.body.a}/${request.body.b[0]}", `{"a":{"b":[1]}}`)
	f.Add("static", ` [1] `)
	f.Add("$request.body['a\"]", ` {"a" : null}`)
	f.Fuzz(func(t *testing.T, expression, body string) {
		s, err := parseSelection(expression)
		if err != nil {
			return
		}
		key, ok := s.key(body)
		if !ok && key != "" {
			t.Errorf("no match, but key %q", key)
		}
		if ok && !json.Valid([]byte(body)) {
			t.Errorf("%q selects %q of what is no JSON", expression, key)
		}
	})
}
