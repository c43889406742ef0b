package pattern

import (
	"encoding/json"
	"strings"
	"testing"
)

const insert = `{"eventName":"INSERT","size":3.0e2,"flag":true,"none":null,"empty":"","tags":["a","b"],
	"list":[{"k":"1"},{"k":"2"}],"dynamodb":{"NewImage":{"price":{"N":"150.75"},"name":{"S":"Stocks/AAPL"}}}}`

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern string
		want    bool
	}{
		{`{"eventName":["INSERT"]}`, true},
		{`{"eventName":["insert"]}`, false},
		{`{"eventName":["MODIFY","INSERT"]}`, true},
		{`{"eventName":["INSERT"],"size":[1]}`, false},
		{`{"size":[300]}`, true},
		{`{"size":["300"]}`, false},
		{`{"flag":[true]}`, true},
		{`{"flag":[false,"true"]}`, false},
		{`{"none":[null]}`, true},
		{`{"missing":[null]}`, false},
		{`{"empty":[""]}`, true},
		{`{"none":[""]}`, false},
		{`{"tags":["b"]}`, true},
		{`{"tags":["c"]}`, false},
		{`{"list":{"k":["2"]}}`, true},
		{`{"list":{"k":["3"]}}`, false},
		{`{"dynamodb":{"NewImage":{"name":{"S":[{"prefix":"Stocks/"}]}}}}`, true},
		{`{"dynamodb":{"NewImage":{"name":{"S":[{"prefix":"stocks/"}]}}}}`, false},
		{`{"dynamodb":{"NewImage":{"name":{"S":[{"suffix":"AAPL"}]}}}}`, true},
		{`{"dynamodb":{"NewImage":{"name":{"S":[{"suffix":"Stocks"}]}}}}`, false},
		{`{"dynamodb":{"NewImage":{"name":{"S":[{"equals-ignore-case":"STOCKS/aapl"}]}}}}`, true},
		{`{"dynamodb":{"NewImage":{"name":{"S":[{"equals-ignore-case":"aapl"}]}}}}`, false},
		{`{"dynamodb":{"NewImage":{"price":{"N":[{"numeric":[">",100]}]}}}}`, false}, // a string
		{`{"dynamodb":{"NewImage":{"price":{"N":["150.75"]}}}}`, true},
		{`{"size":[{"numeric":[">",299.5]}]}`, true},
		{`{"size":[{"numeric":[">=",300,"<",300]}]}`, false},
		{`{"size":[{"numeric":[">=",300,"<=",300]}]}`, true},
		{`{"size":[{"numeric":["=",300]}]}`, true},
		{`{"missing":[{"numeric":["<",1]}]}`, false},
		{`{"eventName":[{"anything-but":["REMOVE","MODIFY"]}]}`, true},
		{`{"eventName":[{"anything-but":"INSERT"}]}`, false},
		{`{"eventName":[{"anything-but":{"prefix":"IN"}}]}`, false},
		{`{"missing":[{"anything-but":"INSERT"}]}`, false},
		{`{"eventName":[{"exists":true}]}`, true},
		{`{"none":[{"exists":true}]}`, true},
		{`{"eventName":[{"exists":false}]}`, false},
		{`{"missing":[{"exists":false}]}`, true},
		{`{"missing":{"deeper":[{"exists":false}]}}`, true},
		{`{"dynamodb":[{"exists":true}]}`, false}, // only leaves exist
		{`{"dynamodb":{"OldImage":{"x":{"S":[{"exists":true}]}}}}`, false},
		{`{"$or":[{"eventName":["REMOVE"]},{"size":[300]}]}`, true},
		{`{"$or":[{"eventName":["REMOVE"]},{"size":[301]}]}`, false},
		{`{"flag":[false],"$or":[{"eventName":["INSERT"]},{"size":[300]}]}`, false},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := p.Match([]byte(insert)); got != c.want {
			t.Errorf("%s matches: %v, want %v", c.pattern, got, c.want)
		}
	}
}

// TestMatchTTL is the pattern of AWS's guide for what time to live deletes.
func TestMatchTTL(t *testing.T) {
	p, err := Parse(`{"userIdentity":{"type":["Service"],"principalId":["dynamodb.amazonaws.com"]}}`)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Match([]byte(`{"eventName":"REMOVE","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}}`)) {
		t.Error("a TTL delete does not match")
	}
	if p.Match([]byte(`{"eventName":"REMOVE"}`)) {
		t.Error("another delete matches")
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "no JSON",
		`[]`:                                  "no JSON object",
		`{}`:                                  "pattern is empty",
		`{"a":{}}`:                            "pattern.a is empty",
		`{"a":"b"}`:                           "pattern.a is neither an object nor a list",
		`{"a":[]}`:                            "pattern.a is an empty list",
		`{"a":[["b"]]}`:                       "pattern.a has an element",
		`{"a":[{"b":1}]}`:                     "pattern.a.b: the operator is not supported",
		`{"a":[{"prefix":"x","suffix":"y"}]}`: "2 operators",
		`{"a":[{"prefix":1}]}`:                "pattern.a.prefix is no string",
		`{"a":[{"exists":"true"}]}`:           "neither true nor false",
		`{"a":[{"numeric":[">"]}]}`:           "no list of one or two comparisons",
		`{"a":[{"numeric":["!",1]}]}`:         "no comparison",
		`{"a":[{"numeric":["<","1"]}]}`:       "no number",
		`{"a":[1e999]}`:                       "out of range",
		`{"a":[{"anything-but":[]}]}`:         "empty list",
		`{"$or":[{"a":["b"]}]}`:               "two alternatives",
		`{"$or":[{"a":["b"]},"c"]}`:           "no object",
		`{"a":["b"]}{}`:                       "something follows",
		`{"a":["` + strings.Repeat("b", 4096) + `"]}`: "at most 4096",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s gives %v, want it to say %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"eventName":["INSERT"]}`, insert)
	f.Add(`{"a":[{"numeric":[">",0,"<=",5]}],"$or":[{"b":[null]},{"c":[{"anything-but":[1,"x"]}]}]}`, `{"a":3,"b":null}`)
	f.Add(`{"a":{"b":[{"exists":false}]}}`, `{"a":[{"b":1},2]}`)
	f.Fuzz(func(t *testing.T, text, event string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is no JSON and was parsed", text)
		}
		matched := p.Match([]byte(event))
		if matched && !json.Valid([]byte(event)) {
			t.Fatalf("%q matches %q, which is no JSON", text, event)
		}
		if matched != p.Match([]byte(event)) {
			t.Fatalf("%q matches %q only sometimes", text, event)
		}
	})
}
