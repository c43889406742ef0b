package pattern

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
)

const insert = `{"eventName":"INSERT","size":3.0e2,"flag":true,"none":null,"empty":"","tags":["a","b"],
	"list":[{"k":"1"},{"k":"2","j":1}],"nested":[1,[2,[3,{"k":"3"}]]],"hollow":[],"dynamodb":{"NewImage":{"price":{"N":"150.75"},"name":{"S":"Stocks/AAPL"}}}}`

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
		{`{"eventName":[{"anything-but":{"prefix":["RE","IN"]}}]}`, false},
		{`{"eventName":[{"anything-but":{"prefix":["RE","MO"]}}]}`, true},
		{`{"eventName":[{"anything-but":{"suffix":["VE","RT"]}}]}`, false},
		{`{"eventName":[{"anything-but":{"equals-ignore-case":["insert","remove"]}}]}`, false},
		{`{"size":[{"anything-but":[299,300]}]}`, false},
		{`{"size":[{"anything-but":"300"}]}`, true},
		{`{"tags":[{"anything-but":"a"}]}`, true},
		{`{"eventName":[{"exists":true}]}`, true},
		{`{"none":[{"exists":true}]}`, true},
		{`{"eventName":[{"exists":false}]}`, false},
		{`{"missing":[{"exists":false}]}`, true},
		{`{"missing":{"deeper":[{"exists":false}]}}`, true},
		{`{"dynamodb":[{"exists":true}]}`, false}, // only leaves exist
		{`{"hollow":[{"exists":true}]}`, false},
		{`{"hollow":[{"exists":false}]}`, true},
		{`{"list":{"k":[{"exists":false}]}}`, false},
		{`{"list":{"j":[{"exists":false}]}}`, false}, // one element has it
		{`{"list":{"i":[{"exists":false}]}}`, true},
		{`{"list":{"k":["1"],"j":[{"exists":false}]}}`, true},
		{`{"list":{"k":["1"],"j":[1]}}`, false}, // they are of different elements
		{`{"nested":[3]}`, true},
		{`{"nested":{"k":["3"]}}`, true},
		{`{"nested":{"k":["4"]}}`, false},
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

// TestNumbersCompareByValue writes each number in several ways, least first, and
// compares all with all.
func TestNumbersCompareByValue(t *testing.T) {
	ascending := [][]string{
		{"-9.9e125"},
		{"-12345678901234567890123456789012345679"},
		{"-12345678901234567890123456789012345678", "-1.2345678901234567890123456789012345678e37"},
		{"-10", "-1e1", "-10.0"},
		{"-9.99"},
		{"-1e-130"},
		{"0", "-0", "0.000", "0e5", "-0.0E-7"},
		{"1e-130", "0.1e-129"},
		{"0.001", "1e-3", "1.0E-3", "0.00100"},
		{"0.0010000000000000000000000000000000000001"},
		{"1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1"},
		{"9007199254740992"},
		{"9007199254740993"}, // not a float64
		{"12345678901234567890123456789012345678"},
		{"12345678901234567890123456789012345679"},
		{"1e125"},
	}
	for i, as := range ascending {
		for j, bs := range ascending {
			for _, a := range as {
				for _, b := range bs {
					checkNumbers(t, a, b, i, j)
				}
			}
		}
	}
}

// checkNumbers holds the comparisons of two numbers to those of their ranks.
func checkNumbers(t *testing.T, value, operand string, i, j int) {
	t.Helper()
	for matcher, want := range map[string]bool{
		operand:                              i == j,
		`{"numeric":["=",` + operand + `]}`:  i == j,
		`{"numeric":["<",` + operand + `]}`:  i < j,
		`{"numeric":["<=",` + operand + `]}`: i <= j,
		`{"numeric":[">",` + operand + `]}`:  i > j,
		`{"numeric":[">=",` + operand + `]}`: i >= j,
		`{"anything-but":[` + operand + `]}`: i != j,
	} {
		p, err := Parse(`{"n":[` + matcher + `]}`)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match([]byte(`{"n":` + value + `}`)); got != want {
			t.Errorf("%s matches %s: %v, want %v", p, value, got, want)
		}
	}
}

