package authorizer

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPolicy(t *testing.T) {
	const arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/live/$connect"
	allow := `{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"` + arn + `"}`
	for name, c := range map[string]struct {
		statements string
		want       bool
	}{
		"nothing":                      {`[]`, false},
		"exact":                        {`[` + allow + `]`, true},
		"one statement without a list": {allow, true},
		"wildcard resource":            {strings.Replace(allow, arn, "arn:aws:execute-api:*:*:a1b2c3d4e5/*/$connect", 1), true},
		"question marks":               {strings.Replace(allow, "eu-west-1", "eu-west-?", 1), true},
		"another API":                  {strings.Replace(allow, "a1b2c3d4e5", "zzzzz", 1), false},
		"resources do mind case":       {strings.Replace(allow, "live", "LIVE", 1), false},
		"actions do not":               {strings.Replace(allow, "Invoke", "invoke", 1), true},
		"wildcard action":              {strings.Replace(allow, "Invoke", "*", 1), true},
		"another action":               {strings.Replace(allow, "Invoke", "ManageConnections", 1), false},
		"list of resources":            {strings.Replace(allow, `"`+arn+`"`, `["x","*"]`, 1), true},
		"second statement allows":      {`[` + strings.Replace(allow, "live", "test", 1) + `,` + allow + `]`, true},
		"deny after allow":             {`[` + allow + `,{"Effect":"Deny","Action":"*","Resource":"*"}]`, false},
		"deny before allow":            {`[{"Effect":"Deny","Action":"*","Resource":"*"},` + allow + `]`, false},
		"deny of something else":       {`[{"Effect":"Deny","Action":"*","Resource":"arn:*:other/*"},` + allow + `]`, true},
		"conditional allow":            {strings.Replace(allow, `{`, `{"Condition":{"Bool":{"a":"b"}},`, 1), false},
		"conditional deny":             {`[` + allow + `,{"Effect":"Deny","Action":"*","Resource":"*","Condition":{}}]`, false},
		"NotAction of another":         {strings.Replace(strings.Replace(allow, "Action", "NotAction", 1), "Invoke", "Other", 1), true},
		"NotAction of this":            {strings.Replace(allow, "Action", "NotAction", 1), false},
		"NotResource of this":          {strings.Replace(allow, "Resource", "NotResource", 1), false},
		"no resource":                  {`{"Effect":"Allow","Action":"*"}`, false},
		"unknown effect":               {strings.Replace(allow, "Allow", "allow", 1), false},
	} {
		var p policy
		if err := json.Unmarshal([]byte(`{"Version":"2012-10-17","Statement":`+c.statements+`}`), &p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := p.allows("execute-api:Invoke", arn); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*", "abc", true}, {"*c", "abc", true},
		{"a*c", "abcbc", true}, {"a*b*c", "aXbYbZc", true}, {"a*b", "abc", false}, {"a?c", "abc", true}, {"a?", "a", false},
		{"**", "x", true}, {"*a", "b", false}, {"abc", "ab", false}, {"ab", "abc", false}, {"*ab*ab", "ab", false},
	} {
		if got := glob(c.pattern, c.text); got != c.want {
			t.Errorf("glob(%q, %q) = %v", c.pattern, c.text, got)
		}
	}
}

const allowAll = `{"principalId":"a","policyDocument":{"Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"*"}]}}`

// API Gateway takes the members of an authorizer's result by their exact names.
func TestAuthorizerResultInAnotherCaseIsNone(t *testing.T) {
	for _, output := range []string{strings.Replace(allowAll, "principalId", "PrincipalId", 1), strings.Replace(allowAll, "policyDocument", "policydocument", 1)} {
		if result, err := Parse([]byte(output)); err == nil {
			t.Errorf("%s is taken for %+v", output, result)
		}
	}
}

func FuzzResult(f *testing.F) {
	f.Add([]byte(allowAll))
	f.Add([]byte(`{"principalId":"a","policyDocument":{"Statement":null},"context":{"a":null,"b":1e3,"c":"\u00e9"}}`))
	f.Add([]byte(`{"principalId":"a","policyDocument":{"Statement":[{"Action":[1]}]}}`))
	f.Fuzz(func(t *testing.T, output []byte) {
		result, err := Parse(output)
		if err != nil {
			return
		}
		result.Allows("arn")
		raw, err := result.Context(0)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(raw, &members); err != nil {
			t.Fatal(err)
		}
		for name, value := range members {
			if _, ok := value.(string); !ok && name != "integrationLatency" {
				t.Errorf("%s is %v, no string", name, value)
			}
		}
	})
}