// TestNumbersOutOfRange are in the event only: they equal nothing, but are there.
func TestNumbersOutOfRange(t *testing.T) {
	event := []byte(`{"n":1e99999999999999999999}`)
	for pattern, want := range map[string]bool{
		`{"n":[1]}`:                   false,
		`{"n":[{"numeric":[">",1]}]}`: false,
		`{"n":[{"anything-but":1}]}`:  true,
		`{"n":[{"exists":true}]}`:     true,
	} {
		p, err := Parse(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(event); got != want {
			t.Errorf("%s matches: %v, want %v", pattern, got, want)
		}
	}
}

// BenchmarkStep shows what a step takes, in patterns and events of several shapes that
// are as large as both may be for a client's filter.
func BenchmarkStep(b *testing.B) {
	list := func(element string) string {
		return `{"a":[` + strings.Repeat(element+",", 120_000/(len(element)+1)) + element + `]}`
	}
	or := func(conditions ...string) string { return `{"$or":[` + strings.Join(conditions, ",") + `]}` }
	several := func(condition string) string {
		return or(slices.Repeat([]string{`{"a":` + condition + `,"b":[1]}`}, 16)...)
	}
	for name, c := range map[string]struct{ pattern, event string }{
		"nested":        {strings.Repeat(`{"$or":[{"a":[1]},`, 45) + `{"a":[1]}` + strings.Repeat(`]}`, 45), list(`2`)},
		"wide":          {`{"a":[` + strings.Repeat(`1,`, 500) + `1]}`, list(`2`)},
		"numbers":       {several(`[1,2]`), list(`3`)},
		"decimals":      {several(`[{"numeric":[">",1.5,"<",2.5]}]`), list(`1.25e-7`)},
		"long numbers":  {several(`[{"numeric":[">",1]}]`), list(strings.Repeat(`0.1234567`, 1) + strings.Repeat(`89`, 2000))},
		"texts":         {several(`["x"]`), list(`"` + strings.Repeat("y", 60) + `"`)},
		"prefixes":      {several(`[{"prefix":"` + strings.Repeat("y", 20) + `"}]`), list(`"` + strings.Repeat("y", 19) + `"`)},
		"case":          {several(`[{"equals-ignore-case":"` + strings.Repeat("é", 9) + `"}]`), list(`"` + strings.Repeat("É", 8) + `e"`)},
		"anything but":  {several(`[{"anything-but":{"suffix":["x","y","z"]}}]`), list(`"x"`)},
		"empty objects": {several(`{"c":[1]}`), list(`{}`)},
		"objects":       {several(`{"` + strings.Repeat("c", 40) + `":[1]}`), list(`{"d":1}`)},
		"wide objects":  {several(`{"c":[1]}`), list(`{"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"j":1,"k":1,"l":1}`)},
		"empty lists":   {several(`[1]`), list(`[]`)},
	} {
		b.Run(name, func(b *testing.B) {
			p, err := Parse(c.pattern)
			if err != nil {
				b.Fatal(err)
			}
			value, err := decodeValue([]byte(c.event))
			if err != nil {
				b.Fatal(err)
			}
			taken := 0
			for b.Loop() {
				steps := NewSteps(math.MaxInt)
				p.MatchObject(value.(map[string]any), steps)
				taken += math.MaxInt - steps.Left()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(taken), "ns/step")
			b.ReportMetric(float64(taken)/float64(b.N), "steps/op")
		})
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
		`{"a":[1.00000000000000000000000000000000000001]}`:                                    "39 digits",
		`{"a":[{"anything-but":[]}]}`:                                                         "empty list",
		`{"a":[{"anything-but":{"prefix":[]}}]}`:                                              "empty list",
		`{"a":[{"anything-but":[1,"x"]}]}`:                                                    "both strings and numbers",
		`{"a":[{"anything-but":[null]}]}`:                                                     "no string or number",
		`{"a":[{"anything-but":{"exists":true}}]}`:                                            "anything-but.exists: the operator is not supported",
		strings.Repeat(`{"a":`, 65) + `["b"]` + strings.Repeat(`}`, 65):                       "deeper than the 64 levels",
		strings.Repeat(`{"$or":[{"b":["c"]},`, 65) + `{"b":["c"]}` + strings.Repeat(`]}`, 65): "deeper than the 64 levels",
		`{"$or":[{"a":["b"]}]}`:                                                               "two alternatives",
		`{"$or":[{"a":["b"]},"c"]}`:                                                           "no object",
		`{"a":["b"]}{}`:                                                                       "something follows",
		`{"a":["` + strings.Repeat("b", 4096) + `"]}`:                                         "at most 4096",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s gives %v, want it to say %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"eventName":["INSERT"]}`, insert)
	f.Add(`{"a":[{"numeric":[">",0,"<=",5]}],"$or":[{"b":[null]},{"c":[{"anything-but":[1,2]},{"anything-but":{"suffix":["x"]}}]}]}`, `{"a":3,"b":null}`)
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
		if value, err := decodeValue([]byte(event)); err == nil {
			if fields, ok := value.(map[string]any); ok {
				if got, n := taken(p, fields); got != matched || n > p.Weight()*size(fields) {
					t.Fatalf("%q takes %d steps of %q and gives %v, want %v", text, n, event, got, matched)
				}
			}
		}
		again, err := Parse(p.String())
		if err != nil || again.String() != p.String() || again.Match([]byte(event)) != matched {
			t.Fatalf("%q is %q as text, which gives %v, %v", text, p, again, err)
		}
	})
}
